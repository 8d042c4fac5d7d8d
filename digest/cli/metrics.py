"""`digest metrics`: the figures of `/metrics`, printed or written for node_exporter's textfile collector."""

from pathlib import Path
from typing import Annotated

import typer

from digest.cli.shell import shell_of
from digest.runtime.atomic_file import whole_file
from digest.workspace.metrics.page import Metrics


def metrics(
    context: typer.Context,
    write: Annotated[Path | None, typer.Option(help="Write to this file atomically instead of printing.")] = None,
) -> None:
    """Print metrics in the Prometheus text format. Covers the outbox, attempts, runs, workers and build times."""
    shell = shell_of(context)
    figures = Metrics(shell.reader)
    kept = shell.workspace / ".state" / "attempts.json"
    figures.remember(kept)
    page = figures.page()
    figures.keep(kept)
    if write is None:
        typer.echo(page.decode(), nl=False)
        return
    write.parent.mkdir(parents=True, exist_ok=True)
    # node_exporter is another user, and nothing in it is secret
    with whole_file(write, mode=0o644, durable=False) as partial:
        partial.write_bytes(page)
