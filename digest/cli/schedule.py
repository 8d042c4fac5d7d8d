"""`digest schedule` and `digest tick`: the month runs by itself."""

from datetime import datetime
from itertools import islice
from typing import Annotated

import typer

from digest.cli.shell import Shell, shell_of
from digest.cli.watching import Watch
from digest.runtime.errors import EXIT_ATTENTION, NotFoundError
from digest.runtime.keys import MAX_KEY

app = typer.Typer(name="schedule", help="Run on the publication's calendar.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add `digest tick`."""
    root.command("tick")(tick)


def tick(
    context: typer.Context,
    trust_clock: Annotated[
        bool, typer.Option("--trust-clock", help="The machine's clock is right, although it was set.")
    ] = False,
) -> None:
    """Look at the clock once: start or go on with what is due. For cron and systemd timers; always safe."""
    from digest.delivery.wakeup.event import Wakeup  # noqa: PLC0415
    from digest.runtime.signals import stopping_on_signals  # noqa: PLC0415
    from digest.schedule.tick import tick as look  # noqa: PLC0415

    shell = shell_of(context)
    bell = Wakeup()
    with stopping_on_signals(bell.stop), _watching(shell) as watch:
        told = look(shell.app, trust_clock=trust_clock, onlooker=watch, stopping=lambda: bell.stopping)
    data = [{"period": entry.period, "state": entry.state, "step": entry.step, "why": entry.why} for entry in told]

    def show() -> None:
        for entry in told:
            shell.out.line(f"{entry.period}: {entry.state} ({entry.step}) {entry.why}".rstrip())
        if not told:
            shell.out.line("Nothing is due.")

    shell.out.emit(data, show)
    if any(entry.person for entry in told):
        raise typer.Exit(EXIT_ATTENTION)


def _watching(shell: Shell) -> Watch:
    return Watch(None, silent=shell.out.as_json, clock=shell.app.clock.now)


@app.command("run")
def run(context: typer.Context) -> None:
    """Stay and look at the clock when a run is due, at start-up and every five minutes."""
    from digest.schedule.daemon import run_forever  # noqa: PLC0415

    shell = shell_of(context)
    run_forever(shell.app, told=shell.out.note, watching=lambda: _watching(shell))


@app.command("next")
def next_(
    context: typer.Context,
    count: Annotated[int, typer.Option(min=1, max=240, help="How many.")] = 12,
    after: Annotated[str, typer.Option("--from", help="YYYY-MM-DD; default: now.")] = "",
) -> None:
    """Forecast the next runs, each with its reason."""
    from digest.schedule import runs  # noqa: PLC0415
    from digest.schedule.skips import moment_of  # noqa: PLC0415
    from digest.schedule.tick import occurrences  # noqa: PLC0415

    shell = shell_of(context)
    settings = shell.app.settings
    start = moment_of(after, settings.publication.zone) if after else shell.app.clock.now()
    with shell.session(read_only=True) as session:
        skipped = {run.period for run in runs.history(session) if run.state == runs.RunState.SKIPPED}
    data = [
        {
            "period": str(entry.period),
            "at": entry.due_at,
            "steps": [{"step": planned.step, "at": planned.at} for planned in entry.steps],
            "reason": "skipped by an operator" if str(entry.period) in skipped else entry.reason,
        }
        for entry in islice(occurrences(settings, start), count)
    ]
    shell.out.emit(
        data, lambda: shell.out.table(["period", "at", "why"], [[e["period"], e["at"], e["reason"]] for e in data])
    )


@app.command("history")
def history(
    context: typer.Context,
    period: Annotated[str, typer.Argument(metavar="[PERIOD]", help="One run with its steps; default: all.")] = "",
) -> None:
    """Show every run that was due: what became of it, who had it, and when each step was done."""
    from digest.schedule import runs  # noqa: PLC0415
    from digest.workspace.report import accounts  # noqa: PLC0415

    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        found = [run for run in runs.history(session) if not period or run.period == period]
    if period and not found:
        raise NotFoundError(f"There is no run for {period}", hint="`digest schedule history` lists them.")
    data = accounts(found)
    columns = ["period", "due_at", "state", "step", "by", "why"]

    def show() -> None:
        shell.out.table(columns, [[entry[c] for c in columns] for entry in data])
        for entry in data if period else []:
            shell.out.line()
            shell.out.table(["step", "began", "ended", "by", "why"], [_row(step) for step in entry["steps"]])

    shell.out.emit(data, show)


def _row(step: dict[str, str]) -> list[str | datetime | None]:
    began, ended = (datetime.fromisoformat(step[key]) if step.get(key) else None for key in ("began", "ended"))
    return [step["step"], began, ended, step.get("by", ""), step.get("why", "")]


@app.command("skip")
def skip(context: typer.Context, period: str) -> None:
    """Leave a period out: its run will not happen by itself."""
    from digest.schedule import skips  # noqa: PLC0415

    shell = shell_of(context)
    skips.skip(shell.app, period)
    shell.out.emit({"period": period, "state": "skipped"}, lambda: shell.out.line(f"{period} is skipped."))


@app.command("release")
def release(context: typer.Context, period: str) -> None:
    """Let a run go on that waits because it is later than allowed ([schedule] late = "ask")."""
    from digest.schedule import skips  # noqa: PLC0415

    shell = shell_of(context)
    skips.release(shell.app, period)
    line = f"{period} goes on at the next look at the clock."
    shell.out.emit({"period": period, "released": True}, lambda: shell.out.line(line))


@app.command("special")
def special(
    context: typer.Context,
    slugs: Annotated[list[str], typer.Argument(metavar="SLUG...", help="The articles, in any order.")],
    at: Annotated[str, typer.Option(help="When to send it: 2026-11-12T09:00, in the publication's zone.")],
    number: Annotated[int | None, typer.Option(min=1, max=MAX_KEY, help="Its number; default: the next.")] = None,
    subject: Annotated[str, typer.Option(help="Its subject; default: as of every issue.")] = "",
) -> None:
    """Make an issue outside the calendar; it is checked, approved and sent at its time as every other."""
    from digest.schedule import skips  # noqa: PLC0415

    shell = shell_of(context)
    run = skips.special(shell.app, at, slugs, number=number, subject=subject)
    issue = int(run.period.removeprefix("no-"))
    data = {"period": run.period, "issue": issue, "at": run.due_at}

    def show() -> None:
        shell.out.line(f"Issue {issue} is sent at {shell.out.local(run.due_at)}, once it is approved.")
        shell.out.line(f'Next: digest preview {issue}, then digest issue approve {issue} --by "NAME"')

    shell.out.emit(data, show)
