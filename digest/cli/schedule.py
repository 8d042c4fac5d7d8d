"""`digest schedule`: forecast, history, skip, release and special issues."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from typing import Annotated, Any

import typer

from digest.cli.shell import shell_of
from digest.runtime.errors import NotFoundError
from digest.runtime.keys import MAX_KEY
from digest.schedule import runs, skips
from digest.schedule.occurrences import Occurrence, occurrences
from digest.schedule.skips import moment_of
from digest.workspace.report.runs import run_account


def next_(
    context: typer.Context,
    count: Annotated[int, typer.Option(min=1, max=240, help="Number of runs to show.")] = 12,
    after: Annotated[str, typer.Option("--from", help="YYYY-MM-DD. Default: now.")] = "",
) -> None:
    """Forecast the next runs and explain each date."""
    shell = shell_of(context)
    settings = shell.reader.settings
    start = moment_of(after, settings.publication.zone) if after else shell.reader.clock.now()
    with shell.session(read_only=True) as session:
        skipped = {run.period for run in runs.history(session) if run.state == runs.RunState.SKIPPED}
    data = [_forecast(entry, skipped) for entry in islice(occurrences(settings, start), count)]
    rows = [[entry["period"], entry["at"], entry["reason"]] for entry in data]
    shell.out.emit(data, lambda: shell.out.table(["period", "at", "why"], rows))


def _forecast(entry: Occurrence, skipped: Collection[str]) -> dict[str, Any]:
    return {
        "period": str(entry.period),
        "at": entry.due_at,
        "steps": [{"step": planned.step, "at": planned.at} for planned in entry.steps],
        "reason": "skipped by an operator" if str(entry.period) in skipped else entry.reason,
    }


def history(
    context: typer.Context,
    period: Annotated[
        str, typer.Argument(metavar="[PERIOD]", help="Show this run with its steps. Default: all runs.")
    ] = "",
) -> None:
    """Show all runs that were due, with outcome and steps."""
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        found = [run for run in runs.history(session) if not period or run.period == period]
    if period and not found:
        raise NotFoundError(f"There is no run for {period}", hint="To list the runs: digest schedule history")
    data = [asdict(run_account(run)) for run in found]
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


def skip(context: typer.Context, period: str) -> None:
    """Skip a period, so that its run does not start."""
    shell = shell_of(context)
    skips.skip(shell.app, period)
    shell.out.emit({"period": period, "state": "skipped"}, lambda: shell.out.line(f"{period} is skipped."))


def release(context: typer.Context, period: str) -> None:
    """Resume a run that is waiting because it is late.

    Late runs wait if digest.toml has [schedule] late = "ask".
    """
    shell = shell_of(context)
    skips.release(shell.app, period)
    line = f"{period} resumes at the next tick."
    shell.out.emit({"period": period, "released": True}, lambda: shell.out.line(line))


def special(
    context: typer.Context,
    slugs: Annotated[list[str], typer.Argument(metavar="SLUG...", help="The articles to include, in any order.")],
    at: Annotated[str, typer.Option(help="When to send it, such as 2026-11-12T09:00, in the publication's time zone.")],
    number: Annotated[int | None, typer.Option(min=1, max=MAX_KEY, help="Its number. Default: the next one.")] = None,
    subject: Annotated[str, typer.Option(help="Its subject. Default: the publication's usual subject.")] = "",
) -> None:
    """Create an issue outside the regular schedule. It is checked, approved and sent like any other issue."""
    shell = shell_of(context)
    run = skips.special(shell.app, at, slugs, number=number, subject=subject)
    issue = int(run.period.removeprefix("no-"))
    data = {"period": run.period, "issue": issue, "at": run.due_at}

    def show() -> None:
        shell.out.line(
            f"Issue {issue} is due at {shell.out.local(run.due_at)}. It is sent then if it has been approved."
        )
        shell.out.line(f'Next: digest preview {issue}, then digest issue approve {issue} --by "NAME"')

    shell.out.emit(data, show)
