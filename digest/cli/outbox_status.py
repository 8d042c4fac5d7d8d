"""`digest outbox status`, in a module of its own, which loads little: monitors call it often."""

from typing import Any

import typer

from digest.cli.options import DeliveredIssueNumber
from digest.cli.shell import shell_of
from digest.cli.status import show_details, show_status
from digest.runtime.errors import EXIT_ATTENTION
from digest.send.status import details


def status(context: typer.Context, number: DeliveredIssueNumber = None) -> None:
    """Count an issue's deliveries by state. The counts add up to the deliveries that were planned."""
    shell = shell_of(context)
    data: dict[str, Any] = details(shell.reader, number).as_json()
    now = shell.reader.clock.now()
    show_status(shell.out, data, now, lambda: show_details(shell.out, data, now))
    if data["states"]["uncertain"]:
        raise typer.Exit(EXIT_ATTENTION)
