"""`digest doctor`: health check of a workspace."""

from typing import Annotated

import typer

from digest.cli.shell import shell_of
from digest.runtime.errors import EXIT_ATTENTION, EXIT_ENVIRONMENT
from digest.workspace.doctor import examine


def doctor(
    context: typer.Context,
    nameserver: Annotated[
        str, typer.Option(help="Ask this name server (ADDRESS or ADDRESS:PORT) for SPF, DKIM and DMARC.")
    ] = "",
) -> None:
    """Look at configuration, secrets, database, relays, DNS, calendar and outbox; say what is wrong and what to do."""
    shell = shell_of(context)
    found = examine(shell.workspace, nameserver=nameserver)
    data = {
        "findings": [
            {"id": a.id, "severity": a.severity.value, "message": a.message, "remedy": a.remedy} for a in found.findings
        ],
        "skipped": [{"id": one.id, "why": one.why} for one in found.skipped],
    }
    rows = [[one["severity"], one["id"], one["message"], one["remedy"]] for one in data["findings"]]

    def show() -> None:
        if rows:
            shell.out.table(["severity", "check", "what", "remedy"], rows)
        else:
            shell.out.line("All is well.")
        for one in data["skipped"]:
            shell.out.line(f"Not looked at: {one['id']}: {one['why']}.")

    shell.out.emit(data, show)
    if any(one.environment for one in found.findings):
        raise typer.Exit(EXIT_ENVIRONMENT)
    if found.findings:
        raise typer.Exit(EXIT_ATTENTION)
