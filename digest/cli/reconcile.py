"""`digest outbox reconcile`: resolve uncertain deliveries; each resolution is shown and confirmed first."""

from itertools import chain, islice
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from digest.cli.options import Yes
from digest.cli.shell import Shell, shell_of
from digest.outbox.states import State
from digest.runtime.errors import EXIT_ATTENTION, UsageError
from digest.runtime.keys import MAX_KEY
from digest.runtime.text import count_of
from digest.send import operator
from digest.send import reconcile as reconciling
from digest.send.reconcile import Brought, Findings

MAX_ROWS = 200
MAX_REASONS = 20
_COLUMNS = ["id", "address", "was", "state", "source", "evidence"]
_HEADINGS = ["id", "address", "was", "becomes", "source", "evidence"]


def reconcile(
    context: typer.Context,
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID|FILE]...", help="With --assume: delivery IDs. With --log or --dsn: more files."),
    ] = None,
    log: Annotated[
        list[str] | None,
        typer.Option(
            "--log",
            metavar="FILE",
            help="The relay's log: Postfix in syslog or journal format, also .gz; - reads stdin.",
        ),
    ] = None,
    complete: Annotated[
        bool,
        typer.Option(
            "--complete", help="The logs are complete: emails that they do not mention were not accepted by the relay."
        ),
    ] = False,
    zone: Annotated[str, typer.Option(help="Time zone of dates that have none. Default: this machine's.")] = "",
    dsn: Annotated[
        list[str] | None,
        typer.Option("--dsn", metavar="FILE", help="Delivery reports: an email, an mbox, a Maildir or another folder."),
    ] = None,
    assume: Annotated[
        str, typer.Option(help="Record the outcome as accepted or rejected, on your word. Nothing is sent again.")
    ] = "",
    by: Annotated[str, typer.Option("--by", help="With --assume: your name.")] = "",
    all_: Annotated[bool, typer.Option("--all", help="With --assume: every uncertain delivery of the issue.")] = False,
    number: Annotated[
        int | None,
        typer.Option(
            "--issue", min=1, max=MAX_KEY, help="With --all: the issue. Default: the newest that is being sent."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be resolved without changing anything.")
    ] = False,
    yes: Yes = False,
    relay: Annotated[
        str, typer.Option(help="Use evidence from maildir:PATH instead of the configured transport.")
    ] = "",
) -> None:
    """Resolve uncertain deliveries by evidence.

    Evidence is a relay's log, delivery reports, or a person's statement. Without any of these, the command uses the
    Maildir and the outcomes that were saved to files while the database was unavailable. It never sends mail.
    """
    shell = shell_of(context)
    if assume:
        if log or dsn or complete or relay or zone:
            raise UsageError("--assume cannot be combined with --log, --dsn, --complete, --zone or --relay")
        findings = _assumed(shell, what or [], assume, by, number, every=all_, dry_run=dry_run)
    else:
        if by or all_ or number is not None:
            raise UsageError("--by, --all and --issue need --assume")
        findings = reconciling.look(
            shell.app, _brought(what or [], log, dsn, zone, complete=complete), relay=relay, dry_run=dry_run
        )
    if findings.proposed and not dry_run:
        if not shell.out.as_json:
            _show(shell, findings)
        shell.confirm(
            f"Resolve {count_of(len(findings.proposed), 'uncertain delivery', 'uncertain deliveries')} as shown?",
            yes=yes,
        )
        findings.store()
    shell.out.emit(findings.as_json(), lambda: _tell(shell, findings))
    if findings.unresolved:
        raise typer.Exit(EXIT_ATTENTION)


def _assumed(
    shell: Shell, what: list[str], assume: str, by: str, number: int | None, *, every: bool, dry_run: bool
) -> Findings:
    if assume not in {State.ACCEPTED, State.REJECTED}:
        raise UsageError(
            f"Unknown value {assume!r} for --assume",
            hint="Use accepted or rejected. To send again: digest outbox resend ID",
        )
    if not all(text.isdecimal() and len(text) < 19 for text in what):
        raise UsageError("--assume needs delivery IDs", hint="digest outbox list --state uncertain")
    if bool(what) == every:
        raise UsageError("--assume needs either delivery IDs or --all")
    ids, app = [int(text) for text in what], shell.app
    with shell.session(read_only=True) as session:
        issue = operator.issue_of(session, ids, number, {State.UNCERTAIN})
    assert issue.id is not None  # noqa: S101 - read from the database
    return reconciling.assume(app, issue.id, ids or None, State(assume), by=by, dry_run=dry_run)


def _brought(
    what: list[str], log: list[str] | None, dsn: list[str] | None, zone: str, *, complete: bool
) -> Brought | None:
    logs, reports = list(log or []), list(dsn or [])
    if what and bool(logs) == bool(reports):
        hint = "Files need --log or --dsn; delivery IDs need --assume."
        raise UsageError("The arguments are ambiguous", hint=hint)
    (logs or reports).extend(what)  # so that `--log /var/log/mail.log*` does what it says
    if (complete or zone) and not logs:
        raise UsageError("--complete and --zone need --log", hint="Add --log FILE.")
    try:
        zoned = ZoneInfo(zone) if zone else None
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"Unknown time zone {zone!r}", hint="Use a name such as Asia/Seoul.") from error
    return Brought(logs, reports, zoned, complete) if logs or reports else None


def _show(shell: Shell, findings: Findings) -> None:
    count = len(findings.stored) + len(findings.proposed)
    rows = [one.as_json() for one in islice(chain(findings.stored, findings.proposed), MAX_ROWS)]
    if rows:
        # a notice has numbers of its own
        ids = [row["id"] if row["kind"] == "delivery" else f"notice {row['id']}" for row in rows]
        body = [[own, *(row[c] for c in _COLUMNS[1:])] for own, row in zip(ids, rows, strict=True)]
        shell.out.table(_HEADINGS, body)
    if count > MAX_ROWS:
        shell.out.line(f"... and {count - MAX_ROWS} more; use --json to list all.")
    for why, count in findings.left.most_common(MAX_REASONS):
        shell.out.line(f"{count} × {why}")


def _tell(shell: Shell, findings: Findings) -> None:
    if findings.dry_run or not findings.proposed:
        _show(shell, findings)
    data = findings.as_json()
    would = "Would resolve" if findings.dry_run else "Resolved"
    how = f"{data['by_person']} on a person's word" if findings.by_person else f"{data['by_evidence']} by evidence"
    shell.out.line(f"{would} {data['from_files']} from saved files ({data['files']}), {how}.")
    if findings.unresolved:
        shell.out.line(
            f"{findings.unresolved} uncertain. List them: digest outbox list --state uncertain. Then provide "
            "evidence (--log, --dsn) or decide (--assume, resend, cancel)."
        )
    if any(one.settlement.state == "pending" for one in findings.proposed) and not findings.dry_run:
        shell.out.line("Deliveries that the relay did not accept are due again. Next: digest worker")
