"""`digest send --rehearse`: freeze and deliver on a copy of the database into a sink, measure, and predict."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Engine
from sqlmodel import Session

from digest.delivery.configured import ConfiguredDelivery
from digest.delivery.configured_pace import limits_of
from digest.delivery.mail.message import Letter
from digest.delivery.wakeup.local import LocalDispatcher
from digest.delivery.worker.place import WorkerPlace
from digest.delivery.worker.progress import DeliveryProgress
from digest.delivery.worker.sources import Writer
from digest.issues import store as issue_store
from digest.issues.lifecycle import IssueState
from digest.issues.models import Issue
from digest.notify.notifier import Notifier
from digest.outbox.notices import TakenNotice
from digest.outbox.statistics import OTHERS
from digest.outbox.take import Taken
from digest.publish import build, lifecycle
from digest.publish.approval import Approver
from digest.publish.publisher import Publisher
from digest.runtime.clock import Clock, duration
from digest.runtime.db import session_scope
from digest.runtime.errors import RefusedError, UsageError
from digest.send.context import SendContext
from digest.send.rehearsal.database_copy import copied
from digest.send.rehearsal.predict import Plan, Prediction, RelayShare, predict
from digest.send.start import prepare_send
from digest.send.status import IssueStatus
from digest.settings.delivery import Relay, RelayLimits
from digest.settings.part import LOOPBACK_HOSTS
from digest.settings.percentages import size
from digest.settings.root import Settings
from digest.sink.rules import SinkRules
from digest.sink.server import Sink

BY = "a rehearsal"
_NO_PACE = {"connections": None, "per_second": None, "per_hour": None, "per_day": None}


@dataclass
class Volume:
    """Messages and bytes sent to each mailbox provider, and the largest message."""

    messages: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    largest: int = 0

    def add(self, family: str, length: int) -> None:
        self.messages[family or OTHERS] += 1
        self.sizes[family or OTHERS] += length
        self.largest = max(self.largest, length)


@dataclass(frozen=True)
class WeighingWriter:
    """A message writer that adds the length of each delivery to `volume`."""

    writer: Writer
    volume: Volume

    def prepare(self, session: Session, edition_ids: Sequence[int]) -> None:
        self.writer.prepare(session, edition_ids)

    def delivery(self, taken: Taken, now: datetime) -> Letter:
        letter = self.writer.delivery(taken, now)
        self.volume.add(taken.family, sum(map(len, letter.message)))
        return letter

    def notice(self, taken: TakenNotice, now: datetime) -> Letter:
        return self.writer.notice(taken, now)


@dataclass(frozen=True, kw_only=True)
class RehearsalDelivery(ConfiguredDelivery):
    """Delivery on the copy: with locks and leftovers of its own, and every message measured."""

    folder: Path
    volume: Volume

    @property
    def place(self) -> WorkerPlace:
        return WorkerPlace(super().place.host, self.folder / "workers", self.folder / "outcomes")

    @property
    def worker_writer(self) -> Writer:
        return WeighingWriter(self.writer, self.volume)


@dataclass(frozen=True)
class RehearsalContext:
    """A SendContext on the copy."""

    engine: Engine
    clock: Clock
    publisher: Publisher
    delivery: ConfiguredDelivery
    notifier: Notifier


def _on_copy(context: SendContext, settings: Settings, engine: Engine, folder: Path, volume: Volume) -> SendContext:
    dispatcher = LocalDispatcher(engine, context.clock)
    delivery = RehearsalDelivery(
        settings=settings,
        engine=engine,
        clock=context.clock,
        dispatcher=dispatcher,
        make_writer=lambda: context.delivery.writer,
        folder=folder,
        volume=volume,
    )
    publisher = replace(context.publisher, settings=settings, engine=engine)
    notifier = Notifier(settings, engine, context.clock, dispatcher)
    return RehearsalContext(engine, context.clock, publisher, delivery, notifier)


@dataclass(frozen=True, slots=True)
class RehearsedEdition:
    """One edition of a rehearsal, in numbers."""

    language: str
    articles: int
    readers: int
    html_bytes: int
    text_bytes: int


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The result of a rehearsal."""

    number: int
    at: datetime
    relay: str
    status: IssueStatus
    editions: Sequence[RehearsedEdition]
    volume: Volume
    build_seconds: float
    deliver_seconds: float
    prediction: Prediction

    @property
    def per_second(self) -> float:
        """The measured throughput, in messages a second."""
        return sum(self.volume.messages.values()) / self.deliver_seconds if self.deliver_seconds > 0 else 0.0

    @property
    def size(self) -> int:
        return sum(self.volume.sizes.values())

    def as_json(self) -> dict[str, object]:
        status = self.status.as_json()
        return {
            "issue": self.number,
            "rehearsal": True,
            "planned": status["planned"],
            "states": status["states"],
            "excluded": status["excluded"],
            "editions": [asdict(edition) for edition in self.editions],
            "domains": {
                family: {"messages": count, "bytes": self.volume.sizes[family]}
                for family, count in self.volume.messages.most_common()
            },
            "bytes": self.size,
            "largest_bytes": self.volume.largest,
            "measured": {
                "relay": self.relay,
                "build_seconds": round(self.build_seconds, 3),
                "deliver_seconds": round(self.deliver_seconds, 3),
                "per_second": round(self.per_second, 2),
            },
            "predicted": {
                "seconds": round(self.prediction.seconds, 1),
                "bounds": [{"what": one.what, "seconds": round(one.seconds, 1)} for one in self.prediction.bounds],
            },
        }


def rehearse(
    context: SendContext, number: int | None, *, relay: str, progress: Callable[[DeliveryProgress], None]
) -> Rehearsal:
    """Send an issue to its full audience on a copy. Raises RefusedError if it could not be sent for real either."""
    volume = Volume()
    with (
        copied(context.engine, context.delivery.settings.workspace / ".state") as (engine, folder),
        _sink(relay, folder) as url,
    ):
        copy = _on_copy(context, _at_full_speed(context, url), engine, folder, volume)
        chosen = _approved(copy, number)
        began = time.monotonic()
        ready = prepare_send(copy, chosen, relay=url)
        ready.start()
        frozen = time.monotonic()
        status = ready.run(progress).status
        ended = time.monotonic()
        with session_scope(engine, read_only=True) as session:
            editions = _editions(copy, session, issue_store.find(session, chosen))
    made = sum(volume.messages.values()) / (ended - frozen) if ended > frozen else 0.0
    prediction = predict(_plan(context, volume), per_second=made, build_seconds=frozen - began)
    moments = {"build_seconds": frozen - began, "deliver_seconds": ended - frozen}
    where = url if relay else "our own sink"
    return Rehearsal(chosen, context.clock.now(), where, status, editions, volume, **moments, prediction=prediction)


@contextmanager
def _sink(relay: str, folder: Path) -> Iterator[str]:
    """Yield the URL of the relay: the one given, which must be on loopback, else a sink that keeps nothing."""
    if relay:
        parts = urlsplit(relay)
        if parts.scheme != "smtp" or parts.hostname not in LOOPBACK_HOSTS:
            raise UsageError(f"A rehearsal cannot send to {relay}", hint="Use a sink on this machine, or omit --relay.")
        yield relay
        return
    with Sink(folder, rules=SinkRules(pipelining=True), keeps=False) as sink:
        yield sink.url


def _at_full_speed(context: SendContext, url: str) -> Settings:
    """Return the settings without rate limits, to measure throughput; the number of connections stays."""
    parts, settings = urlsplit(url), context.delivery.settings
    connections = sum(relay.limits.connections for relay in settings.relay) or RelayLimits().connections
    limits = RelayLimits(connections=min(connections, 500))
    alone = Relay(host=parts.hostname or "", port=parts.port or 0, tls="none", limits=limits)
    lifted = {name: family.model_copy(update=_NO_PACE) for name, family in settings.delivery.families.items()}
    update = {"transport": "smtp", "window": None, "canary": "0", "families": lifted}
    return settings.model_copy(update={"relay": (alone,), "delivery": settings.delivery.model_copy(update=update)})


def _approved(copy: SendContext, number: int | None) -> int:
    """Approve the copy of the issue, if nothing blocks: a rehearsal is good a week before, too."""
    now = copy.clock.now()
    with session_scope(copy.engine) as session:
        issue = issue_store.find(session, number, lock=True)
        if issue.state not in {IssueState.DRAFT, IssueState.APPROVED}:
            message = f"Issue {issue.number} is {issue.state}, so it can no longer be rehearsed"
            raise RefusedError(message, hint="Rehearse an issue before it is frozen.")
        if issue.state == IssueState.DRAFT:
            lifecycle.approve(copy.publisher, session, issue, Approver(BY), now)
            if issue.state == IssueState.DRAFT:  # two people have to
                lifecycle.approve(copy.publisher, session, issue, Approver(f"{BY} again"), now)
        return issue.number


def _editions(copy: SendContext, session: Session, issue: Issue) -> list[RehearsedEdition]:
    made = build.build(copy.publisher, session, issue, copy.clock.now())
    return [
        RehearsedEdition(
            edition.selection.language,
            len(edition.selection.shown),
            edition.readers,
            edition.rendered.html_bytes,
            edition.rendered.text_bytes,
        )
        for edition in made.editions
    ]


def _plan(context: SendContext, volume: Volume) -> Plan:
    settings = context.delivery.settings
    rules = settings.delivery
    routes = [RelayShare(f"{one.host}:{one.port}", limits_of(one.limits), one.weight) for one in settings.relay]
    first = size(rules.canary, sum(volume.messages.values()))
    return Plan(
        families=dict(volume.messages),
        limits={name: limits_of(family) for name, family in rules.families.items()},
        routes=routes if rules.transport == "smtp" else [],
        window=duration(rules.window) if rules.window else timedelta(0),
        canary_wait=duration(rules.canary_wait) if first else timedelta(0),
    )
