"""What operators are told, as a value: keys that say what is the same event, and nothing personal."""

import json
from datetime import UTC, datetime
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.notify import Event, EventKind
from digest.notify.dispatch import body_of
from digest.render.event_view import event_view
from digest.render.locales import catalogue
from digest.settings.operators import EventName

NOW = datetime(2021, 9, 30, tzinfo=UTC)


def test_settings_know_every_event() -> None:
    assert set(get_args(EventName)) == {kind.value for kind in EventKind} - {EventKind.TEST.value}


def test_the_key_is_made_of_kind_issue_and_occasion() -> None:
    assert Event(EventKind.FINISHED, NOW, 21).key == "finished:issue-21"
    assert Event(EventKind.MISSED, NOW, period="2021-09").key == "missed:2021-09"
    assert Event(EventKind.NEEDS_APPROVAL, NOW, 21, occasion="T-3").key == "needs_approval:issue-21:T-3"
    assert Event(EventKind.HALTED, NOW, 21, why="a").key == Event(EventKind.HALTED, NOW, 21, why="b").key


@pytest.mark.parametrize("language", ["en", "ko", "de"])
@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_has_words(kind: EventKind, language: str) -> None:
    stored = {"event": kind.value, "at": NOW.isoformat(), **Event(kind, NOW, 21).as_json()}
    view = event_view(stored, catalogue(language).gettext, ZoneInfo("Asia/Seoul"))
    assert view.headline not in {kind.value, ""}
    assert view.meaning
    assert view.at == "2021-09-30 09:00 Asia/Seoul"
    assert ("Issue No. 21" in view.headline) == (language != "ko")


@pytest.mark.parametrize("kind", sorted(set(EventKind) - {EventKind.TEST}))
def test_every_kind_says_what_to_do_next(kind: EventKind) -> None:
    assert all(step.startswith("digest ") for step in Event(kind, NOW, 21, "2021-09").next_steps)
    assert Event(kind, NOW, 21, "2021-09").next_steps


@given(why=st.text(max_size=2000), local=st.from_regex(r"[a-z][a-z0-9.+]{0,20}", fullmatch=True))
def test_no_address_leaves_by_the_webhook(why: str, local: str) -> None:
    event = Event(EventKind.HALTED, NOW, 21, why=f"{why} {local}@example.org said no")
    body = json.loads(body_of(event))
    assert f"{local}@example.org" not in json.dumps(body, ensure_ascii=False)
    assert body["type"] == "digest.halted"
    assert body["timestamp"] == "2021-09-30T00:00:00Z"
