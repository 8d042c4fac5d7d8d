"""Reconciliation of uncertain deliveries: by our own record, a relay's log, delivery reports (DSN), or an operator.

Two steps, with a person between them: `look` and `assume` find what can be resolved, `Findings.store` stores it. No
lock is held while logs are read, which may take minutes; a delivery that was settled meanwhile stays as it is.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from itertools import chain

from digest.delivery.maildir import MAILDIR
from digest.delivery.outcome import clean_reply, explain
from digest.delivery.transport import WithEvidence
from digest.feedback import replies
from digest.feedback.dsn import NotAReportError, ReportedRecipient, read_report
from digest.feedback.evidence_files import mails, open_logs
from digest.feedback.log_coverage import AFTER
from digest.feedback.postfix_log import Fate, PostfixLog, Sighting
from digest.outbox.breaker import settle
from digest.outbox.recover import evident, recover, settle_evidence
from digest.outbox.settle import Settlement, read_file
from digest.outbox.states import Outcome, State
from digest.outbox.tables import Promised
from digest.outbox.uncertain import Uncertain, count_uncertain, living, uncertain
from digest.runtime.db import session_scope
from digest.send.context import SendContext

_ENDS: Mapping[Fate, tuple[State, Outcome]] = {
    Fate.ACCEPTED: (State.ACCEPTED, Outcome.ACCEPTED),
    Fate.REJECTED: (State.REJECTED, Outcome.REJECTED),
    Fate.EXPIRED: (State.EXPIRED, Outcome.DEFERRED),
    Fate.NOT_TAKEN: (State.PENDING, Outcome.NOT_SENT),
}
# Actions of delivery reports, the strongest first: "delayed" yields to any, "relayed" to "failed".
_ACTIONS = ("delivered", "failed", "relayed", "expanded", "delayed")
_MAX_NAME = 100
_SILENT = "the log does not show that the relay accepted it"


@dataclass(frozen=True, slots=True)
class Brought:
    """Evidence files from an operator: a relay's logs, and delivery reports.

    `complete`: the logs hold all that the relay wrote. `zone`: of dates without one (None: this machine's).
    """

    logs: Sequence[str]
    reports: Sequence[str]
    zone: tzinfo | None = None
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Resolution:
    """One uncertain delivery or notice, its settlement, and why. `source` is a file and line."""

    about: Uncertain
    settlement: Settlement
    evidence: str
    source: str

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.about.id,
            "kind": self.about.promised.value,
            "address": self.about.address,
            "was": State.UNCERTAIN.value,
            "state": self.settlement.state.value,
            "evidence": self.evidence,
            "source": self.source,
        }


@dataclass(slots=True)
class Findings:
    """The result: `stored` is settled already, `proposed` waits for a person, `left` counts why others stay."""

    context: SendContext
    dry_run: bool = False
    by_person: bool = False
    files: int = 0
    from_files: int = 0
    recovered: int = 0
    unresolved: int = 0
    stored: list[Resolution] = field(default_factory=list)
    proposed: list[Resolution] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)

    def propose(self, resolutions: Iterable[Resolution]) -> None:
        new = list(resolutions)
        self.proposed += new
        self.unresolved -= len(new)

    def store(self) -> int:
        """Settle what is proposed and still uncertain; return how many. Nothing is sent."""
        if self.dry_run or not self.proposed:
            return 0
        now = self.context.clock.now()
        with session_scope(self.context.engine) as session:
            back = [one.about.worker_id for one in self.proposed if one.settlement.state is State.PENDING]
            # a silent worker on another host may have come back
            alive = living(session, back, self.context.delivery.place.liveness)
            settlements = [
                replace(one.settlement, ended_at=now)
                for one in self.proposed
                if one.settlement.state is not State.PENDING or one.about.worker_id not in alive
            ]
            changed = settle_evidence(session, settlements)
            self.unresolved = count_uncertain(session)
        return changed

    def as_json(self) -> dict[str, object]:
        """Return it for JSON; `resolved` is an iterator, as there may be many after a restore."""
        return {
            "files": self.files,
            "from_files": self.from_files,
            "recovered": self.recovered,
            "by_evidence": len(self.stored) + (0 if self.by_person else len(self.proposed)),
            "by_person": len(self.proposed) if self.by_person else 0,
            "resolved": (one.as_json() for one in chain(self.stored, self.proposed)),
            "unresolved": self.unresolved,
            "left": dict(self.left),
            "dry_run": self.dry_run,
        }


def look(context: SendContext, brought: Brought | None = None, *, relay: str = "", dry_run: bool = False) -> Findings:
    """Settle from our own record (unless `dry_run`), and find what the evidence in `brought` can resolve.

    Our own record: outcomes that workers kept in files while the database was away (renamed once stored), and, without
    other evidence, the contents of a Maildir.
    """
    findings = Findings(context, dry_run)
    open_ones = _own_record(findings, relay, with_transport=brought is None or bool(relay))
    if brought is not None:
        findings.propose(_by_what_was_brought(findings, open_ones, brought))
    return findings


def _own_record(findings: Findings, relay: str, *, with_transport: bool) -> list[Uncertain]:
    context = findings.context
    files = sorted(context.delivery.place.leftovers.glob("*.json"))
    kept = [settlement for path in files for settlement in read_file(path)]
    transport = context.delivery.transport(relay) if with_transport else None
    with session_scope(context.engine) as session:
        now = context.clock.now()
        findings.files, findings.from_files = len(files), settle(session, kept, context.delivery.breaker_limits)
        replies.note(session, kept)
        findings.recovered = recover(session, context.delivery.place.liveness, now).uncertain
        if isinstance(transport, WithEvidence):
            known = {(one.promised, one.id): one for one in uncertain(session)}
            seen = evident(session, transport.name, transport.evidence, now, context.delivery.place.host)
            settle_evidence(session, seen)
            findings.stored = [Resolution(known[s.promised, s.id], s, s.reason, transport.name) for s in seen]
        open_ones = uncertain(session)
        findings.unresolved = count_uncertain(session)
        if findings.dry_run:
            session.rollback()
    if not findings.dry_run:
        for path in files:
            path.rename(path.with_suffix(".stored"))
    if transport is not None:
        transport.close()
    return open_ones


def _by_what_was_brought(findings: Findings, open_ones: Sequence[Uncertain], brought: Brought) -> list[Resolution]:
    context = findings.context
    by_id = {_message_id(context, one): one for one in open_ones}
    log = _read_logs(by_id, brought, context.clock.now()) if brought.logs and by_id else None
    reported = _read_reports(by_id, brought.reports, findings.left)
    with session_scope(context.engine, read_only=True) as session:
        alive = living(session, [one.worker_id for one in open_ones], context.delivery.place.liveness)
    found = []
    for own_id, one in by_id.items():
        # a report comes from further on than the relay's log, which ends at the next server's "250"
        sighting = reported.get(own_id) or (log.verdict(own_id) if log else None)
        if why := _objection(one, sighting, log, brought, context.clock.now(), lives=one.worker_id in alive):
            findings.left[why] += 1
        elif sighting is not None:
            found.append(_resolution(one, sighting, context.clock.now()))
    return found


def _message_id(context: SendContext, one: Uncertain) -> str:
    first, second = one.name
    if one.promised is Promised.DELIVERY:
        return context.delivery.writer.message_id(int(first), second)
    return context.delivery.writer.notice_id(first, second)


def _read_logs(by_id: Mapping[str, Uncertain], brought: Brought, now: datetime) -> PostfixLog:
    log = PostfixLog({own_id: one.address for own_id, one in by_id.items()})
    with ExitStack() as stack:
        for file in open_logs(brought.logs, brought.zone, now, stack):
            log.read(file.lines, file.name)
    return log


def _read_reports(by_id: Mapping[str, Uncertain], names: Sequence[str], left: Counter[str]) -> dict[str, Sighting]:
    best: dict[str, tuple[ReportedRecipient, str]] = {}
    for place, data in mails(names):
        try:
            report = read_report(data)
        except NotAReportError as error:
            left[f"{place}: {error.message}"] += 1
            continue
        one = by_id.get(report.message_id)
        if one is None:
            left["reports about messages that are not uncertain or not from this workspace"] += 1
            continue
        reported = report.about(one.address)
        known = best.get(report.message_id)
        if known is None or _ACTIONS.index(reported.action) < _ACTIONS.index(known[0].action):
            best[report.message_id] = (reported, place)
    return {own_id: _sighting(reported, place) for own_id, (reported, place) in best.items()}


def _sighting(reported: ReportedRecipient, place: str) -> Sighting:
    fate = Fate.ACCEPTED
    if reported.action == "failed":
        # 4.x.x: deferred until a server gave up (RFC 3464 section 2.3.4)
        fate = Fate.EXPIRED if (reported.enhanced or "").startswith("4") else Fate.REJECTED
    tries = ", still being retried" if reported.action == "delayed" else ""
    words = f"a report says {reported.action}{tries}: {reported.words}"
    return Sighting(fate, words, place, reported.code, reported.enhanced)


def _objection(
    one: Uncertain, sighting: Sighting | None, log: PostfixLog | None, brought: Brought, now: datetime, *, lives: bool
) -> str:
    """Return why `one` stays uncertain; empty if the sighting resolves it."""
    if sighting is None:
        return "the log does not show whether the relay accepted it" if log else "no report for it"
    if sighting.fate is not Fate.NOT_TAKEN:
        return ""
    if log is None or not brought.complete:
        return f"{_SILENT}, which proves nothing unless the log is complete (--complete)"
    why = _still_possible(one, now, lives=lives) or log.coverage.objection(one.started_at, one.until)
    return f"{_SILENT}, but {why}" if why else ""


def _still_possible(one: Uncertain, now: datetime, *, lives: bool) -> str:
    if one.relay.startswith(MAILDIR):
        return "it was written to the Maildir"
    if lives:
        return "its worker is still running"
    return "it was started less than 15 minutes ago" if now < one.until + AFTER else ""


def _resolution(one: Uncertain, sighting: Sighting, now: datetime) -> Resolution:
    state, outcome = _ENDS[sighting.fate]
    reason = sighting.words
    if sighting.fate is Fate.REJECTED:
        reason = f"{explain(sighting.code, sighting.enhanced, text=sighting.words).value.replace('_', ' ')}: {reason}"
    if sighting.source:
        reason = f"{reason} [{sighting.source}]"
    settlement = Settlement(one.promised, one.id, one.attempt_id, state, outcome, now, reason, by_evidence=True)
    answered = replace(settlement, code=sighting.code, enhanced=sighting.enhanced, reply=sighting.words)
    return Resolution(one, answered, sighting.words, sighting.source)


def assume(
    context: SendContext,
    issue_id: int,
    ids: Collection[int] | None,
    state: State,
    *,
    by: str = "",
    dry_run: bool = False,
) -> Findings:
    """Propose `state` (accepted or rejected) for an issue's uncertain deliveries, all or `ids`, as `by` says.

    What a server has said so far stays with the attempt.
    """
    person = clean_reply(by)[:_MAX_NAME] or "a person"
    findings, now = Findings(context, dry_run, by_person=True), context.clock.now()
    with session_scope(context.engine, read_only=True) as session:
        chosen = uncertain(session, issue_id, ids)
        findings.unresolved = count_uncertain(session)
    why = f"assumed {state} by {person}"
    findings.propose(Resolution(one, _assumed(one, state, why, now), why, person) for one in chosen)
    return findings


def _assumed(one: Uncertain, state: State, why: str, now: datetime) -> Settlement:
    settlement = Settlement(one.promised, one.id, one.attempt_id, state, Outcome(state), now, why, by_evidence=True)
    return replace(settlement, code=one.code, enhanced=one.enhanced, reply=one.reply)
