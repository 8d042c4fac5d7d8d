"""`digest metrics`: the figures of `/metrics`, printed or written for node_exporter's textfile collector."""

from pathlib import Path
from typing import Annotated

import typer

from digest.cli.shell import shell_of


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("metrics")(metrics)


def metrics(
    context: typer.Context,
    write: Annotated[
        Path | None, typer.Option(help="Write to this file, whole or not at all, instead of printing.")
    ] = None,
) -> None:
    """Print figures in the text format of Prometheus: outbox, attempts, runs, workers, build times."""
    from digest.metrics.page import Metrics, write_whole  # noqa: PLC0415

    shell = shell_of(context)
    figures = Metrics(shell.works)
    kept = shell.workspace / ".state" / "attempts.json"
    figures.remember(kept)
    page = figures.page()
    figures.keep(kept)
    if write is None:
        typer.echo(page.decode(), nl=False)
        return
    write_whole(write, page)
    write.chmod(0o644)  # node_exporter is another user, and nothing in it is secret
