"""Readers who leave while the issue is being sent: once they have their answer, no attempt for them begins."""

import http.client
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from digest.membership.erasure import forget
from digest.outbox.states import State
from digest.outbox.tables import ATTEMPT, DELIVERY, SUBSCRIBER
from digest.runtime.db import session_scope
from subscribers import preferences, store, suppression
from subscribers.consent import ConsentMethod
from subscribers.links import Purpose
from tests.acceptance.conftest import free_port, wait_for_port
from tests.proof.conftest import MakePress, MakeRelay
from tests.proof.press import WAIT_SECONDS, Press, Relay, wait_until

AHEAD = 120  # how far beyond the last one started the next to leave may be: within the windows of the next moments
Leave = Callable[[Any], None]


@contextmanager
def serving(world: Press) -> Iterator[int]:
    port = free_port()
    process = world.start("serve", "--port", str(port))
    wait_for_port(port, process)
    try:
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=WAIT_SECONDS)


@contextmanager
def one_click(world: Press) -> Iterator[Leave]:
    """What a mailbox does: the POST of RFC 8058 to a running `digest serve`."""
    with serving(world) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)

        def leave(row: Any) -> None:
            token = world.works.signer.token(Purpose.UNSUBSCRIBE, row.ref)
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", f"/unsubscribe/{token}", "List-Unsubscribe=One-Click", headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200

        yield leave
        connection.close()


@contextmanager
def in_process(world: Press) -> Iterator[Leave]:
    """Pausing, erasing and suppressing in turn, by the functions that pages and commands call."""
    secret, verbs = world.works.settings.suppression_key, Counter[str]()

    def leave(row: Any) -> None:
        now, number = datetime.now(UTC), verbs.total()
        verb = ("pause", "erase", "suppress")[number % 3]
        verbs[verb] += 1
        with session_scope(world.engine) as session:
            if verb == "suppress":
                key = suppression.key_of(row.address, secret)
                suppression.add(session, key, suppression.SuppressionReason.MANUAL, now)
                return
            person = store.by_ref(session, row.ref)
            assert person is not None
            if verb == "pause":
                preferences.pause(session, person, now + timedelta(days=90), method=ConsentMethod.PAGE, now=now)
            else:
                preferences.erase(session, person, method=ConsentMethod.PAGE, now=now, secret=secret, forget=forget)

    yield leave


def attempts_of(world: Press, subscriber_id: int) -> int:
    query = select(func.count()).select_from(ATTEMPT.join(DELIVERY, DELIVERY.c.id == ATTEMPT.c.delivery_id))
    with session_scope(world.engine, read_only=True) as session:
        count: int = session.execute(query.where(DELIVERY.c.subscriber_id == subscriber_id)).scalar_one()
    return count


def front(world: Press) -> int:
    """How far the takes have come, as the id of a delivery; they go by id."""
    with session_scope(world.engine, read_only=True) as session:
        return session.execute(select(func.max(DELIVERY.c.id)).where(DELIVERY.c.attempts > 0)).scalar_one() or 0


def next_to_leave(world: Press, rng: random.Random, gone: set[int]) -> Any:
    """Return somebody whose turn is about to come, or has just come; None when the issue is nearly through."""
    chosen = front(world) + rng.randint(-2, AHEAD)
    with session_scope(world.engine, read_only=True) as session:
        query = select(SUBSCRIBER.c.id, SUBSCRIBER.c.ref, SUBSCRIBER.c.address, DELIVERY.c.id.label("of_id")).join(
            DELIVERY, DELIVERY.c.subscriber_id == SUBSCRIBER.c.id
        )
        while chosen in gone:
            chosen += 1
        return session.execute(query.where(DELIVERY.c.id == chosen)).first()


@pytest.mark.parametrize("way", [one_click, in_process])
def test_who_has_left_is_not_started_any_more(press: MakePress, relay: MakeRelay, slow: bool, way: Any) -> None:
    leaving = 1_000 if slow else 100
    world, sink = press(leaving * 60), relay(0.02)
    rng, gone, seen = random.Random(8058), set[int](), dict[int, int]()
    with way(world) as leave:
        process = world.worker(sink)
        wait_until(lambda: sink.taken() > 10, "the first mail", process)
        while len(seen) < leaving and (row := next_to_leave(world, rng, gone)) is not None:
            leave(row)
            seen[row.id] = attempts_of(world, row.id)
            gone.add(row.of_id)
        # the last of them must have had their turn, or have been passed over
        wait_until(lambda: front(world) > max(gone) + AHEAD, "the end of the race", process)
        process.terminate()
        process.communicate(timeout=WAIT_SECONDS)
    assert len(seen) == leaving
    after = {of_id: attempts_of(world, of_id) for of_id in seen}
    assert after == seen
    verdict(world, sink, seen)


def verdict(world: Press, sink: Relay, seen: dict[int, int]) -> None:
    """Both sides of the race were met, and the books say why."""
    spared = sum(count == 0 for count in seen.values())
    assert 0 < spared < len(seen)
    standing = world.standing()
    assert standing[State.SKIPPED] == spared
    assert standing.keys() <= {State.ACCEPTED, State.SKIPPED, State.PENDING}
    assert max(sink.counts().values()) == 1
