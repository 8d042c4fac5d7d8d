"""The mail to operators passes the checks of every mail, in both languages, whatever an error's words hold."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from digest.notify import Event, EventKind
from digest.render.context import NoticeContext, PublicationView
from digest.render.event_view import event_view
from digest.render.loader import Templates
from digest.render.notice import render_notice
from digest.render.notice_kind import NoticeKind

NOW = datetime(2021, 9, 30, tzinfo=UTC)
WHY = 'the relay said "<b>&no" {{ not a template }} and more: 한국어'


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("kind", EventKind)
def test_it_passes_every_check(kind: EventKind, language: str) -> None:
    templates = Templates()
    event = Event(kind, NOW, 21, "2021-09", why=WHY, numbers={"accepted": 1234, "unheard-of": 2})
    stored = {"event": kind.value, "at": NOW.isoformat(), **event.as_json()}
    publication = PublicationView(
        "Smart City", "", "Policy Centre", "Example Street 1, Example Town", "https://x.example"
    )
    view = event_view(stored, templates.translate(language), ZoneInfo("Asia/Seoul"))
    rendered = render_notice(NoticeKind.OPERATOR, language, NoticeContext(publication, event=view), templates)
    assert rendered.findings == ()
    assert "<b>&no" not in rendered.html
    assert '"<b>&no" {{ not a template }}' in " ".join(rendered.text.split())
    assert "1,234" in rendered.text
    assert "unheard-of" in rendered.text
    assert "digest" in rendered.html
