"""`digest send` and `digest worker`: freeze what was approved, then keep every promise."""

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from digest.cli.issue import Number, build_of
from digest.cli.shell import Shell, shell_of
from digest.cli.watching import Watch, clock_time, counted
from digest.publish import lifecycle
from digest.runtime.errors import EXIT_ATTENTION
from digest.runtime.keys import MAX_KEY
from digest.send import test_mail
from digest.send.worker import stay

if TYPE_CHECKING:
    from digest.send.start import PreparedSend

NEEDS_A_PERSON = ("deferred", "rejected", "uncertain", "expired")


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command("send")(send)
    app.command("worker")(worker)


def send(
    context: typer.Context,
    number: Number = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say who would get what; send nothing.")] = False,
    to: Annotated[str, typer.Option(help="A test mail to this address: the same bytes, marked as a test.")] = "",
    interests: Annotated[str, typer.Option(help="With --to: the edition for these interests, joined by ;")] = "*",
    language: Annotated[str, typer.Option(help="With --to: the edition's language.")] = "",
    frequency: Annotated[
        Literal["every", "second", "third"],
        typer.Option(help="With --to: the edition of those who get every, every second or every third issue."),
    ] = "every",
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="The full audience into a local sink, on a copy; sends nothing.")
    ] = False,
    relay: Annotated[
        str, typer.Option(help="smtp://host:port or maildir:PATH instead of the configured transport.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Answer the confirmation.")] = False,
) -> None:
    """Freeze the approved issue and deliver it, exactly one mail for each reader. Run it again to go on."""
    from digest.send import start  # noqa: PLC0415

    shell = shell_of(context)
    if to:
        reply = test_mail.send_test(
            shell.app,
            number,
            to,
            interests=interests,
            language=language,
            frequency=frequency,
            relay=relay,
        )
        data = {"to": to, "outcome": reply.outcome.value, "reply": reply.text}
        shell.out.emit(data, lambda: shell.out.line(f"Test mail: {reply.outcome.value} {reply.text}".rstrip()))
        if reply.outcome.value != "accepted":
            raise typer.Exit(EXIT_ATTENTION)
        return
    if dry_run:
        _dry_run(shell, number)
        return
    if rehearse:
        _rehearse(shell, number, relay)
        return
    ready = start.prepare_send(shell.app, number, relay=relay)
    if ready.due:
        shell.confirm(
            f"Send issue {ready.number} to {ready.due} readers ({ready.excluded} excluded) by {ready.way}?",
            yes=yes,
        )
    _run(shell, ready, relay)


def worker(
    context: typer.Context,
    number: Annotated[
        int | None,
        typer.Argument(min=1, max=MAX_KEY, help="Only this issue; default: every issue that is being sent."),
    ] = None,
    relay: Annotated[
        str, typer.Option(help="smtp://host:port or maildir:PATH instead of the configured transport.")
    ] = "",
    stay: Annotated[
        bool, typer.Option("--stay", help="Stay, and deliver whatever becomes due until stopped (SIGTERM, Ctrl-C).")
    ] = False,
) -> None:
    """Deliver from the outbox until nothing is due or it is told to stop. Run as many as you like."""
    from digest.send import worker as delivering  # noqa: PLC0415

    shell = shell_of(context)
    if stay:
        _stay(shell, number, relay)
        return
    total = None if shell.out.as_json else delivering.due(shell.app, number)
    with Watch(total, silent=shell.out.as_json, clock=shell.app.clock.now) as progress:
        data = delivering.work(shell.app, number, relay=relay, progress=progress)

    def show() -> None:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in data["outcomes"].items() if count)
        shell.out.line(counts or "Nothing was due.")
        if data["next_due"]:
            shell.out.line(f"More is due at {shell.out.local(data['next_due'])}.")

    shell.out.emit(data, show)
    to_go = delivering.due(shell.app, number) if data["stopped"] else 0
    if data["stopped"]:
        _tell_stopped(shell, data["outcomes"], to_go, "worker", number, relay)
    if to_go or data["uncertain"] or any(data["outcomes"].get(state) for state in NEEDS_A_PERSON):
        raise typer.Exit(EXIT_ATTENTION)


def _stay(shell: Shell, number: int | None, relay: str) -> None:

    data = stay(shell.app, number, relay=relay, told=shell.out.note)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in data["outcomes"].items() if count)
    shell.out.emit(data, lambda: shell.out.line(counts or "Nothing was due."))


def _dry_run(shell: Shell, number: int | None) -> None:

    with shell.session(read_only=True) as session:
        made = build_of(shell, session, number)
        excluded = lifecycle.exclusions(session, made.issue, shell.app.clock.now())
    planned = sum(edition.readers for edition in made.editions)
    data = {"issue": made.issue.number, "planned": planned, "states": {}, "excluded": excluded, "dry_run": True}

    def show() -> None:
        shell.out.line(f"Issue {made.issue.number} would go to {planned} readers in {len(made.editions)} editions.")
        _show_excluded(shell, excluded)

    shell.out.emit(data, show)


def _rehearse(shell: Shell, number: int | None, relay: str) -> None:
    from digest.send.rehearsal import report, run  # noqa: PLC0415

    with Watch(None, silent=shell.out.as_json, clock=shell.app.clock.now) as progress:
        done = run.rehearse(shell.app, number, relay=relay, progress=progress)
    file = report.write(done, shell.workspace / "rehearsals")
    data = {**done.as_json(), "report": str(file)}

    def show() -> None:
        shell.out.line(f"Issue {done.number} was rehearsed with {data['planned']:,} readers; nothing was sent.")
        shell.out.line(f"The real send would take about {report.lasting(done.prediction.seconds)}.")
        shell.out.table(["bound by", "time"], [[b.what, report.lasting(b.seconds)] for b in done.prediction.bounds])
        shell.out.line(f"\nThe report: {file}")

    shell.out.emit(data, show)


def _show_excluded(shell: Shell, excluded: dict[str, int]) -> None:
    if excluded:
        shell.out.line("Excluded: " + ", ".join(f"{count} {reason}" for reason, count in sorted(excluded.items())))


def _run(shell: Shell, ready: "PreparedSend", relay: str) -> None:
    with Watch(ready.due, silent=shell.out.as_json, clock=shell.app.clock.now) as progress:
        data = ready.run(progress)
    show_status(shell, data)
    if data["stopped"]:
        to_go = sum(data["states"][state] for state in ("pending", "deferred", "started"))
        _tell_stopped(shell, data["states"], to_go, "send", ready.number, relay)
    if any(data["states"].get(state) for state in (*NEEDS_A_PERSON, "pending", "started")):
        raise typer.Exit(EXIT_ATTENTION)


def _tell_stopped(
    shell: Shell, states: dict[str, int], to_go: int, command: str, number: int | None, relay: str
) -> None:
    told = f"Stopped: {counted(states)}, {to_go:,} still to go. Nothing is lost"
    words = ["digest", command, *([str(number)] if number else []), *(["--relay", shlex.quote(relay)] if relay else [])]
    again = " ".join([*words, *(["--yes"] if command == "send" else [])])
    shell.out.note(f"{told}; go on with: {again}" if to_go else f"{told}.")


def show_status(shell: Shell, data: dict[str, Any], more: Callable[[], None] = lambda: None) -> None:
    """Print how a delivery stands; `more` prints what belongs under the table."""

    def show() -> None:
        shell.out.line(f"Issue {data['issue']}: {data['planned']} planned")
        shell.out.table(["state", "deliveries"], [[k, v] for k, v in data["states"].items() if v])
        _show_excluded(shell, data["excluded"])
        more()
        if data["rest_at"] and not data["held"]:
            until = clock_time(data["rest_at"], shell.app.clock.now())
            shell.out.line(f"\nThe first readers have it; the rest waits until {until} for how it fares with them.")
            shell.out.line(f"Then `digest tick` lets it go, or: digest send {data['issue']}")
        if (data.get("canary") or {}).get("verdict") == "halt":
            shell.out.line(f"\nHeld: {data['canary']['why']}.")
        if data["held"]:
            shell.out.line(f"\nIt is held; go on with: digest outbox release {data['issue']}, then digest send")
        for state in NEEDS_A_PERSON:
            if data["states"].get(state):
                shell.out.line(f"\nLook at them: digest outbox list {data['issue']} --state {state}")

    shell.out.emit(data, show)
