"""Telling operators: in the transaction of what happened, once for each event, and nothing lost while they are away."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlmodel import Session
from standardwebhooks import Webhook

from digest.notify import Event, EventKind, tell
from digest.notify import webhook_calls as carrying
from digest.notify.webhook_calls import CALL, PAUSES, WebhookCaller
from digest.outbox.tables import NOTICE
from digest.runtime.db import session_scope
from digest.settings.operators import Operators
from digest.testing import FrozenClock
from tests.support.webhooks import Receiver, receiving

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
BOTH = ("ada@example.org", "bo@example.org")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def operators(receiver: Receiver, tmp_path: Path) -> Operators:
    (tmp_path / "webhook.secret").write_text(SECRET)
    return Operators(addresses=BOTH, webhook=receiver.url, webhook_secret_file="webhook.secret")


@pytest.fixture
def clock(now: Any) -> FrozenClock:
    return FrozenClock(now)


@pytest.fixture
def carrier(engine: Engine, clock: FrozenClock, operators: Operators, tmp_path: Path) -> WebhookCaller:
    return WebhookCaller(engine, clock, operators, tmp_path)


def say(engine: Engine, operators: Operators, clock: FrozenClock, **given: Any) -> bool:
    with session_scope(engine) as session:
        return tell(session, operators, "en", Event(given.pop("kind", EventKind.HALTED), clock.now(), 21, **given))


def rows(engine: Engine, table: Any) -> list[Any]:
    with session_scope(engine, read_only=True) as session:
        return list(session.execute(select(table).order_by(table.c.id)).all())


def test_an_event_is_told_once_to_each(engine: Engine, operators: Operators, clock: FrozenClock) -> None:
    assert say(engine, operators, clock)
    assert say(engine, operators, clock, why="again")
    assert [row.address for row in rows(engine, NOTICE)] == list(BOTH)
    assert len(rows(engine, CALL)) == 1
    say(engine, operators, clock, occasion="2")
    assert len(rows(engine, NOTICE)) == 4
    assert len(rows(engine, CALL)) == 2


def test_keys_hold_no_address(engine: Engine, operators: Operators, clock: FrozenClock) -> None:
    say(engine, operators, clock, why="relay said: <bo@example.org> is full")
    assert not [row.key for row in rows(engine, NOTICE) if "@" in row.key]
    assert not [row for row in rows(engine, CALL) if "@" in row.body + row.key]
    assert not [row for row in rows(engine, NOTICE) if "@" in row.context["why"]]


def test_a_rollback_tells_nothing(
    engine: Engine, operators: Operators, clock: FrozenClock, carrier: WebhookCaller
) -> None:
    with Session(engine) as session:
        tell(session, operators, "en", Event(EventKind.HALTED, clock.now(), 21))
        session.rollback()
    assert rows(engine, NOTICE) == rows(engine, CALL) == []
    assert carrier.look() == 0


def test_only_what_is_wanted_is_told(engine: Engine, operators: Operators, clock: FrozenClock) -> None:
    few = operators.model_copy(update={"events": ("missed",)})
    assert not say(engine, few, clock)
    assert say(engine, few, clock, kind=EventKind.MISSED)
    assert say(engine, few, clock, kind=EventKind.TEST)
    assert not say(engine, Operators(), clock, kind=EventKind.MISSED)
    assert len(rows(engine, NOTICE)) == 4


def test_eight_who_tell_at_once_tell_once(engine: Engine, operators: Operators, clock: FrozenClock) -> None:
    ready = threading.Barrier(8)

    def one(_: int) -> None:
        ready.wait()
        say(engine, operators, clock)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(8)))
    assert len(rows(engine, NOTICE)) == 2
    assert len(rows(engine, CALL)) == 1


def test_the_call_is_made_signed_and_settled(
    engine: Engine, operators: Operators, clock: FrozenClock, carrier: WebhookCaller, receiver: Receiver
) -> None:
    say(engine, operators, clock, why="3 % rejected", numbers={"rejected": 3, "accepted": 0})
    assert carrier.look() == 1
    assert carrier.look() == 0
    headers, body = receiver.got[0]
    said = Webhook(SECRET).verify(body, headers)
    assert said["type"] == "digest.halted"
    assert said["data"]["numbers"] == {"rejected": 3}
    assert said["data"]["next"] == ["digest outbox status 21", "digest outbox release 21"]
    (row,) = rows(engine, CALL)
    assert (row.state, row.attempts, row.answer) == ("told", 1, "204")


def test_nothing_is_lost_while_the_webhook_is_away(
    engine: Engine, operators: Operators, clock: FrozenClock, carrier: WebhookCaller, receiver: Receiver
) -> None:
    receiver.answers = [503, 500, 302]
    say(engine, operators, clock)
    for pause in PAUSES[:3]:
        assert carrier.look() == 0
        clock.move(seconds=pause - 1)
        assert carrier.look() == 0
        clock.move(seconds=1)
    assert len(receiver.got) == 3
    assert carrier.look() == 1
    assert {headers["webhook-id"] for headers, _ in receiver.got} == {receiver.got[0][0]["webhook-id"]}
    assert {body for _, body in receiver.got} == {receiver.got[0][1]}


def test_it_is_given_up_in_the_end_and_stays_to_be_seen(
    engine: Engine, operators: Operators, clock: FrozenClock, carrier: WebhookCaller, receiver: Receiver
) -> None:
    receiver.answers = [500] * 100
    say(engine, operators, clock)
    for _ in range(len(PAUSES) + 5):
        carrier.look()
        clock.move(days=2)
    (row,) = rows(engine, CALL)
    assert row.state == "given_up"
    assert len(receiver.got) == len(PAUSES) + 1 == row.attempts
    receiver.answers = [410]
    say(engine, operators, clock, occasion="2")
    carrier.look()
    clock.move(days=2)
    carrier.look()
    assert [row.state for row in rows(engine, CALL)] == ["given_up", "given_up"]
    assert len(receiver.got) == len(PAUSES) + 2


def test_who_died_between_claim_and_answer_is_followed(
    engine: Engine,
    operators: Operators,
    clock: FrozenClock,
    carrier: WebhookCaller,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    say(engine, operators, clock)
    with monkeypatch.context() as patched:
        patched.setattr(carrying, "call", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            carrier.look()
    assert carrier.look() == 0
    clock.move(seconds=carrying.LEASE.total_seconds())
    assert carrier.look() == 1


def test_many_carriers_call_once(
    engine: Engine, operators: Operators, clock: FrozenClock, receiver: Receiver, tmp_path: Path
) -> None:
    for number in range(10):
        say(engine, operators, clock, occasion=str(number))
    carriers = [WebhookCaller(engine, clock, operators, tmp_path) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda one: one.look(), carriers)) == 10
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == len(receiver.got) == 10


def test_a_secret_that_cannot_be_read_is_tried_again(
    engine: Engine, operators: Operators, clock: FrozenClock, carrier: WebhookCaller, receiver: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "webhook.secret").unlink()
    say(engine, operators, clock)
    assert carrier.look() == 0
    assert "webhook_secret_file" in rows(engine, CALL)[0].answer
    (tmp_path / "webhook.secret").write_text(SECRET)
    clock.move(seconds=PAUSES[0])
    assert carrier.look() == 1


def test_carrying_beside_something_else(
    engine: Engine, operators: Operators, clock: FrozenClock, carrier: WebhookCaller, receiver: Receiver
) -> None:
    with carrier.beside():
        say(engine, operators, clock)
    assert len(receiver.got) == 1  # the last look, after what was done beside it
    assert timedelta(0) < carrying.LEASE
