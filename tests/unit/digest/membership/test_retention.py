"""What is kept only for a time: nobody is forgotten too early, nothing is kept too long, and a rule that is off is off."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from digest.membership import reconsent, retention
from digest.membership.retention import RetentionDue
from digest.outbox.tables import ATTEMPT, NOTICE
from digest.runtime.db import session_scope
from digest.schedule import tick
from digest.settings.retention import Retention
from subscribers import reconsent as keeping
from subscribers.errors import LinkInvalidError
from subscribers.links import LinkPayload, Purpose
from tests.support.people import People, make


@pytest.fixture
def people(tmp_path: Path, engine: Engine, now: datetime) -> People:
    return make(tmp_path / "workspace", engine, now, retention=Retention(reconsent_months=24))


def move(people: People, **span: float) -> None:
    people.works.clock.move(**span)  # type: ignore[attr-defined]


def apply(people: People) -> RetentionDue:
    told = retention.due(people.works, people.now)
    done = retention.apply(people.works, people.now)
    assert told == done, "what is said before is what is done"
    assert not retention.due(people.works, people.now).anything, "and the second time there is nothing to do"
    return done


def test_the_unconfirmed_are_forgotten_after_the_days_not_before(people: People) -> None:
    of_id = people.add("ada@example.net", state="pending")
    move(people, days=30)
    assert apply(people) == RetentionDue()
    move(people, days=1)
    assert apply(people) == RetentionDue(pending_forgotten=1)
    person = people.person(of_id)
    assert (person.state, person.address, person.name, person.address_key) == ("erased", "", "", None)
    with session_scope(people.works.engine) as session:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM suppression").scalar() == 0


def test_days_count_from_the_last_mail_that_asked(people: People) -> None:
    people.add("ada@example.net", state="pending")
    move(people, days=29)
    reconsent.ask(people.works, reconsent.confirmation(people.works))
    move(people, days=5)
    people.deliver()
    move(people, days=30)
    assert apply(people) == RetentionDue()
    move(people, days=1)
    assert apply(people).pending_forgotten == 1


def test_who_waits_for_their_mail_is_not_forgotten(people: People) -> None:
    people.add("ada@example.net", state="pending")
    reconsent.ask(people.works, reconsent.confirmation(people.works))
    move(people, days=400)
    assert apply(people).pending_forgotten == 0


def old_reader(people: People) -> int:
    return people.add("ada@example.net", confirmed_at=people.now - timedelta(days=800))


def test_old_consent_is_asked_for_again_once(people: People) -> None:
    of_id = old_reader(people)
    people.add("new@example.net", confirmed_at=people.now - timedelta(days=700))
    assert apply(people) == RetentionDue(asked_again=1)
    (notice,) = people.notices()
    assert (notice.kind, notice.subscriber_id) == ("reconsent", of_id)
    assert [event.kind for event in people.events(of_id)] == ["asked"]
    move(people, days=1)
    assert apply(people) == RetentionDue()


def answer(people: People, taken: Any) -> None:
    with session_scope(people.works.engine) as session:
        payload = LinkPayload(Purpose.KEEP, taken.ref, taken.context["extra"], people.now)
        keeping.keep(session, payload, now=people.now)


def test_who_answers_stays_for_another_two_years(people: People) -> None:
    of_id = old_reader(people)
    apply(people)
    (taken,) = people.deliver()
    move(people, days=29)
    answer(people, taken)
    answer(people, taken)
    assert [event.kind for event in people.events(of_id)] == ["asked", "confirmed"]
    assert people.person(of_id).confirmed_at == people.now
    move(people, days=700)
    assert apply(people).unanswered == 0
    move(people, days=60)
    assert apply(people) == RetentionDue(asked_again=1)


@pytest.mark.parametrize(("then", "state"), [("erase", "erased"), ("unsubscribe", "unsubscribed")])
def test_who_does_not_answer_in_time_is_not_written_to_any_more(
    tmp_path: Path, engine: Engine, now: datetime, then: str, state: str
) -> None:
    rules = Retention(reconsent_months=24, answer_days=14, unanswered=then)
    people = make(tmp_path / "workspace", engine, now, retention=rules)
    of_id = old_reader(people)
    apply(people)
    move(people, days=20)
    assert apply(people) == RetentionDue(), "the mail has not gone yet"
    (taken,) = people.deliver()
    move(people, days=13)
    assert apply(people) == RetentionDue()
    move(people, days=2)
    assert apply(people) == RetentionDue(unanswered=1)
    assert people.person(of_id).state == state
    assert people.events(of_id)[-1].method == "retention"
    with pytest.raises(LinkInvalidError):
        answer(people, taken)


def test_a_question_that_reached_nobody_is_put_again(people: People) -> None:
    of_id = old_reader(people)
    apply(people)
    with session_scope(people.works.engine) as session:
        session.execute(update(NOTICE).values(state="expired", settled_at=people.now))
    move(people, days=40)
    assert apply(people) == RetentionDue(asked_again=1)
    assert people.person(of_id).state == "confirmed"


def test_replies_and_addresses_of_settled_notices_are_emptied(people: People) -> None:
    people.add("ada@example.net", state="pending")
    reconsent.ask(people.works, reconsent.confirmation(people.works))
    people.deliver()
    with session_scope(people.works.engine) as session:
        session.connection().exec_driver_sql("UPDATE subscriber SET state = 'confirmed'")
    move(people, days=180)
    assert apply(people).replies_emptied == 0
    move(people, days=1)
    done = apply(people)
    assert (done.replies_emptied, done.notices_emptied) == (1, 1)
    with session_scope(people.works.engine) as session:
        assert session.execute(select(ATTEMPT.c.reply, ATTEMPT.c.outcome)).all() == [("", "accepted")]
    (notice,) = people.notices()
    assert (notice.address, notice.name, notice.context, notice.state) == ("", "", {}, "accepted")


def test_rules_that_are_off_do_nothing(tmp_path: Path, engine: Engine, now: datetime) -> None:
    people = make(tmp_path / "workspace", engine, now, retention=Retention(pending_days=0, reply_days=0))
    people.add("ada@example.net", state="pending")
    people.add("old@example.net", confirmed_at=people.now - timedelta(days=4000))
    move(people, days=4000)
    assert apply(people) == RetentionDue()


def test_by_default_nobody_is_asked_again(people: People) -> None:
    assert Retention().reconsent_months == 0
    assert (Retention().pending_days, Retention().reply_days) == (30, 180)


def test_a_tick_applies_the_rules_once_a_day(people: People) -> None:
    people.add("ada@example.net", state="pending")
    move(people, days=31)
    assert "1 pending forgotten" in [told.why for told in tick.tick(people.works)]
    people.add("eve@example.net", state="pending", created_at=people.now - timedelta(days=90))
    assert not any("forgotten" in told.why for told in tick.tick(people.works))
    move(people, days=1)
    assert any("1 pending forgotten" in told.why for told in tick.tick(people.works))
