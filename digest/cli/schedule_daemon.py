"""`digest schedule run`: the scheduler process."""

import typer

from digest.cli.shell import shell_of
from digest.cli.tick import watching
from digest.schedule.daemon import run_forever


def run(context: typer.Context) -> None:
    """Stay and look at the clock when a run is due, at start-up and every five minutes."""
    shell = shell_of(context)
    run_forever(shell.app, say=shell.out.note, watching=lambda: watching(shell))
