"""`digest worker`: deliver from the outbox."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from digest.cli.options import RelayOption
from digest.cli.progress import Watch
from digest.cli.shell import Shell, shell_of
from digest.cli.status import tell_stopped
from digest.outbox.states import TO_LOOK_AT
from digest.runtime.errors import EXIT_ATTENTION
from digest.runtime.keys import MAX_KEY
from digest.send import worker as delivering


def worker(
    context: typer.Context,
    number: Annotated[
        int | None, typer.Argument(min=1, max=MAX_KEY, help="Only this issue; default: every issue that is being sent.")
    ] = None,
    relay: RelayOption = "",
    stay: Annotated[
        bool, typer.Option("--stay", help="Stay, and deliver whatever becomes due until stopped (SIGTERM, Ctrl-C).")
    ] = False,
) -> None:
    """Deliver from the outbox until nothing is due or it is told to stop. Run as many as you like."""
    shell = shell_of(context)
    if stay:
        data: dict[str, Any] = delivering.stay(shell.app, number, relay=relay, say=shell.out.note).as_json()
        shell.out.emit(data, lambda: shell.out.line(_counts(data)))
    else:
        _deliver(shell, number, relay)


def _deliver(shell: Shell, number: int | None, relay: str) -> None:
    total = None if shell.out.as_json else delivering.due(shell.app, number)
    with Watch(total, silent=shell.out.as_json, clock=shell.app.clock.now) as progress:
        data: dict[str, Any] = delivering.work(shell.app, number, relay=relay, progress=progress).as_json()

    def show() -> None:
        shell.out.line(_counts(data))
        if data["next_due"]:
            shell.out.line(f"More is due at {shell.out.local(data['next_due'])}.")

    shell.out.emit(data, show)
    to_go = delivering.due(shell.app, number) if data["stopped"] else 0
    if data["stopped"]:
        tell_stopped(shell.out, data["outcomes"], to_go, "worker", number, relay)
    if to_go or data["uncertain"] or any(data["outcomes"].get(state) for state in TO_LOOK_AT):
        raise typer.Exit(EXIT_ATTENTION)


def _counts(data: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{count} {outcome}" for outcome, count in data["outcomes"].items() if count)
    return counts or "Nothing was due."
