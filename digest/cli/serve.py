"""`digest serve`: the public pages."""

from typing import Annotated

import typer

from digest.cli.shell import shell_of


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("serve")(serve)


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; default: the one of [publication] base_url, else 8025.")] = 0,
) -> None:
    """Serve subscribe, confirm, preferences, unsubscribe, view, archive, media and health."""
    from digest.bootstrap import run_public  # noqa: PLC0415

    shell = shell_of(context)
    run_public(shell.works, host, port, told=shell.out.note)
