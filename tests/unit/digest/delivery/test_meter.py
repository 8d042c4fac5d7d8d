"""Pace on both databases: families wait without holding up the others, limits are one for all workers, and survive."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from digest.delivery.mailbox_families import families
from digest.delivery.meter import Meter, Way
from digest.delivery.outcome import Outcome, Phase
from digest.delivery.pace import THROTTLE_PAUSE, PaceLimits, spread
from digest.delivery.sequential import OneByOne
from digest.delivery.transport import Envelope, Parcel, ParcelSource, RelayRefusedError, Reply, Step
from digest.delivery.worker.loop import Worker
from digest.delivery.worker.progress import DeliveryProgress
from digest.outbox import plan
from digest.outbox.notices import promise
from digest.outbox.tables import PACE
from digest.runtime.db import session_scope
from digest.runtime.errors import DigestError, RelayUnreachableError
from digest.testing import FrozenClock
from subscribers.audience import exclusion_reason
from tests.support.ledger import Ledger
from tests.unit.digest.delivery.worker.test_loop import Desk, PlainWriter, desk

__all__ = ["desk"]

DOMAINS = families()
THROTTLED = Reply(Outcome.DEFERRED, 421, "4.7.28", "rate limit", "relay", Phase.RCPT)
FINE = Reply(Outcome.ACCEPTED, 250, "2.0.0", "ok", "relay", Phase.DOT)


class Answering:
    """Answers by the recipient's domain and keeps who was asked, with the instant."""

    def __init__(self, clock: FrozenClock, answers: Callable[[str], Reply | None] = lambda _domain: None) -> None:
        self._clock = clock
        self._answers = answers
        self.sent: list[tuple[str, Any]] = []

    def send(self, envelope: Envelope, message: Sequence[bytes]) -> Reply:
        self.sent.append((envelope.recipient, self._clock.now()))
        return self._answers(envelope.recipient.rpartition("@")[2]) or FINE

    def close(self) -> None:
        pass


def meter(limits: Mapping[str, PaceLimits] | None = None, relay: PaceLimits | None = None) -> Meter:
    return Meter([Way("", relay or PaceLimits())], limits, DOMAINS)


def worker(desk: Desk, transport: Answering, pace: Meter) -> Worker:
    carrier = OneByOne(transport, desk.clock)
    return Worker(desk.ledger.engine, carrier, PlainWriter(), desk.clock, desk.place, meter=pace, jitter=lambda: 0.5)


def deliver(desk: Desk, transport: Answering, pace: Meter) -> Any:
    with worker(desk, transport, pace) as one:
        return one.deliver(desk.ledger.issue_id)


def planned(desk: Desk, *domains: str, due: Sequence[Any] = ()) -> None:
    for number, domain in enumerate(domains):
        desk.ledger.reader(address=f"r{number}@{domain}", address_key=f"r{number}@{domain}")
    timing = plan.Timing(due or [desk.ledger.now], DOMAINS)
    with session_scope(desk.ledger.engine) as session:
        exclusion = exclusion_reason(desk.ledger.now, 21)
        editions = {("en", "*"): desk.ledger.edition_id}
        plan.freeze(session, desk.ledger.issue_id, editions, exclusion, desk.ledger.now, timing=timing)


def rows(ledger: Ledger) -> dict[str, Any]:
    with session_scope(ledger.engine, read_only=True) as session:
        return {row.scope: row for row in session.execute(select(PACE))}


def test_a_familys_domains_are_planned_together(desk: Desk) -> None:
    planned(desk, "gmail.com", "googlemail.com", "example.org", "outlook.com")
    assert [row.family for row in desk.ledger.deliveries()] == ["google", "google", "", "microsoft"]


def test_a_throttled_family_waits_ten_minutes_and_others_go_on(desk: Desk) -> None:
    planned(desk, *["gmail.com", "example.org", "outlook.com"] * 6)
    answers = iter([THROTTLED])
    transport = Answering(desk.clock, lambda domain: next(answers, None) if domain == "gmail.com" else None)
    start = desk.clock.now()
    run = deliver(desk, transport, meter())
    waited = [at - start for address, at in transport.sent if address.endswith("gmail.com")][1:]
    others = [at - start for address, at in transport.sent if not address.endswith("gmail.com")]
    assert min(waited) >= THROTTLE_PAUSE
    assert len(others) == 12
    assert max(others) < timedelta(minutes=1)
    assert run.outcomes == {"accepted": 18, "deferred": 1}
    assert desk.ledger.counts() == {"accepted": 18}


def test_a_throttling_is_known_to_the_next_worker(desk: Desk) -> None:
    planned(desk, "gmail.com", "gmail.com")

    def throttled_and_stopped(_domain: str) -> Reply:
        one.stop()
        return THROTTLED

    with worker(desk, Answering(desk.clock, throttled_and_stopped), meter()) as one:
        one.deliver(desk.ledger.issue_id)
    desk.clock.move(seconds=2)
    with worker(desk, Answering(desk.clock), meter()) as one:
        one.deliver_notices()  # whatever it does: what is known is read
    assert desk.ledger.counts() == {"deferred": 1, "pending": 1}
    assert rows(desk.ledger)["family:google"].ramp == 1
    start = desk.clock.now()
    second = Answering(desk.clock)
    deliver(desk, second, meter())
    assert [at - start >= THROTTLE_PAUSE - timedelta(seconds=5) for _, at in second.sent] == [True, True]


def test_a_domain_without_a_family_is_left_alone_by_itself(desk: Desk) -> None:
    planned(desk, *["busy.example", "calm.example"] * 4)
    answers = iter([THROTTLED])
    transport = Answering(desk.clock, lambda domain: next(answers, None) if domain == "busy.example" else None)
    start = desk.clock.now()
    deliver(desk, transport, meter())
    busy = [at - start for address, at in transport.sent if address.endswith("busy.example")][1:]
    calm = [at - start for address, at in transport.sent if address.endswith("calm.example")]
    assert min(busy) >= THROTTLE_PAUSE
    assert max(calm) < timedelta(minutes=1)
    assert desk.ledger.counts() == {"accepted": 8}


def test_a_limit_a_second_is_kept_by_two_workers_together(desk: Desk) -> None:
    planned(desk, *["example.org"] * 30)
    limits = PaceLimits(per_second=2)
    transport = Answering(desk.clock)
    start = desk.clock.now()
    for _ in range(2):
        with worker(desk, transport, meter(relay=limits)) as one:
            original = transport.send
            count = iter(range(1_000))

            def send(envelope: Envelope, message: Sequence[bytes], one: Worker = one, count: Any = count) -> Reply:
                if next(count) >= 12:
                    one.stop()
                return original(envelope, message)  # noqa: B023 - called within this round

            transport.send = send  # type: ignore[method-assign]
            one.deliver(desk.ledger.issue_id)
            transport.send = original  # type: ignore[method-assign]
    instants = [at - start for _, at in transport.sent]
    assert len(instants) >= 24
    for number, instant in enumerate(instants):
        assert number + 1 <= 2 + 2 * instant.total_seconds() + 1, "faster than two a second"


def test_a_family_limit_holds_that_family_only(desk: Desk) -> None:
    planned(desk, *["gmail.com", "example.org"] * 10)
    transport = Answering(desk.clock)
    start = desk.clock.now()
    run = deliver(desk, transport, meter({"google": PaceLimits(per_second=1)}))
    google = [at - start for address, at in transport.sent if address.endswith("gmail.com")]
    others = [at - start for address, at in transport.sent if not address.endswith("gmail.com")]
    assert run.outcomes == {"accepted": 20}
    assert max(google) >= timedelta(seconds=8)
    assert max(others) <= timedelta(seconds=2)


def test_a_daily_limit_leaves_the_rest_for_tomorrow(desk: Desk) -> None:
    planned(desk, *["example.org"] * 5)
    desk.clock.move(seconds=3_600)
    transport = Answering(desk.clock)
    run = deliver(desk, transport, meter(relay=PaceLimits(warm_up=(2, 100))))
    assert desk.ledger.counts() == {"accepted": 2, "pending": 3}
    midnight = datetime(2021, 10, 1, tzinfo=UTC)
    assert run.next_due == midnight  # a run does not wait for tomorrow, it says when it goes on
    desk.clock.move(seconds=(midnight - desk.clock.now()).total_seconds())
    assert deliver(desk, transport, meter(relay=PaceLimits(warm_up=(2, 100)))).outcomes == {"accepted": 3}


def test_a_spread_send_keeps_its_times(desk: Desk) -> None:
    start = desk.ledger.now
    planned(desk, *["example.org"] * 30, due=spread(start, timedelta(minutes=5)))
    transport = Answering(desk.clock)
    run = deliver(desk, transport, meter())
    assert run.outcomes == {"accepted": 30}
    minutes = [int((at - start).total_seconds() // 60) for _, at in transport.sent]
    assert sorted(set(minutes)) == [0, 1, 2, 3, 4]


def test_two_issues_and_a_notice_go_side_by_side(desk: Desk) -> None:
    planned(desk, *["example.org"] * 40)
    second = desk.ledger.second_issue(22)
    with session_scope(desk.ledger.engine) as session:
        promise(session, "operator", "1", address="op@example.net", language="en", now=desk.clock.now())
    transport = Answering(desk.clock)
    with worker(desk, transport, meter()) as one:
        run = one.deliver_all([desk.ledger.issue_id, second])
    assert run.outcomes == {"accepted": 81}
    assert "op@example.net" in [address for address, _ in transport.sent][:20]


def test_what_a_full_day_leaves_is_no_reason_to_be_impatient(desk: Desk) -> None:
    planned(desk, "example.org")
    deliver(desk, Answering(desk.clock), meter(relay=PaceLimits(per_day=10)))
    assert rows(desk.ledger)["relay:"].today == 1


class TwoRelays:
    """A carrier over two relays, of which some are away, or refuse."""

    relays = ("a", "b")
    capacity = 10
    under_way = 0

    def __init__(self, clock: FrozenClock, errors: dict[str, DigestError]) -> None:
        self._clock = clock
        self._errors = errors
        self.sent: list[tuple[str, str]] = []

    def allow(self, relay: str, connections: int) -> None:
        pass

    def step(self, source: ParcelSource, seconds: float) -> Step:
        step = Step()
        for relay in self.relays:
            if source.waiting(relay) and relay in self._errors:
                step.failures.append((relay, self._errors[relay]))
            elif parcel := source.next(relay):
                self._carry(relay, parcel, step)
        if not step.ended and not step.failures:
            self._clock.sleep(seconds)
        return step

    def _carry(self, relay: str, parcel: Parcel, step: Step) -> None:
        self.sent.append((relay, parcel.envelope.recipient))
        step.ended.append((parcel, Reply(Outcome.ACCEPTED, 250, "2.0.0", "ok", relay, Phase.DOT)))

    def close(self) -> None:
        pass


def over_two(desk: Desk, errors: dict[str, DigestError], weights: tuple[int, int] = (1, 1)) -> TwoRelays:
    carrier = TwoRelays(desk.clock, errors)
    pace = Meter([Way("a", weight=weights[0]), Way("b", weight=weights[1])], None, DOMAINS)
    place = desk.place
    with Worker(desk.ledger.engine, carrier, PlainWriter(), desk.clock, place, meter=pace, pauses=(0.5,)) as one:
        one.deliver(desk.ledger.issue_id)
    return carrier


def test_relays_share_by_weight(desk: Desk) -> None:
    planned(desk, *["example.org"] * 40)
    carrier = over_two(desk, {}, weights=(3, 1))
    names = [relay for relay, _ in carrier.sent]
    assert (names.count("a"), names.count("b")) == (30, 10)
    assert {attempt.relay for attempt in desk.ledger.attempts()} == {"a", "b"}


def test_a_relay_that_is_away_leaves_its_share_to_the_other(desk: Desk) -> None:
    planned(desk, *["example.org"] * 40)
    carrier = over_two(desk, {"a": RelayUnreachableError("a is away")})
    assert len({address for _, address in carrier.sent}) == 40
    assert desk.ledger.counts() == {"accepted": 40}
    assert {attempt.outcome for attempt in desk.ledger.attempts()} == {"accepted", "not_sent"}


def test_a_relay_that_refuses_us_stops_the_run(desk: Desk) -> None:
    planned(desk, *["example.org"] * 40)
    with pytest.raises(RelayRefusedError):
        over_two(desk, {"b": RelayRefusedError("535")})
    counts = desk.ledger.counts()
    assert counts["pending"] > 0
    assert counts.get("accepted", 0) + counts["pending"] == 40


def test_all_relays_away_is_an_error_that_loses_nothing(desk: Desk) -> None:
    planned(desk, *["example.org"] * 4)
    with pytest.raises(RelayUnreachableError):
        over_two(desk, {"a": RelayUnreachableError("a is away"), "b": RelayUnreachableError("b is away")})
    assert desk.ledger.counts() == {"pending": 4}


def test_whoever_watches_is_told_what_waits_though_nothing_ends(desk: Desk) -> None:
    planned(desk, "gmail.com", "gmail.com")
    ledger = desk.ledger
    seen: list[list[tuple[str, str]]] = []
    pace = meter()
    transport = Answering(desk.clock, lambda _domain: THROTTLED)
    carrier = OneByOne(transport, desk.clock)

    def progress(tally: DeliveryProgress) -> None:
        seen.append([(wait.scope, wait.why) for wait in tally.waits])

    with Worker(
        ledger.engine, carrier, PlainWriter(), desk.clock, desk.place, meter=pace, jitter=lambda: 0.5, progress=progress
    ) as one:
        one.deliver(ledger.issue_id)
    waits = pace.waits(desk.clock.now())
    assert [(wait.scope, wait.why) for wait in waits] == [("family:google", "their server asked for a pause")]
    assert waits[0].until > desk.clock.now()
    assert pace.waits(waits[0].until) == []
    assert seen[0] == []
    assert [(waits[0].scope, waits[0].why)] in seen
