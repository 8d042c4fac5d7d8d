"""`digest sink`: our own local mail world."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from digest.cli.shell import shell_of


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("sink")(sink)


def sink(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 2525,
    maildir: Annotated[Path, typer.Option(help="Folder that keeps what comes in.")] = Path("sink"),
) -> None:
    """Take mail on loopback and keep it as a Maildir. Recipients such as 550@ or drop-after-dot@ fail as they say."""
    from digest.delivery.sink import Sink  # noqa: PLC0415

    shell = shell_of(context)
    sink = Sink(maildir, port=port)
    # A service manager stops with SIGTERM; the mails are on disk, so that ending at once loses nothing.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sink.start()
    shell.out.note(f"Taking mail on smtp://{sink.host}:{sink.port} into {maildir}; Ctrl-C ends it.")
    signal.pause()
