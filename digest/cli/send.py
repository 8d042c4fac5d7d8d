"""`digest send`: freeze an approved issue and deliver it, in a test, a dry run, a rehearsal or for real."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from digest.cli.audit import record
from digest.cli.editions import build_of
from digest.cli.options import IssueNumber, RelayOption, Yes
from digest.cli.progress import Watch
from digest.cli.shell import Shell, shell_of
from digest.cli.status import show_excluded, show_status, tell_stopped
from digest.delivery.transport import Reply
from digest.issues import store
from digest.membership.list_hygiene import HygieneKind, counts
from digest.outbox.states import TO_LOOK_AT
from digest.publish.audience import audience_of
from digest.runtime.errors import EXIT_ATTENTION
from digest.runtime.text import count_of
from digest.send.start import PreparedSend, prepare_send
from digest.send.test_mail import send_test


def send(
    context: typer.Context,
    number: IssueNumber = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show who would get which edition; send nothing.")] = False,
    to: Annotated[
        str, typer.Option(help="Send a test email to this address: the same content, marked as a test.")
    ] = "",
    interests: Annotated[
        str, typer.Option(help="With --to: the edition for these interests, separated by semicolons (;).")
    ] = "*",
    language: Annotated[str, typer.Option(help="With --to: the edition's language.")] = "",
    frequency: Annotated[
        Literal["every", "second", "third"],
        typer.Option(help="With --to: the edition for readers of every, every second or every third issue."),
    ] = "every",
    rehearse: Annotated[
        bool,
        typer.Option(
            "--rehearse", help="Send the full audience's emails to a local sink, from a copy of the database."
        ),
    ] = False,
    relay: RelayOption = "",
    yes: Yes = False,
) -> None:
    """Send the approved issue, one email to each reader. Run it again to resume."""
    shell = shell_of(context)
    if to:
        with shell.session() as session:
            of = store.find(session, number).number
            record(shell, session, "test mail", f"issue {of}", interests=interests, language=language)
        edition = {"interests": interests, "language": language, "frequency": frequency}
        _tell_test(shell, to, send_test(shell.app, number, to, relay=relay, **edition))
    elif dry_run:
        _dry_run(shell, number)
    elif rehearse:
        _rehearse(shell, number, relay)
    else:
        _run(shell, prepare_send(shell.app, number, relay=relay), relay, yes=yes)


def _tell_test(shell: Shell, to: str, reply: Reply) -> None:
    data = {"to": to, "outcome": reply.outcome.value, "reply": reply.text}
    shell.out.emit(data, lambda: shell.out.line(f"Test email: {reply.outcome.value} {reply.text}".rstrip()))
    if reply.outcome.value != "accepted":
        raise typer.Exit(EXIT_ATTENTION)


def _dry_run(shell: Shell, number: int | None) -> None:
    with shell.session(read_only=True) as session:
        made = build_of(shell, session, number)
        excluded = dict(audience_of(session, made.issue, shell.reader.clock.now()).excluded)
        doubtful = counts(session, mailed=True)
    planned = sum(edition.readers for edition in made.editions)
    data = {"issue": made.issue.number, "planned": planned, "states": {}, "excluded": excluded, "dry_run": True}
    data["doubtful"] = doubtful

    def show() -> None:
        shell.out.line(
            f"Issue {made.issue.number} would go to {count_of(planned, 'reader')} in "
            f"{count_of(len(made.editions), 'edition')}."
        )
        show_excluded(shell.out, excluded)
        if told := _doubts_told(doubtful):
            shell.out.line(told)

    shell.out.emit(data, show)


def _doubts_told(doubtful: Mapping[HygieneKind, int]) -> str:
    named = [f"{kind.replace('_', ' ')}: {count}" for kind, count in doubtful.items() if count]
    return f"Doubtful addresses ({', '.join(named)}). To list them: digest subscribers check" if named else ""


def _rehearse(shell: Shell, number: int | None, relay: str) -> None:
    from digest.send.rehearsal import report, run  # noqa: PLC0415 - a mail server, and a copy of the database

    with Watch(None, silent=shell.out.as_json, clock=shell.app.clock.now) as progress:
        done = run.rehearse(shell.app, number, relay=relay, progress=progress)
    file = report.write(done, shell.workspace / "rehearsals")
    data: dict[str, Any] = {**done.as_json(), "report": str(file)}

    def show() -> None:
        shell.out.line(
            f"Issue {done.number} was rehearsed with {count_of(data['planned'], 'reader')}; nothing was sent."
        )
        shell.out.line(f"A real send would take about {report.lasting(done.prediction.seconds)}.")
        shell.out.table(["limited by", "time"], [[b.what, report.lasting(b.seconds)] for b in done.prediction.bounds])
        shell.out.line(f"\nReport: {file}")

    shell.out.emit(data, show)


def _run(shell: Shell, ready: PreparedSend, relay: str, *, yes: bool) -> None:
    if ready.due:
        if not yes:
            with shell.session(read_only=True) as session:
                told = _doubts_told(counts(session, mailed=True))
            if told:
                shell.out.note(told)
        to = f"{count_of(ready.due, 'reader')} ({ready.excluded} excluded)"
        shell.confirm(f"Send issue {ready.number} to {to} by {ready.way}?", yes=yes)
    with shell.session() as session:
        record(shell, session, "send", f"issue {ready.number}", readers=ready.due, relay=ready.way)
    clock = shell.app.clock
    with Watch(ready.due, silent=shell.out.as_json, clock=clock.now) as progress:
        data: dict[str, Any] = ready.run(progress).as_json()
    show_status(shell.out, data, clock.now())
    if data["stopped"]:
        to_go = sum(data["states"][state] for state in ("pending", "deferred", "started"))
        tell_stopped(shell.out, data["states"], to_go, "send", ready.number, relay)
    if any(data["states"].get(state) for state in (*TO_LOOK_AT, "pending", "started")):
        raise typer.Exit(EXIT_ATTENTION)
