"""The /metrics page in Prometheus text format, by prometheus_client; no name or label is personal data."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Executable, func, select
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col

from digest import __version__
from digest.delivery.worker.place import WorkerPlace
from digest.issues.lifecycle import IssueState
from digest.notify.models import WebhookCall, WebhookState
from digest.outbox.dialects import database_now
from digest.outbox.states import State
from digest.runtime.atomic_file import private_folder, whole_file
from digest.runtime.db import session_scope
from digest.runtime.errors import DigestError
from digest.schedule.occurrences import occurrences
from digest.schedule.runs import INSTALLED, OPEN, IssueRun, RunState
from digest.schedule.unclaimed import unclaimed
from digest.settings.opened import OpenWorkspace
from digest.workspace.metrics.queries import AttemptCounts, IssueFigures, of_issues, of_notices, open_workers

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NOTICE_STATES = (State.PENDING, State.DEFERRED, State.STARTED)


class Metrics(Collector):
    """Collector of one workspace's metrics. Keep one object for the process: it remembers what it counted."""

    def __init__(self, workspace: OpenWorkspace) -> None:
        self._workspace = workspace
        self._attempts = AttemptCounts()
        self._lock = threading.Lock()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def page(self) -> bytes:
        """Return the whole page; without the database hardly more than `digest_database_up 0`."""
        with self._lock:
            return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering makes no query."""
        return ()

    def collect(self) -> Iterator[Metric]:
        began = time.monotonic()
        info = GaugeMetricFamily("digest_build_info", "The running version.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        yield from self._next_run()
        up = 1
        try:
            with session_scope(self._workspace.engine, read_only=True) as session:
                families = [*self._outbox(session), *self._attempted(session), *self._runs(session)]
                families += [*self._workers(session), _calls(session)]
        except DBAPIError:
            up, families = 0, []
        yield from families
        yield GaugeMetricFamily("digest_database_up", "Whether the database answers.", value=up)
        taken = time.monotonic() - began
        yield GaugeMetricFamily("digest_scrape_seconds", "How long it took to collect these metrics.", value=taken)

    def _next_run(self) -> Iterator[Metric]:
        try:
            upcoming = next(occurrences(self._workspace.settings, self._workspace.clock.now()), None)
        except DigestError:
            return
        if upcoming:
            words = "When the next run is due, as a Unix time."
            yield GaugeMetricFamily("digest_next_run_timestamp_seconds", words, value=upcoming.due_at.timestamp())

    def _outbox(self, session: Session) -> Iterator[Metric]:
        issues = of_issues(session)
        notices, oldest_notice = of_notices(session)
        yield from _of_issues(issues)
        waiting = GaugeMetricFamily("digest_notices", "Notices that are waiting or being sent.", labels=["state"])
        for state in _NOTICE_STATES:
            waiting.add_metric([state.value], notices.get(state, 0))
        yield waiting
        oldest = [one.oldest_due for one in issues if one.state == IssueState.SENDING and not one.held]
        words = "How long the oldest due mail has been waiting; 0 if none is due."
        age = GaugeMetricFamily("digest_oldest_due_age_seconds", words, labels=["kind"])
        age.add_metric(["delivery"], self._age(oldest))
        age.add_metric(["notice"], self._age([oldest_notice]))
        yield age

    def _age(self, moments: Iterable[datetime | None]) -> float:
        now = self._workspace.clock.now()
        return max((max(0.0, (now - moment).total_seconds()) for moment in moments if moment), default=0.0)

    def _attempted(self, session: Session) -> Iterator[Metric]:
        words = "Attempts that have ended, by relay and outcome."
        attempts = CounterMetricFamily("digest_attempts", words, labels=["relay", "outcome"])
        for (relay, outcome), count in sorted(self._attempts.look(session).items()):
            attempts.add_metric([relay, outcome], count)
        yield attempts

    def _runs(self, session: Session) -> Iterator[Metric]:
        happened = col(IssueRun.period) != INSTALLED
        counting = select(col(IssueRun.state), func.count()).where(happened).group_by(col(IssueRun.state))
        yield _by_state(session, "digest_runs", "Scheduled runs by state.", RunState, counting)
        now = self._workspace.clock.now()
        late = unclaimed(session, self._workspace.settings, now)
        words = "How long a run that has not started has been due; 0 if there is none."
        value = (now - late.begins_at).total_seconds() if late else 0.0
        yield GaugeMetricFamily("digest_run_unclaimed_seconds", words, value=value)
        still_open = happened & col(IssueRun.state).in_(sorted(OPEN)) & (col(IssueRun.due_at) <= now)
        oldest = session.execute(select(func.min(col(IssueRun.due_at))).where(still_open)).scalar()
        words = "How long a run has been past its time without ending; 0 if there is none."
        yield GaugeMetricFamily("digest_run_unfinished_seconds", words, value=self._age([oldest]))
        latest = session.scalars(select(IssueRun).where(happened).order_by(col(IssueRun.due_at).desc())).first()
        last = GaugeMetricFamily("digest_last_run", "The latest run: 1 for its state.", labels=["period", "state"])
        if latest is not None:
            for state in RunState:
                last.add_metric([latest.period, state.value], int(latest.state == state))
        yield last

    def _workers(self, session: Session) -> Iterator[Metric]:
        moment = database_now(session)
        liveness = WorkerPlace.of(self._workspace.settings.workspace).liveness
        alive = sum(liveness.lives(row, moment) for row in open_workers(session))
        yield GaugeMetricFamily("digest_workers_alive", "Workers that are running.", value=alive)

    def remember(self, path: Path) -> None:
        """Load the counts that an earlier process kept; start anew if the file cannot be read."""
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            counted = Counter({(str(relay), str(outcome)): int(count) for relay, outcome, count in kept["attempts"]})
            self._attempts = AttemptCounts(str(kept["through"]), counted)
        except (OSError, ValueError, KeyError, TypeError):
            self._attempts = AttemptCounts()

    def keep(self, path: Path) -> None:
        """Store the counts for the next process."""
        attempts = [[relay, outcome, count] for (relay, outcome), count in self._attempts.counted.items()]
        private_folder(path.parent)
        with whole_file(path, mode=0o600, durable=False) as partial:
            partial.write_text(json.dumps({"through": self._attempts.through, "attempts": attempts}), encoding="utf-8")


def _of_issues(issues: Iterable[IssueFigures]) -> Iterator[Metric]:
    states = GaugeMetricFamily("digest_deliveries", "Deliveries by state.", labels=["issue", "state"])
    excluded = GaugeMetricFamily("digest_excluded", "Readers excluded at freezing.", labels=["issue"])
    held = GaugeMetricFamily("digest_issue_held", "Whether the issue is held.", labels=["issue"])
    build = GaugeMetricFamily("digest_build_seconds", "How long it took to build the editions.", labels=["issue"])
    sent = GaugeMetricFamily("digest_issue_sent_timestamp_seconds", "When the issue was finished.", labels=["issue"])
    for one in issues:
        number = str(one.number)
        for state, count in one.states.items():
            states.add_metric([number, state.value], count)
        excluded.add_metric([number], one.excluded)
        held.add_metric([number], int(one.held))
        if one.build_seconds is not None:
            build.add_metric([number], one.build_seconds)
        if one.sent_at is not None:
            sent.add_metric([number], one.sent_at.timestamp())
    yield from (states, excluded, held, build, sent)


def _calls(session: Session) -> Metric:
    counting = select(col(WebhookCall.state), func.count()).group_by(col(WebhookCall.state))
    words = "Calls to the operators' webhook by state."
    return _by_state(session, "digest_webhook_calls", words, WebhookState, counting)


def _by_state(session: Session, name: str, words: str, states: Iterable[StrEnum], counting: Executable) -> Metric:
    counted = Counter(dict(tuple(row) for row in session.execute(counting)))
    gauge = GaugeMetricFamily(name, words, labels=["state"])
    for state in states:
        gauge.add_metric([state.value], counted[state.value])
    return gauge
