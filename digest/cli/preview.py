"""`digest preview`: every edition in the browser."""

from typing import Annotated

import typer

from digest.cli.options import IssueNumber
from digest.cli.shell import shell_of
from digest.publish import import_articles
from digest.web.app import preview_app
from digest.web.http.server import serve_on_loopback


def preview(
    context: typer.Context,
    number: IssueNumber = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 picks a free one.")] = 8024,
) -> None:
    """Show every edition in the browser, before you send it.

    Each kind of reader can be shown. The page is served on this machine only and reloads when a file changes.
    """
    shell = shell_of(context)
    articles = shell.app.settings.workspace / "articles"
    app = preview_app(
        shell.app.publisher,
        number,
        shell.app.clock,
        # built anew each time: digest.toml may have a new section since
        reimport=lambda: import_articles.import_articles(shell.open().publisher, [articles], now=shell.app.clock.now()),
        reload=lambda: shell.open().publisher,
    )

    def announce(address: str) -> None:
        shell.out.note(f"Preview at {address}. It reloads when a file changes. Press Ctrl-C to stop.")

    serve_on_loopback(app, "127.0.0.1", port, told=announce)
