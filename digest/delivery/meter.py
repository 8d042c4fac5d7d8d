"""The pace of a worker's relays and of the mailboxes they reach; counts and holds are shared through the database."""

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
_NEWS = timedelta(seconds=3)
_GAUGE = tuple(field.name for field in fields(Gauge))
_COUNTED = ("second_at", "hour_at", "day", "today", "first_day")


@dataclass(frozen=True, slots=True)
class Way:
    """A relay as the meter sees it: its limits, and its share of the mail beside the others."""

    name: str
    limits: PaceLimits = _NO_LIMITS
    weight: int = 1
    connections: int = 1


@dataclass(frozen=True, slots=True)
class MailboxScope:
    """What counts of a recipient for the pace. Without a family the domain stands for itself."""

    family: str
    domain: str

    @property
    def scope(self) -> str:
        """What is left alone when their server asks for it."""
        return f"family:{self.family}" if self.family else f"domain:{self.domain}"


class Meter:
    """Says how many messages may be started, for whom and by which relay; learns from each reply."""

    def __init__(
        self,
        ways: Sequence[Way],
        families: Mapping[str, PaceLimits] | None = None,
        domains: Mapping[str, str] | None = None,
    ) -> None:
        """`families` has the limits that were set, by name; `domains` the family of each domain that has one."""
        self._ways = {way.name: way for way in ways}
        self._families = dict(families or {})
        self._domains = domains or {}
        self._gauges: dict[str, Gauge] = {}
        self._told: set[str] = set()
        self._down: dict[str, datetime] = {}
        self._credit: dict[str, float] = dict.fromkeys(self._ways, 0.0)
        self._ready = False
        self._saving: dict[str, Gauge] = {}
        # transactions run beside the messages that teach
        self._lock = Lock()

    # In transactions

    def refresh(self, session: Session) -> None:
        """Store what was learned, and read what others have."""
        self.save(session)
        gauges = self._read(session, lock=None)
        with self._lock:
            ours = {scope: self._gauges[scope] for scope in self._told}
            self._gauges = gauges | ours
        self._ready = True

    def begin(self, session: Session) -> None:
        """Read the counts that limits depend on and lock them, so that all workers together keep to them."""
        if not self._ready:
            self.refresh(session)
        counted = self._counted()
        if not counted:
            return
        for scope in counted:
            session.execute(insert_new(session, PACE).values(scope=scope, today=0))
        rows = self._read(session, lock=counted)
        with self._lock:
            for scope, gauge in rows.items():
                known = self._gauges.get(scope, gauge)
                mine = scope in self._told
                held_until, ramp = (known.held_until, known.ramp) if mine else (gauge.held_until, gauge.ramp)
                self._gauges[scope] = replace(gauge, held_until=held_until, ramp=ramp)

    def spend(self, session: Session, started: Iterable[tuple[str, str]], now: datetime) -> None:
        """Count what was started, as (relay, family), for the limits that were locked by `begin`."""
        counts: Counter[str] = Counter()
        for relay, family in started:
            counts[f"relay:{relay}"] += 1
            counts[f"family:{family}"] += 1
        for scope in self._counted():
            if counts[scope]:
                with self._lock:
                    gauge = spend(self._gauge(scope), self._limits(scope), counts[scope], now)
                    self._gauges[scope] = gauge
                values = {name: getattr(gauge, name) for name in _COUNTED}
                session.execute(update(PACE).where(PACE.c.scope == scope).values(**values))

    def save(self, session: Session) -> None:
        """Store what was learned; `saved` is to follow when that is committed."""
        with self._lock:
            self._saving = {scope: self._gauges[scope] for scope in sorted(self._told)}
        for scope, gauge in self._saving.items():
            if gauge.ramp is None and scope not in self._counted():
                session.execute(delete(PACE).where(PACE.c.scope == scope))
                continue
            session.execute(insert_new(session, PACE).values(scope=scope, today=0))
            values = {"held_until": gauge.held_until, "ramp": gauge.ramp}
            session.execute(update(PACE).where(PACE.c.scope == scope).values(**values))

    def saved(self) -> None:
        """What was saved last is committed; what was learned since is not."""
        with self._lock:
            for scope, gauge in self._saving.items():
                if self._gauges.get(scope) is gauge:
                    self._told.discard(scope)
            self._saving = {}

    def _read(self, session: Session, lock: Collection[str] | None) -> dict[str, Gauge]:
        query = select(PACE.c.scope, *[PACE.c[name] for name in _GAUGE]).order_by(PACE.c.scope)
        if lock is not None:
            query = query.where(PACE.c.scope.in_(lock)).with_for_update()
        return {row[0]: Gauge(*row[1:]) for row in session.execute(query)}

    # Questions

    def recipient(self, address: str) -> MailboxScope:
        """Return what counts of an address."""
        domain = address.rpartition("@")[2].casefold()
        return MailboxScope(self._domains.get(domain, ""), domain)

    def room(self, now: datetime) -> tuple[int, datetime | None]:
        """Return how many messages the relays take now in all; when none, when to ask again."""
        allowed = [allowance(self._gauge(f"relay:{name}"), way.limits, now) for name, way in self._up(now).items()]
        room = min(sum(one.count for one in allowed), UNLIMITED)
        later = [one.again_at for one in allowed if one.again_at] + list(self._down.values())
        return room, None if room else min(later, default=None)

    def shares(
        self, families: Sequence[str], under_way: Mapping[str, int], now: datetime
    ) -> tuple[list[Share], datetime | None]:
        """Return how many of each family may be started, those that may; and when another one may, if any must wait."""
        shares, later = [], []
        for family in families:
            scope = f"family:{family}"
            allowed = allowance(self._gauge(scope), self._limits(scope), now, under_way.get(family, 0))
            if allowed.count > 0:
                shares.append(Share(family, allowed.count))
            elif allowed.again_at is not None:
                later.append(allowed.again_at)
        return shares, min(later, default=None)

    @property
    def knows_nothing(self) -> bool:
        """Whether nobody is limited or was throttled: asked for each message, and nearly always so."""
        return not self._gauges

    def held_until(self, address: str, now: datetime) -> datetime | None:
        """Return until when mail to this recipient waits because their server asked for it; None if it may go."""
        return held_until(self._gauge(self.recipient(address).scope), now)

    def waits(self, now: datetime) -> list[ScopeWait]:
        """Return which scopes may not be used for a while, until when, and why; the shortest waits are no news."""
        down = {name: until for name, until in self._down.items() if until > now}
        found = [ScopeWait(f"relay:{name}", until, "it cannot be reached") for name, until in down.items()]
        with self._lock:
            gauges = dict(self._gauges)
        for scope, gauge in gauges.items():
            allowed = allowance(gauge, self._limits(scope), now)
            if allowed.again_at is not None and allowed.again_at - now >= _NEWS:
                found.append(ScopeWait(scope, allowed.again_at, allowed.why))
        return sorted(found, key=lambda wait: (wait.until, wait.scope))

    def assign(self, count: int, now: datetime) -> list[str]:
        """Return a relay for each of `count` messages: by weight, within what each takes now.

        Smooth weighted round robin, so that a small share is spread between the others. `count` is at most `room`.
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
        """Return how many connections to a relay may be used now."""
        way, gauge = self._ways[relay], self._gauge(f"relay:{relay}")
        if held_until(gauge, now) is not None or relay not in self._up(now):
            return 0
        return way.connections if gauge.ramp is None else min(way.connections, gauge.ramp)

    # Lessons

    def note(self, reply: Reply, relay: str, address: str, now: datetime) -> None:
        """Learn from a reply: who throttles is left alone, who accepts again is used more."""
        if reply.outcome is Outcome.ACCEPTED and not self._gauges:
            return
        to, pause = self.recipient(address), throttle(reply)
        scopes = [f"relay:{relay}"] if is_about_relay(reply) else [to.scope]
        if pause is not None:
            for scope in scopes:
                self._tell(scope, hold(self._gauge(scope), pause, now))
        elif reply.outcome is Outcome.ACCEPTED:
            for scope in (f"relay:{relay}", to.scope):
                if self._gauge(scope).ramp is not None:
                    self._tell(scope, welcome(self._gauge(scope), self._limits(scope)))

    def down(self, relay: str, until: datetime) -> None:
        """Leave out a relay that cannot be reached, for a while."""
        self._down[relay] = until

    def has_other(self, relay: str, now: datetime) -> bool:
        """Whether another relay than this one may be used now."""
        return any(name != relay for name in self._up(now))

    def _tell(self, scope: str, gauge: Gauge) -> None:
        with self._lock:
            self._gauges[scope] = gauge
            self._told.add(scope)

    def _up(self, now: datetime) -> dict[str, Way]:
        self._down = {name: until for name, until in self._down.items() if until > now}
        return {name: way for name, way in self._ways.items() if name not in self._down}

    def _gauge(self, scope: str) -> Gauge:
        return self._gauges.get(scope, Gauge())

    def _limits(self, scope: str) -> PaceLimits:
        kind, _, name = scope.partition(":")
        if kind == "relay":
            return self._ways[name].limits if name in self._ways else _NO_LIMITS
        return self._families.get(name, _NO_LIMITS) if kind == "family" else _NO_LIMITS

    def _counted(self) -> list[str]:
        scopes = {f"relay:{name}": way.limits for name, way in self._ways.items()}
        scopes |= {f"family:{name}": limits for name, limits in self._families.items()}
        return sorted(scope for scope, limits in scopes.items() if limits.counts)
