"""Rate limiter of relays and mailbox families; its counts are shared through the database."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from threading import Lock

from sqlalchemy import delete, select, update
from sqlmodel import Session

from digest.delivery.pace import (
    UNLIMITED,
    Gauge,
    PaceLimits,
    allowance,
    held_until,
    hold,
    is_about_relay,
    spend,
    throttle,
    welcome,
)
from digest.delivery.transport import Reply
from digest.delivery.worker.progress import ScopeWait
from digest.outbox.dialects import insert_new
from digest.outbox.states import Outcome
from digest.outbox.tables import PACE
from digest.outbox.take import Share

_NO_LIMITS = PaceLimits()
_SHORTEST_WAIT = timedelta(seconds=3)
_GAUGE = tuple(field.name for field in fields(Gauge))
_COUNTED = ("second_at", "hour_at", "day", "today", "first_day")


@dataclass(frozen=True, slots=True)
class Way:
    """A relay to the rate limiter: its limits, and its weight beside the others."""

    name: str
    limits: PaceLimits = _NO_LIMITS
    weight: int = 1
    connections: int = 1


@dataclass(frozen=True, slots=True)
class MailboxScope:
    """Family and domain of a mailbox. Without a family the domain is paced by itself."""

    family: str
    domain: str

    @property
    def scope(self) -> str:
        """The scope that is paused when its server throttles."""
        return f"family:{self.family}" if self.family else f"domain:{self.domain}"


class Meter:
    """Limits how many messages may be started, for which families and by which relay; learns from each reply."""

    def __init__(
        self,
        ways: Sequence[Way],
        families: Mapping[str, PaceLimits] | None = None,
        domains: Mapping[str, str] | None = None,
    ) -> None:
        """`families` maps names to configured limits, `domains` each domain to its family."""
        self._ways = {way.name: way for way in ways}
        limits = {f"relay:{way.name}": way.limits for way in ways}
        self._limits = limits | {f"family:{name}": limits for name, limits in (families or {}).items()}
        self._counted = sorted(scope for scope, limits in self._limits.items() if limits.counts)
        self._domains = domains or {}
        self._gauges: dict[str, Gauge] = {}
        self._learned: set[str] = set()
        self._down: dict[str, datetime] = {}
        self._credit: dict[str, float] = dict.fromkeys(self._ways, 0.0)
        self._ready = False
        self._saving: dict[str, Gauge] = {}
        # transactions run beside the messages that teach
        self._lock = Lock()

    # In transactions

    def refresh(self, session: Session) -> None:
        """Store what was learned, and read the other workers' gauges."""
        self.save(session)
        gauges = self._read(session, lock=None)
        with self._lock:
            ours = {scope: self._gauges[scope] for scope in self._learned}
            self._gauges = gauges | ours
        self._ready = True

    def begin(self, session: Session) -> None:
        """Read and lock the counts that limits depend on, so that all workers together keep to them."""
        if not self._ready:
            self.refresh(session)
        if not self._counted:
            return
        for scope in self._counted:
            session.execute(insert_new(session, PACE).values(scope=scope, today=0))
        rows = self._read(session, lock=self._counted)
        with self._lock:
            for scope, gauge in rows.items():
                known = self._gauges.get(scope, gauge)
                mine = scope in self._learned
                held_until, ramp = (known.held_until, known.ramp) if mine else (gauge.held_until, gauge.ramp)
                self._gauges[scope] = replace(gauge, held_until=held_until, ramp=ramp)

    def spend(self, session: Session, started: Iterable[tuple[str, str]], now: datetime) -> None:
        """Count started messages, as (relay, family), for the limits that `begin` locked."""
        counts = Counter(scope for relay, family in started for scope in (f"relay:{relay}", f"family:{family}"))
        for scope in self._counted:
            if counts[scope]:
                with self._lock:
                    gauge = self._gauges[scope] = spend(self._gauge(scope), self._limits[scope], counts[scope], now)
                values = {name: getattr(gauge, name) for name in _COUNTED}
                session.execute(update(PACE).where(PACE.c.scope == scope).values(**values))

    def save(self, session: Session) -> None:
        """Store what was learned; call `saved` after the commit."""
        with self._lock:
            self._saving = {scope: self._gauges[scope] for scope in sorted(self._learned)}
        for scope, gauge in self._saving.items():
            if gauge.ramp is None and scope not in self._counted:
                session.execute(delete(PACE).where(PACE.c.scope == scope))
                continue
            session.execute(insert_new(session, PACE).values(scope=scope, today=0))
            values = {"held_until": gauge.held_until, "ramp": gauge.ramp}
            session.execute(update(PACE).where(PACE.c.scope == scope).values(**values))

    def saved(self) -> None:
        """Note that the last `save` is committed; what was learned since is not."""
        with self._lock:
            for scope, gauge in self._saving.items():
                if self._gauges.get(scope) is gauge:
                    self._learned.discard(scope)
            self._saving = {}

    def _read(self, session: Session, lock: Collection[str] | None) -> dict[str, Gauge]:
        query = select(PACE.c.scope, *[PACE.c[name] for name in _GAUGE]).order_by(PACE.c.scope)
        if lock is not None:
            query = query.where(PACE.c.scope.in_(lock)).with_for_update()
        return {row[0]: Gauge(*row[1:]) for row in session.execute(query)}

    # Questions

    def recipient(self, address: str) -> MailboxScope:
        domain = address.rpartition("@")[2].casefold()
        return MailboxScope(self._domains.get(domain, ""), domain)

    def room(self, now: datetime) -> tuple[int, datetime | None]:
        """Return how many messages all relays together take now; when none, when to ask again."""
        allowed = [allowance(self._gauge(f"relay:{name}"), way.limits, now) for name, way in self._up(now).items()]
        room = min(sum(one.count for one in allowed), UNLIMITED)
        later = [one.again_at for one in allowed if one.again_at] + list(self._down.values())
        return room, None if room else min(later, default=None)

    def shares(
        self, families: Sequence[str], under_way: Mapping[str, int], now: datetime
    ) -> tuple[list[Share], datetime | None]:
        """Return the families that may be started now, with how many; and when another one may, if any must wait."""
        shares, later = [], []
        for family in families:
            scope = f"family:{family}"
            allowed = allowance(self._gauge(scope), self._limits.get(scope, _NO_LIMITS), now, under_way.get(family, 0))
            if allowed.count > 0:
                shares.append(Share(family, allowed.count))
            elif allowed.again_at is not None:
                later.append(allowed.again_at)
        return shares, min(later, default=None)

    @property
    def knows_nothing(self) -> bool:
        """Whether no limit and no throttling is known: the fast path, taken for nearly every message."""
        return not self._gauges

    def held_until(self, address: str, now: datetime) -> datetime | None:
        """Return until when this recipient's server is to be left alone; None if mail may go."""
        return held_until(self._gauge(self.recipient(address).scope), now)

    def waits(self, now: datetime) -> list[ScopeWait]:
        """Return the scopes that are blocked, until when, and why; waits below three seconds are left out."""
        down = {name: until for name, until in self._down.items() if until > now}
        found = [ScopeWait(f"relay:{name}", until, "it cannot be reached") for name, until in down.items()]
        with self._lock:
            gauges = dict(self._gauges)
        for scope, gauge in gauges.items():
            allowed = allowance(gauge, self._limits.get(scope, _NO_LIMITS), now)
            if allowed.again_at is not None and allowed.again_at - now >= _SHORTEST_WAIT:
                found.append(ScopeWait(scope, allowed.again_at, allowed.why))
        return sorted(found, key=lambda wait: (wait.until, wait.scope))

    def assign(self, count: int, now: datetime) -> list[str]:
        """Return a relay for each of `count` messages (at most `room`), within what each takes now.

        Smooth weighted round robin: a small share is spread between the others.
        """
        up = self._up(now) or self._ways
        if len(up) == 1:
            return list(up) * count
        left = {name: allowance(self._gauge(f"relay:{name}"), way.limits, now).count for name, way in up.items()}
        chosen = []
        for _ in range(count):
            open_ways = [name for name in up if left[name] > 0] or list(up)
            for name in open_ways:
                self._credit[name] += up[name].weight
            best = max(open_ways, key=lambda name: self._credit[name])
            self._credit[best] -= sum(up[name].weight for name in open_ways)
            left[best] -= 1
            chosen.append(best)
        return chosen

    def connections(self, relay: str, now: datetime) -> int:
        way, gauge = self._ways[relay], self._gauge(f"relay:{relay}")
        if held_until(gauge, now) is not None or relay not in self._up(now):
            return 0
        return way.connections if gauge.ramp is None else min(way.connections, gauge.ramp)

    # Lessons

    def note(self, reply: Reply, relay: str, address: str, now: datetime) -> None:
        """Learn from a reply: a server that throttles is paused, one that accepts again gets more connections."""
        if reply.outcome is Outcome.ACCEPTED and not self._gauges:
            return
        to, pause = self.recipient(address), throttle(reply)
        scopes = [f"relay:{relay}"] if is_about_relay(reply) else [to.scope]
        if pause is not None:
            for scope in scopes:
                self._learn(scope, hold(self._gauge(scope), pause, now))
        elif reply.outcome is Outcome.ACCEPTED:
            for scope in (f"relay:{relay}", to.scope):
                if self._gauge(scope).ramp is not None:
                    self._learn(scope, welcome(self._gauge(scope), self._limits.get(scope, _NO_LIMITS)))

    def down(self, relay: str, until: datetime) -> None:
        """Skip an unreachable relay until then."""
        self._down[relay] = until

    def has_other(self, relay: str, now: datetime) -> bool:
        return any(name != relay for name in self._up(now))

    def _learn(self, scope: str, gauge: Gauge) -> None:
        with self._lock:
            self._gauges[scope] = gauge
            self._learned.add(scope)

    def _up(self, now: datetime) -> dict[str, Way]:
        self._down = {name: until for name, until in self._down.items() if until > now}
        return {name: way for name, way in self._ways.items() if name not in self._down}

    def _gauge(self, scope: str) -> Gauge:
        return self._gauges.get(scope, Gauge())
