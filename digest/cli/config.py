"""`digest config`: what can be configured, and whether it is right."""

from typing import Any

import typer

from digest.cli.shell import shell_of

app = typer.Typer(name="config", help="Describe and check the configuration.", no_args_is_help=True)


@app.command("describe")
def describe(context: typer.Context) -> None:
    """List every setting with its default, environment name and meaning."""
    from digest.settings.describe import described  # noqa: PLC0415

    shell = shell_of(context)
    data: list[dict[str, Any]] = described()
    columns = ["setting", "default", "environment", "meaning"]
    shell.out.emit(data, lambda: shell.out.table(columns, [[entry[c] for c in columns] for entry in data]))


@app.command("check")
def check(context: typer.Context) -> None:
    """Read the configuration as every command does; every problem is named."""
    from digest.settings.root import load_settings  # noqa: PLC0415

    shell = shell_of(context)
    settings = load_settings(shell.workspace)
    data = {"workspace": str(shell.workspace), "languages": settings.languages, "problems": []}
    shell.out.emit(data, lambda: shell.out.line(f"{shell.workspace}: the configuration is right."))
