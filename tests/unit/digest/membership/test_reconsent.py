"""The confirmation run: once each, in order, never more an hour than allowed, and safe to break off."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from digest.membership import reconsent
from digest.runtime.db import session_scope
from subscribers import signup, suppression
from subscribers.links import LinkPayload, Purpose
from subscribers.suppression import SuppressionReason
from tests.support.people import People, make


@pytest.fixture
def people(tmp_path: Path, engine: Engine, now: datetime) -> People:
    return make(tmp_path / "workspace", engine, now)


def pending(people: People, count: int) -> list[int]:
    return [people.add(f"p{number}@example.net", state="pending") for number in range(count)]


def run(people: People, **options: Any) -> reconsent.ReconsentRun:
    return reconsent.ask(people.works, reconsent.confirmation(people.works, **options))


def test_each_pending_person_is_asked_once_and_so_many_an_hour(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconsent, "BATCH", 3)
    pending(people, 7)
    people.add("reader@example.net")
    done = run(people, per_hour=2)
    assert done.asked == 7
    due = [notice.due_at for notice in people.notices()]
    for moment in due:
        assert sum(moment <= other < moment + timedelta(hours=1) for other in due) <= 2
    assert (done.first, done.last) == (people.now, people.now + timedelta(hours=3))
    assert run(people, per_hour=2).asked == 0


def test_a_broken_off_run_goes_on_behind_what_is_promised(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconsent, "BATCH", 2)
    pending(people, 5)

    def stop(_asked: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reconsent.ask(people.works, reconsent.confirmation(people.works, per_hour=1), stop)
    assert len(people.notices()) == 2
    assert run(people, per_hour=1).asked == 3
    due = [notice.due_at for notice in people.notices()]
    assert due == [people.now + timedelta(hours=number) for number in range(5)]


def test_only_what_is_due_goes_and_its_link_confirms(people: People) -> None:
    first, _ = pending(people, 2)
    run(people, per_hour=1)
    (taken,) = people.deliver()
    with session_scope(people.works.engine) as session:
        payload = LinkPayload(Purpose.CONFIRM, taken.ref, taken.context["extra"], people.now)
        assert signup.confirm(session, payload, now=people.now) is not None
    assert people.person(first).state == "confirmed"


def test_nobody_is_asked_who_must_not_be_written_to(people: People) -> None:
    (never,) = pending(people, 1)
    people.add("left@example.net", state="unsubscribed")
    add = suppression.add
    with session_scope(people.works.engine) as session:
        add(session, people.person(never).suppression_key or "", SuppressionReason.HARD_BOUNCE, people.now)
    assert run(people).asked == 0


def test_who_bounced_or_left_since_gets_no_mail(people: People) -> None:
    bounced, confirmed, stays = pending(people, 3)
    run(people, per_hour=3600)
    with session_scope(people.works.engine) as session:
        key = people.person(bounced).suppression_key or ""
        suppression.add(session, key, SuppressionReason.HARD_BOUNCE, people.now)
        session.merge(people.person(confirmed).model_copy(update={"state": "confirmed"}))
    people.works.clock.move(days=1)  # type: ignore[attr-defined]
    assert [taken.address for taken in people.deliver()] == [people.person(stays).address]


@pytest.mark.parametrize(("wait", "asked"), [(timedelta(hours=12), 0), (timedelta(hours=30), 1)])
def test_asked_again_only_if_told_to_and_not_within_a_day(people: People, wait: timedelta, asked: int) -> None:
    pending(people, 1)
    run(people)
    people.deliver()
    people.works.clock.move(seconds=wait.total_seconds())  # type: ignore[attr-defined]
    assert run(people).asked == 0
    assert run(people, again=True).asked == asked


def test_two_runs_at_once_ask_nobody_twice(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconsent, "BATCH", 4)
    pending(people, 40)
    people.works.dispatcher  # noqa: B018 - made before the threads begin
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: run(people, per_hour=3600), range(2)))
    assert sum(one.asked for one in runs) == 40
    assert len({notice.subscriber_id for notice in people.notices()}) == 40
