"""`digest config`: reference and validation of the settings."""

from pathlib import Path
from typing import Annotated

import typer

from digest.cli.shell import shell_of
from digest.settings.describe import described
from digest.settings.root import load_settings
from digest.workspace.deployment import copy_deployment


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


def deployment(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the files; existing files are kept.")],
) -> None:
    """Copy files for systemd, Docker and Prometheus. They go into a folder that you name."""
    shell = shell_of(context)
    names = copy_deployment(directory)

    def show() -> None:
        for name in names:
            shell.out.line(f"{directory / name}")

    shell.out.emit({"directory": str(directory), "files": names}, show)
