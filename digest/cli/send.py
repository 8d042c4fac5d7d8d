"""`digest send` and `digest worker`: freeze what was approved, then keep every promise."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.issue import Number, build_of
from digest.cli.shell import Shell, shell_of
from digest.runtime.errors import EXIT_ATTENTION

if TYPE_CHECKING:
    from digest.delivery.tally import Tally
    from digest.sending import Sending

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
    relay: Annotated[
        str, typer.Option(help="smtp://host:port or maildir:PATH instead of the configured transport.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Answer the confirmation.")] = False,
) -> None:
    """Freeze the approved issue and deliver it, exactly one mail for each reader. Run it again to go on."""
    from digest import sending  # noqa: PLC0415

    shell = shell_of(context)
    if to:
        reply = sending.send_test(shell.works, number, to, interests=interests, language=language, relay=relay)
        data = {"to": to, "outcome": reply.outcome.value, "reply": reply.text}
        shell.out.emit(data, lambda: shell.out.line(f"Test mail: {reply.outcome.value} {reply.text}".rstrip()))
        if reply.outcome.value != "accepted":
            raise typer.Exit(EXIT_ATTENTION)
        return
    if dry_run:
        _dry_run(shell, number)
        return
    ready = sending.prepare_send(shell.works, number, relay=relay)
    if ready.due:
        shell.confirm(
            f"Send issue {ready.number} to {ready.due} readers ({ready.excluded} excluded) by {ready.way}?",
            yes=yes,
        )
    _run(shell, ready)


def worker(
    context: typer.Context,
    number: Annotated[
        int | None, typer.Argument(help="Only this issue; default: every issue that is being sent.")
    ] = None,
    relay: Annotated[
        str, typer.Option(help="smtp://host:port or maildir:PATH instead of the configured transport.")
    ] = "",
    stay: Annotated[
        bool, typer.Option("--stay", help="Stay, and deliver whatever becomes due until stopped (SIGTERM, Ctrl-C).")
    ] = False,
) -> None:
    """Deliver from the outbox until nothing is due or it is told to stop. Run as many as you like."""
    from digest import sending  # noqa: PLC0415

    shell = shell_of(context)
    if stay:
        _stay(shell, number, relay)
        return
    with Progress(shell, None) as progress:
        data = sending.work(shell.works, number, relay=relay, progress=progress)

    def show() -> None:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in data["outcomes"].items() if count)
        shell.out.line(counts or "Nothing was due.")
        if data["next_due"]:
            shell.out.line(f"More is due at {data['next_due'].isoformat(timespec='minutes')}.")

    shell.out.emit(data, show)
    if any(data["outcomes"].get(state) for state in NEEDS_A_PERSON):
        raise typer.Exit(EXIT_ATTENTION)


def _stay(shell: Shell, number: int | None, relay: str) -> None:
    from digest import staying  # noqa: PLC0415

    data = staying.stay(shell.works, number, relay=relay, told=shell.out.note)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in data["outcomes"].items() if count)
    shell.out.emit(data, lambda: shell.out.line(counts or "Nothing was due."))


def _dry_run(shell: Shell, number: int | None) -> None:
    from digest import pipeline  # noqa: PLC0415

    with shell.session(read_only=True) as session:
        made = build_of(shell, session, number)
        excluded = pipeline.exclusions(session, made.issue, shell.works.clock.now())
    planned = sum(edition.readers for edition in made.editions)
    data = {"issue": made.issue.number, "planned": planned, "states": {}, "excluded": excluded, "dry_run": True}

    def show() -> None:
        shell.out.line(f"Issue {made.issue.number} would go to {planned} readers in {len(made.editions)} editions.")
        _show_excluded(shell, excluded)

    shell.out.emit(data, show)


def _show_excluded(shell: Shell, excluded: dict[str, int]) -> None:
    if excluded:
        shell.out.line("Excluded: " + ", ".join(f"{count} {reason}" for reason, count in sorted(excluded.items())))


def _run(shell: Shell, ready: "Sending") -> None:
    with Progress(shell, ready.due) as progress:
        data = ready.run(progress)
    show_status(shell, data)
    if any(data["states"].get(state) for state in (*NEEDS_A_PERSON, "pending", "started")):
        raise typer.Exit(EXIT_ATTENTION)


def show_status(shell: Shell, data: dict[str, Any]) -> None:
    """Print how a delivery stands."""

    def show() -> None:
        shell.out.line(f"Issue {data['issue']}: {data['planned']} planned")
        shell.out.table(["state", "deliveries"], [[k, v] for k, v in data["states"].items() if v])
        _show_excluded(shell, data["excluded"])
        if data["held"]:
            shell.out.line(f"\nIt is held; go on with: digest outbox release {data['issue']}, then digest send")
        for state in NEEDS_A_PERSON:
            if data["states"].get(state):
                shell.out.line(f"\nLook at them: digest outbox list {data['issue']} --state {state}")

    shell.out.emit(data, show)


class Progress:
    """A progress bar on stderr, with what happened so far; none under --json or without a terminal."""

    def __init__(self, shell: Shell, total: int | None) -> None:
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
        from rich.progress import Progress as Bar  # noqa: PLC0415

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Bar(*columns, console=Console(stderr=True), disable=shell.out.as_json, transient=True)
        self._task = self._bar.add_task("delivering", total=total)

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, tally: "Tally") -> None:
        """Show how it stands."""
        self._bar.update(self._task, completed=tally.settled)
