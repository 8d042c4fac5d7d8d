"""`digest feedback`: take in bounces and complaints."""

from collections.abc import Mapping
from typing import Annotated

import typer

from digest.cli.shell import Shell, shell_of
from digest.feedback.evidence_files import mails
from digest.feedback.intake import IntakeResult
from digest.feedback.mailboxes import MailboxUnreachableError
from digest.runtime.errors import EXIT_ATTENTION
from digest.runtime.text import count_of
from digest.send import feedback

MAX_ROWS = 50


def ingest(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="An email, an mbox, a Maildir or another folder; - reads one email from stdin."
        ),
    ],
) -> None:
    """Import bounces and complaints from files.

    Safe to repeat; no email is answered. Exit code 1: an email could not be read and was put aside.
    """
    shell = shell_of(context)
    result = feedback.ingest(shell.app, mails(files))
    _tell(shell, result, result.as_json())


def poll(context: typer.Context) -> None:
    """Import bounces and complaints from mailboxes.

    Reads each [[feedback.mailbox]], an IMAP mailbox or a Maildir. Emails that have been read stay there, marked as
    seen. Exit code 4: a mailbox could not be read.
    """
    shell = shell_of(context)
    result = feedback.poll(shell.app)
    _tell(shell, result, {**result.as_json(), "failures": result.failures})


def _tell(shell: Shell, result: IntakeResult, document: Mapping[str, object]) -> None:
    shell.out.emit(document, lambda: _show(shell, result))
    if result.failures:
        raise MailboxUnreachableError("; ".join(result.failures))
    if result.quarantined:
        raise typer.Exit(EXIT_ATTENTION)


def _show(shell: Shell, result: IntakeResult) -> None:
    counted = result.counted
    shell.out.line(
        f"{result.read} read: {counted['hard']} hard, {counted['soft']} soft, "
        f"{count_of(counted['complaint'], 'complaint')}, {counted['ignored']} ignored, {result.repeated} already "
        f"known. {count_of(result.suppressed, 'address', 'addresses')} suppressed."
    )
    if result.unmatched:
        shell.out.line(f"Of the ignored, {result.unmatched} could not be matched to an email from this workspace.")
    if result.policy:
        shell.out.line(f"Of the soft, {result.policy} are about the sender, not about readers. Operators are notified.")
    for one in result.quarantined[:MAX_ROWS]:
        shell.out.line(f"{one.file}: {one.reason}. Put aside as {one.kept}")
