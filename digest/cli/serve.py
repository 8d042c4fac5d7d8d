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
    """Serve subscribe, confirm, preferences, unsubscribe, view, archive, feeds, media and health."""
    from urllib.parse import urlsplit  # noqa: PLC0415

    from digest.web.app import public_app  # noqa: PLC0415
    from digest.web.audience import pages_router  # noqa: PLC0415
    from digest.web.server import serve as run  # noqa: PLC0415

    shell = shell_of(context)
    works = shell.works
    app = public_app(works.press, pages_router=pages_router(works), signer=works.signer, clock=works.clock)
    port = port or urlsplit(works.settings.publication.base_url).port or 8025
    base_url = works.settings.publication.base_url
    run(
        app, host, port, told=lambda address: shell.out.note(f"Serving on {address}; links in the mail say {base_url}.")
    )
