"""The sign-up form for other sites: what it says, and that it needs nothing but a plain POST from anywhere."""

import html as html_escape
from datetime import datetime

import pytest
from lxml import html
from sqlmodel import select
from starlette.testclient import TestClient

from digest.app import App
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.runtime.errors import UsageError
from digest.testing import FrozenClock
from digest.web.public.audience import sign_up_form
from subscribers.models import Subscriber

FOREIGN = {"Origin": "https://town.example", "Referer": "https://town.example/news", "Sec-Fetch-Site": "cross-site"}


def fields(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Return where the form posts to, and what a browser sends if nothing but the address is filled in."""
    form = html.fromstring(text)
    form.fields["email"] = "new@example.org"
    return form.action, form.form_values()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_what_the_form_sends_from_another_site_signs_up(
    press: Publisher, client: TestClient, now: datetime, language: str
) -> None:
    action, values = fields(sign_up_form(App(press.settings, press.engine, FrozenClock(now)), language))
    assert action == "http://127.0.0.1:8025/subscribe"
    client.cookies.clear()
    answer = client.post("/subscribe", data=dict(values), headers=FOREIGN)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    with session_scope(press.engine) as session:
        person = session.exec(select(Subscriber).where(Subscriber.address == "new@example.org")).one()
    assert (person.state, person.interests, person.language) == ("pending", "*", language)


def test_chosen_topics_arrive(press: Publisher, client: TestClient) -> None:
    values = {"email": "new@example.org", "scope": "some", "interest": ["safety", "mobility"], "language": "ko"}
    assert client.post("/subscribe", data=values, headers=FOREIGN).status_code == 200
    with session_scope(press.engine) as session:
        person = session.exec(select(Subscriber).where(Subscriber.address == "new@example.org")).one()
    assert person.interests == "mobility;safety"


def test_the_page_shows_the_form_as_text_to_copy(press: Publisher, client: TestClient, now: datetime) -> None:
    works = App(press.settings, press.engine, FrozenClock(now))
    for language, title in (("en", "Sign-up form for your website"), ("ko", "구독 신청 양식")):
        page = client.get(f"/subscribe/embed?lang={language}")
        assert page.status_code == 200
        assert title in page.text
        shown = html.fromstring(page.text).xpath("string(//pre/code)")
        assert shown == sign_up_form(works, language)
        assert page.headers["x-robots-tag"] == "noindex"
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


def test_titles_are_text_in_it(press: Publisher, now: datetime) -> None:
    odd = '"><script>alert(1)</script>'
    interests = [i.model_copy(update={"title": {"*": odd}}) for i in press.settings.interest]
    publication = press.settings.publication.model_copy(update={"name": {"*": odd}})
    settings = press.settings.model_copy(update={"interest": tuple(interests), "publication": publication})
    text = sign_up_form(App(settings, press.engine, FrozenClock(now)))
    assert "<script" not in text
    assert html_escape.escape(odd) in text.replace("&#34;", "&quot;")


def test_it_needs_nothing_from_elsewhere(press: Publisher, now: datetime) -> None:
    works = App(press.settings, press.engine, FrozenClock(now))
    text = sign_up_form(works)
    assert not {"script", "style", "link", "img", "iframe"} & {element.tag for element in html.fromstring(text).iter()}
    with pytest.raises(UsageError, match="does not have the language"):
        sign_up_form(works, "xx")


def test_without_interests_everything_is_meant(press: Publisher, now: datetime) -> None:
    settings = press.settings.model_copy(update={"interest": ()})
    _, values = fields(sign_up_form(App(settings, press.engine, FrozenClock(now))))
    assert ("scope", "all") in values
