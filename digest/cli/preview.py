"""`digest preview` and `digest desk`: every edition in the browser, on loopback."""

from typing import Annotated, Any

import typer

from digest.cli.options import IssueNumber
from digest.cli.shell import Shell, shell_of
from digest.publish import import_articles
from digest.web.app import desk_app, preview_app
from digest.web.desk.local import OneTimeAddress
from digest.web.http.server import serve_beside, serve_on_loopback

DEFAULT_PORT = 8024
Port = Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 picks a free one.")]


def preview(context: typer.Context, number: IssueNumber = None, port: Port = DEFAULT_PORT) -> None:
    """Show every edition in the browser, before you send it.

    Each kind of reader can be shown. The page is served on this machine only and reloads when a file changes.
    """
    shell = shell_of(context)
    app = preview_app(shell.app.publisher, number, shell.app.clock, **_followed(shell))
    serve_on_loopback(app, "127.0.0.1", port, told=lambda address: _announce(shell, address))


def preview_anywhere(shell: Shell, number: int) -> None:
    """Serve the preview of an issue at the default port, or at any port if that is taken."""
    app = preview_app(shell.app.publisher, number, shell.app.clock, **_followed(shell))
    serve_beside(app, None, DEFAULT_PORT - 1, told=lambda address: _announce(shell, address))


def _announce(shell: Shell, address: str) -> None:
    shell.out.note(f"Preview at {address}. It reloads when a file changes. Press Ctrl-C to stop.")


def desk(context: typer.Context, number: IssueNumber = None, port: Port = 8026) -> None:
    """Open the editors' desk in the browser, on this machine.

    The printed address works once. You act as the user of this machine.
    """
    shell, address = shell_of(context), OneTimeAddress()
    app = desk_app(shell.app, number, address, **_followed(shell))

    def announce(host: str) -> None:
        shell.out.note(f"Open {host}{address.path}\nThe address works once. Press Ctrl-C to stop.")

    serve_on_loopback(app, "127.0.0.1", port, told=announce)


def _followed(shell: Shell) -> dict[str, Any]:
    """Return how the desk reads changed files; opened anew each time, since digest.toml may have a new section."""
    articles = shell.app.settings.workspace / "articles"
    return {
        "reimport": lambda: import_articles.import_articles(
            shell.open().publisher, [articles], now=shell.app.clock.now()
        ),
        "reload": lambda: shell.open().publisher,
    }
