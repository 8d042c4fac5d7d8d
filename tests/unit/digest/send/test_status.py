"""What an operator watches is what the database says: families, relays, rate, waits, workers; on both databases."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from digest.app import App
from digest.delivery.worker.progress import ScopeWait
from digest.outbox import operations
from digest.outbox.settle import Settlement, not_sent, settle
from digest.outbox.states import State
from digest.outbox.tables import DELIVERY, PACE, Promised
from digest.outbox.workers import WorkerLock, sign_off
from digest.runtime.db import session_scope
from digest.send import status
from digest.settings.root import load_settings
from digest.testing import FrozenClock
from digest.workspace.create import create
from tests.docs.test_named_commands import check as parse
from tests.support.ledger import Ledger

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def works(ledger: Ledger, tmp_path: Path) -> App:
    create(tmp_path / "workspace", sample=False)
    config = tmp_path / "workspace" / "digest.toml"
    text = config.read_text()
    config.write_text(f'{text}\n[[relay]]\nhost = "mx1"\nport = 25\nlimits = {{per_day = 100}}\n')
    return App(load_settings(tmp_path / "workspace"), ledger.engine, FrozenClock(ledger.now + 30 * SECOND))


def family(ledger: Ledger, ids: list[int], name: str) -> None:
    with session_scope(ledger.engine) as session:
        session.execute(update(DELIVERY).where(DELIVERY.c.id.in_(ids)).values(family=name))


def ended(ledger: Ledger, one: object, state: State, at: timedelta) -> None:
    with session_scope(ledger.engine) as session:
        fields = (Promised.DELIVERY, one.id, one.attempt_id, state, state.value, ledger.now + at)  # type: ignore[attr-defined]
        settle(session, [Settlement(*fields)])


def test_families_and_relays_add_up(ledger: Ledger, works: App) -> None:
    ledger.planned(6)
    first, second, third = ledger.take(limit=3, relay="mx1:25")
    (fourth,) = ledger.take(limit=1, relay="mx2:25")
    for one, state in ((first, State.ACCEPTED), (second, State.DEFERRED), (fourth, State.ACCEPTED)):
        ended(ledger, one, state, 20 * SECOND)
    family(ledger, [first.id, second.id, third.id], "google")
    told = status.details(works, 21).as_json()
    assert told["families"] == {
        "google": {"accepted": 1, "deferred": 1, "started": 1},
        "others": {"accepted": 1, "pending": 2},
    }
    assert told["relays"] == {"mx1:25": {"accepted": 1, "deferred": 1, "started": 1}, "mx2:25": {"accepted": 1}}
    assert told["states"] == status.status(works, 21).as_json()["states"]
    assert told["planned"] == 6


def test_the_rate_is_of_the_last_minute_and_gives_the_end(ledger: Ledger, works: App) -> None:
    ledger.planned(4)
    one, two, three = ledger.take(limit=3)
    ended(ledger, one, State.ACCEPTED, 10 * SECOND)
    ended(ledger, two, State.ACCEPTED, 20 * SECOND)
    with session_scope(ledger.engine) as session:  # what never reached the wire is no message
        settle(session, [not_sent(Promised.DELIVERY, three.id, three.attempt_id, "held", ledger.now + 25 * SECOND)])
    told = status.details(works, 21).as_json()
    assert told["rate"] == round(2 / 30, 2)  # the first began half a minute ago
    assert told["eta"] == ledger.now + 30 * SECOND + 30 * SECOND
    later = App(works.settings, works.engine, FrozenClock(ledger.now + 75 * SECOND))
    assert status.details(later, 21).as_json()["rate"] == round(1 / 60, 2)
    much_later = App(works.settings, works.engine, FrozenClock(ledger.now + 10 * MINUTE))
    assert (status.details(much_later, 21).as_json()["rate"], status.details(much_later, 21).as_json()["eta"]) == (
        0,
        None,
    )


def test_waits_say_why_and_a_held_issue_is_one(ledger: Ledger, works: App) -> None:
    ledger.planned(2)
    now = works.clock.now()
    with session_scope(ledger.engine) as session:
        rows = [
            {"scope": "family:google", "today": 0, "held_until": now + 10 * MINUTE, "ramp": 1},
            {"scope": "domain:done.org", "today": 0, "held_until": now - MINUTE, "ramp": 2},
            {"scope": "relay:mx1:25", "today": 100, "day": now.date(), "first_day": now.date()},
        ]
        for row in rows:
            session.execute(insert(PACE).values(**row))
        operations.hold(session, ledger.issue_id, "the relay is away")
    told = status.details(works, 21).as_json()
    assert [(wait["scope"], wait["why"]) for wait in told["waiting"]] == [
        ("issue:21", "it is held: the relay is away"),
        ("family:google", "their server asked for a pause"),
        ("relay:mx1:25", "the daily limit is reached"),
    ]
    assert told["waiting"][0]["until"] is None
    assert told["waiting"][1]["until"] == now + 10 * MINUTE


def test_workers_are_told_while_they_live_or_have_died_lately(ledger: Ledger, works: App) -> None:
    lock = WorkerLock(works.delivery.place.locks, "alive")
    lock.acquire()
    for worker in ("alive", "dead", "long dead", "gone home"):
        ledger.worker(worker, host=works.delivery.place.host if worker == "alive" else "elsewhere")
    ledger.silence("dead", 300)
    ledger.silence("long dead", 7200)
    with session_scope(ledger.engine) as session:
        sign_off(session, "gone home", ledger.now)
    workers = status.details(works, 21).as_json()["workers"]
    lock.release(clean=True)
    assert sorted((one["host"], one["alive"]) for one in workers) == sorted(
        [(works.delivery.place.host, True), ("elsewhere", False)]
    )
    assert set(workers[0]) == {"host", "alive", "started_at", "heartbeat_at"}


def test_an_issue_that_nobody_has_begun_has_all_its_keys(ledger: Ledger, works: App) -> None:
    told = status.details(works, 21).as_json()
    assert (told["families"], told["relays"], told["rate"], told["waiting"], told["workers"], told["eta"]) == (
        {},
        {},
        0,
        [],
        [],
        None,
    )
    assert told["next_due"] is None


def test_the_end_is_not_before_a_wait_of_open_mailboxes(ledger: Ledger) -> None:
    now = ledger.now
    counted = dict.fromkeys(State, 0) | {State.PENDING: 60}
    wait = ScopeWait("family:google", now + 10 * MINUTE, "why")
    assert status.eta(counted, 1, [wait], {"google", "others"}, now) == now + 10 * MINUTE
    assert status.eta(counted, 1, [wait], {"others"}, now) == now + MINUTE
    assert status.eta(counted, 0, [], set(), now) is None
    assert status.eta(dict.fromkeys(State, 0), 1, [], set(), now) is None


@pytest.mark.parametrize(
    ("counted", "steps"),
    [
        ({"deferred": 3, "pending": 5}, ["outbox retry --issue 21", "outbox release 21", "send 21"]),
        ({"rejected": 3}, ["outbox retry --issue 21 --state rejected", "outbox release 21", "send 21"]),
        ({"rejected": 3, "accepted": 9, "pending": 1}, ["outbox release 21", "send 21"]),
        ({"expired": 3}, ["issue withdraw 21"]),
        # it was sent, and readers complain of it
        ({"accepted": 9}, ["outbox release 21"]),
        ({"accepted": 9, "rejected": 3}, ["outbox release 21"]),
        (
            {"accepted": 9, "uncertain": 1},
            ["outbox list 21 --state uncertain", "outbox reconcile", "outbox release 21"],
        ),
    ],
)
def test_the_way_out_of_a_hold_is_commands_that_help(counted: dict[str, int], steps: list[str]) -> None:
    states = {state: counted.get(state.value, 0) for state in State}
    commands = status.way_out(21, states)
    assert list(commands) == [f"digest {step}" for step in steps]
    for command in commands:
        parse(command)
