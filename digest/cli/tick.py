"""`digest tick`: run the schedule once."""

from typing import Annotated

import typer

from digest.cli.progress import Watch
from digest.cli.shell import Shell, shell_of
from digest.delivery.wakeup.event import Wakeup
from digest.runtime.errors import EXIT_ATTENTION
from digest.runtime.signals import stopping_on_signals
from digest.schedule.tick import tick as look


def tick(
    context: typer.Context,
    trust_clock: Annotated[
        bool, typer.Option("--trust-clock", help="Trust the machine's clock, although it has been changed.")
    ] = False,
) -> None:
    """Run any scheduled work that is due, then exit. For cron and systemd timers. Safe to repeat."""
    shell = shell_of(context)
    wakeup = Wakeup()
    with stopping_on_signals(wakeup.stop), watching(shell) as watch:
        results = look(shell.app, trust_clock=trust_clock, listener=watch, stopping=lambda: wakeup.stopping)
    data = [{"period": one.period, "state": one.state, "step": one.step, "why": one.why} for one in results]

    def show() -> None:
        for entry in results:
            shell.out.line(f"{entry.period}: {entry.state} ({entry.step}) {entry.why}".rstrip())
        if not results:
            shell.out.line("Nothing is due.")

    shell.out.emit(data, show)
    if any(entry.person for entry in results):
        raise typer.Exit(EXIT_ATTENTION)


def watching(shell: Shell) -> Watch:
    """Return the progress display of one tick."""
    return Watch(None, silent=shell.out.as_json, clock=shell.app.clock.now)
