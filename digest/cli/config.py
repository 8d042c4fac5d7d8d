"""`digest config`: reference and validation of the settings."""

import typer

from digest.cli.shell import shell_of
from digest.settings.describe import described
from digest.settings.root import load_settings


def describe(context: typer.Context) -> None:
    """List all settings with defaults and meanings. Includes the name of each setting's environment variable."""
    shell = shell_of(context)
    data = described()
    columns = ["setting", "default", "environment", "meaning"]
    shell.out.emit(data, lambda: shell.out.table(columns, [[entry[c] for c in columns] for entry in data]))


def check(context: typer.Context) -> None:
    """Check the configuration and list every problem."""
    shell = shell_of(context)
    settings = load_settings(shell.workspace)
    data = {"workspace": str(shell.workspace), "languages": settings.languages, "problems": []}
    shell.out.emit(data, lambda: shell.out.line(f"{shell.workspace}: the configuration is valid."))
