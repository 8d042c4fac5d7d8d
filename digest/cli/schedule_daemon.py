"""`digest schedule run`: the scheduler process."""

import typer

from digest.cli.shell import shell_of
from digest.cli.tick import watching
from digest.schedule.daemon import run_forever


def run(context: typer.Context) -> None:
    """Keep running and process scheduled work when it is due.

    Checks at start-up, when a run is due, and every five minutes.
    """
    shell = shell_of(context)
    run_forever(shell.app, say=shell.out.note, watching=lambda: watching(shell))
