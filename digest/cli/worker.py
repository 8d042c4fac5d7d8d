"""`digest worker`: deliver from the outbox."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer

from digest.cli.options import RelayOption
from digest.cli.progress import Watch
from digest.cli.shell import Shell, shell_of
from digest.cli.status import tell_stopped
from digest.delivery.configured import relays_of
from digest.delivery.configured_pace import divided
from digest.outbox.states import TO_LOOK_AT
from digest.runtime.errors import EXIT_ATTENTION
from digest.runtime.keys import MAX_KEY
from digest.send import processes
from digest.send import worker as delivering


def worker(
    context: typer.Context,
    number: Annotated[
        int | None, typer.Argument(min=1, max=MAX_KEY, help="Only this issue. Default: every issue that is being sent.")
    ] = None,
    relay: RelayOption = "",
    stay: Annotated[
        bool,
        typer.Option("--stay", help="Keep running and deliver whatever becomes due, until stopped (SIGTERM, Ctrl-C)."),
    ] = False,
    several: Annotated[
        str,
        typer.Option(
            "--processes", metavar="N|auto", help="Worker processes on this machine. They share the connections."
        ),
    ] = "1",
) -> None:
    """Deliver from the outbox until nothing is due. You can run any number of workers."""
    shell = shell_of(context)
    if share := processes.share_of_this():
        _be_one_of_many(shell, number, relay, share, stay=stay)
    elif several != "1" and (count := _chosen(shell, several, relay)) > 1:
        _be_many(shell, number, relay, count, stay=stay)
    elif stay:
        data: dict[str, Any] = delivering.stay(shell.app, number, relay=relay, say=shell.out.note).as_json()
        shell.out.emit(data, lambda: shell.out.line(_counts(data)))
    else:
        total = None if shell.out.as_json else delivering.due(shell.app, number)
        with Watch(total, silent=shell.out.as_json, clock=shell.app.clock.now) as progress:
            data = delivering.work(shell.app, number, relay=relay, progress=progress).as_json()
        _show(shell, number, relay, data)


def _show(shell: Shell, number: int | None, relay: str, data: Mapping[str, Any]) -> None:
    def show() -> None:
        shell.out.line(_counts(data))
        if data["next_due"]:
            shell.out.line(f"The next delivery is due at {shell.out.local(data['next_due'])}.")

    shell.out.emit(data, show)
    to_go = delivering.due(shell.app, number) if data["stopped"] else 0
    if data["stopped"]:
        tell_stopped(shell.out, data["outcomes"], to_go, "worker", number, relay)
    if to_go or data["uncertain"] or any(data["outcomes"].get(state) for state in TO_LOOK_AT):
        raise typer.Exit(EXIT_ATTENTION)


def _chosen(shell: Shell, asked: str, relay: str) -> int:
    app = shell.app
    is_sqlite = app.engine.dialect.name == "sqlite"
    choice = processes.choose(asked, app.settings, relays_of(app.settings, relay), is_sqlite=is_sqlite)
    if asked == processes.AUTO:
        shell.out.note(f"Worker processes: {choice.count} ({choice.why}).")
    return choice.count


def _be_many(shell: Shell, number: int | None, relay: str, count: int, *, stay: bool) -> None:
    form = [*(["--verbose"] if shell.verbose else []), *(["--log-format", "json"] if shell.out.log_json else [])]
    command = ["--workspace", str(shell.workspace), "--json", *form, "worker", *([str(number)] if number else [])]
    command += [*(["--stay"] if stay else []), *(["--relay", relay] if relay else [])]
    silent = shell.out.as_json or stay
    with Watch(None if silent else delivering.due(shell.app, number), silent=silent, clock=shell.app.clock.now) as seen:
        running = processes.WorkerProcesses(shell.out.note, seen)
        ended = running.run([command] * count)
    data: dict[str, Any] = {"outcomes": ended.outcomes, "next_due": ended.next_due}
    if stay:
        shell.out.emit(data, lambda: shell.out.line(_counts(data)))
    elif ended.results or ended.stopped:  # else each has said why
        data |= {"uncertain": ended.uncertain, "stopped": ended.stopped}
        if ended.died and not ended.stopped:  # what it left would wait for the next worker
            rest: dict[str, Any] = delivering.work(
                shell.app, number, relay=relay, progress=lambda _progress: None
            ).as_json()
            data = rest | {"outcomes": Counter(data["outcomes"]) + Counter(rest["outcomes"])}
        _show(shell, number, relay, data)
    if ended.worst:
        raise typer.Exit(ended.worst)


def _be_one_of_many(shell: Shell, number: int | None, relay: str, share: tuple[int, int], *, stay: bool) -> None:
    """Work with a share of the connections; progress and result go to the process that started this one."""
    processes.end_with_parent()
    settings = shell.app.settings
    app = replace(shell.app, settings=divided(settings, relays_of(settings, relay), *share))
    if stay:
        data = delivering.stay(app, number, relay=relay, say=shell.out.note).as_json()
    else:
        data = delivering.work(app, number, relay=relay, progress=processes.Reporter(app.clock)).as_json()
    shell.out.emit(data, lambda: None)


def _counts(data: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{count} {outcome}" for outcome, count in data["outcomes"].items() if count)
    return counts or "Nothing was due."
