"""`digest doctor`: is this workspace healthy?"""

import typer

from digest.cli.shell import shell_of
from digest.runtime.errors import EXIT_ATTENTION


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("doctor")(doctor)


def doctor(context: typer.Context) -> None:
    """Look at configuration, secrets, database, relays and calendar; say what is wrong and what to do."""
    from digest.doctor import examine  # noqa: PLC0415

    shell = shell_of(context)
    found = examine(shell.workspace)
    data = [{"id": a.id, "severity": a.severity.value, "message": a.message, "remedy": a.remedy} for a in found]
    rows = [[entry["severity"], entry["id"], entry["message"], entry["remedy"]] for entry in data]

    def show() -> None:
        if rows:
            shell.out.table(["severity", "check", "what", "remedy"], rows)
        else:
            shell.out.line("All is well.")

    shell.out.emit({"findings": data}, show)
    if found:
        raise typer.Exit(EXIT_ATTENTION)
