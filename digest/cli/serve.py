"""`digest serve`: the public pages."""

from functools import partial
from typing import Annotated
from urllib.parse import urlsplit

import typer

from digest.cli.shell import shell_of
from digest.web.app import app_in, app_of
from digest.web.http.server import Bounds, serve_by_many
from digest.web.http.server import serve as run


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on. Default: the port of [publication] base_url, else 8025.")
    ] = 0,
    workers: Annotated[
        int, typer.Option(min=0, max=64, help="Processes that share the port. Default: [web] workers.")
    ] = 0,
) -> None:
    """Serve the public pages, archive, feeds and health check."""
    shell = shell_of(context)
    opened = shell.app
    settings = opened.settings
    base_url = settings.publication.base_url
    port = port or urlsplit(base_url).port or 8025
    bounds = Bounds(settings.web.connections, settings.web.trusted_proxies)
    workers = workers or settings.web.workers

    def announce(address: str) -> None:
        shell.out.note(f"Serving at {address}. Links in emails point to {base_url}.")

    if workers > 1:
        serve_by_many(partial(app_in, settings.workspace), host, port, workers=workers, told=announce, bounds=bounds)
    else:
        run(app_of(opened, shared_limits=settings.limits.shared), host, port, told=announce, bounds=bounds)
