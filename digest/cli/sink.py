"""`digest sink`: a local SMTP server that keeps email in a Maildir and shows it in the browser."""

import signal
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from digest.cli.shell import Shell, shell_of
from digest.sink.maildir import Mailbox
from digest.sink.rules import Login, Quota, SinkRules
from digest.sink.server import Sink
from digest.web.http.server import serve_beside
from digest.web.sink.routes import sink_app


def sink(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 picks a free one.")] = 2525,
    maildir: Annotated[Path, typer.Option(help="Folder in which received email is kept.")] = Path("sink"),
    http: Annotated[
        int | None, typer.Option(help="Port of the web page; 0 picks a free one. Default: the one after --port.")
    ] = None,
    no_http: Annotated[bool, typer.Option("--no-http", help="Do not serve the web page.")] = False,
    delay: Annotated[float, typer.Option(help="Seconds before each reply.")] = 0,
    slow: Annotated[float, typer.Option(help="Seconds that slow@ and drip@ take to answer.")] = 5,
    quota: Annotated[str, typer.Option(help="N/second, N/minute or N/hour; more than that is deferred (450).")] = "",
    close_after: Annotated[int, typer.Option(help="Drop each connection after this many messages; 0 never does.")] = 0,
    size: Annotated[int, typer.Option(help="Largest message in bytes, announced and enforced.")] = 33554432,
    starttls: Annotated[bool, typer.Option("--starttls", help="Offer TLS with a self-signed certificate.")] = False,
    auth: Annotated[str, typer.Option(help="USER:PASSWORD that clients must use to log in.")] = "",
    rejects: Annotated[float, typer.Option(help="Percentage of recipients to refuse, always the same ones.")] = 0,
    pipelining: Annotated[bool, typer.Option("--pipelining", help="Offer PIPELINING.")] = False,
) -> None:
    """Run a local mail server that keeps and shows all email.

    Addresses such as 550@ simulate the failure in their name.
    """
    rules = SinkRules(
        size_limit=size,
        slow_seconds=slow,
        delay=delay,
        quota=Quota.parse(quota) if quota else None,
        close_after=close_after,
        login=Login.parse(auth) if auth else None,
        rejects=rejects,
        pipelining=pipelining,
    )
    # The mails are on disk, so that ending at once loses nothing.
    for stopping in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stopping, lambda *_: sys.exit(0))
    with Sink(maildir, port=port, rules=rules, starttls=starttls) as listening:
        if no_http:
            _tell(shell_of(context), listening, maildir, None)
            signal.pause()
        else:
            _show(shell_of(context), listening, maildir, http)


def _show(shell: Shell, sink: Sink, maildir: Path, port: int | None) -> None:
    from digest.web.sink.pictures import WorkspacePictures  # noqa: PLC0415 - loads the database's library

    pictures = WorkspacePictures(partial(shell.open, for_reading=True))
    app = sink_app(Mailbox(maildir), sink.url, pictures)
    serve_beside(app, port, sink.port, told=lambda page: _tell(shell, sink, maildir, page))


def _tell(shell: Shell, sink: Sink, maildir: Path, page: str | None) -> None:
    facts = {
        "smtp": sink.url,
        "host": sink.host,
        "port": sink.port,
        "page": page,
        "maildir": str(maildir.absolute()),
        "certificate": str(sink.certificate.absolute()) if sink.certificate else None,
    }

    def show() -> None:
        shell.out.note(f"Receiving email at {sink.url} into {maildir}. Press Ctrl-C to stop.")
        shell.out.note(f"Send email to it: digest send --relay {sink.url}")
        if sink.certificate:
            shell.out.note(f"Its certificate, for clients that verify it: {sink.certificate}")
        if page:
            shell.out.note(f"View the emails at {page}")

    shell.out.emit(facts, show)
    sys.stdout.flush()
