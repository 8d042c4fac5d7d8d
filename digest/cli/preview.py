"""`digest preview`: every edition in the browser."""

from typing import Annotated

import typer
from fastapi import FastAPI

from digest.cli.options import IssueNumber
from digest.cli.shell import Shell, shell_of
from digest.publish import import_articles
from digest.web.app import preview_app
from digest.web.http.server import serve_beside, serve_on_loopback

DEFAULT_PORT = 8024


def preview(
    context: typer.Context,
    number: IssueNumber = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 picks a free one.")] = DEFAULT_PORT,
) -> None:
    """Show every edition in the browser, before you send it.

    Each kind of reader can be shown. The page is served on this machine only and reloads when a file changes.
    """
    shell = shell_of(context)
    serve_on_loopback(_app(shell, number), "127.0.0.1", port, told=lambda address: _announce(shell, address))


def preview_anywhere(shell: Shell, number: int) -> None:
    """Serve the preview of an issue at the default port, or at any port if that is taken."""
    serve_beside(_app(shell, number), None, DEFAULT_PORT - 1, told=lambda address: _announce(shell, address))


def _app(shell: Shell, number: int | None) -> FastAPI:
    articles = shell.app.settings.workspace / "articles"
    return preview_app(
        shell.app.publisher,
        number,
        shell.app.clock,
        # built anew each time: digest.toml may have a new section since
        reimport=lambda: import_articles.import_articles(shell.open().publisher, [articles], now=shell.app.clock.now()),
        reload=lambda: shell.open().publisher,
    )


def _announce(shell: Shell, address: str) -> None:
    shell.out.note(f"Preview at {address}. It reloads when a file changes. Press Ctrl-C to stop.")
