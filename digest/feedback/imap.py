"""Feedback mailboxes read by IMAP: what was read is marked as seen."""

import imaplib
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path

from imap_tools import A, BaseMailBox, ImapToolsError, MailBox, MailboxLoginError, MailBoxStartTls, MailBoxUnencrypted

from digest.feedback.mailboxes import MAILS_AT_ONCE, MailboxUnreachableError
from digest.feedback.parsed_mail import MAX_BYTES
from digest.runtime.secret_file import read_secret_file
from digest.settings.feedback import FeedbackMailbox

TIMEOUT_SECONDS = 60.0
_SEEN = r"\Seen"


class ImapInbox:
    """A folder of an IMAP server: what is read is marked as seen."""

    def __init__(self, settings: FeedbackMailbox, workspace: Path) -> None:
        self._settings = settings
        self._password = read_secret_file(workspace / settings.password_file, "[[feedback.mailbox]] password_file")

    def batches(self) -> Iterator[Sequence[tuple[str, bytes]]]:
        name = self._settings.name
        try:
            with self._connect() as box:
                uids = box.uids(A(seen=False))
                for start in range(0, len(uids), MAILS_AT_ONCE):
                    some = uids[start : start + MAILS_AT_ONCE]
                    yield [(f"{self._settings.folder}, mail {uid}", _fetch(box, uid)) for uid in some]
                    box.flag(some, [_SEEN], True)
        except MailboxLoginError as error:
            raise MailboxUnreachableError(f"{name} refused the login") from error
        except (OSError, imaplib.IMAP4.error, ImapToolsError) as error:
            raise MailboxUnreachableError(f"{name} cannot be read: {error}") from error

    def _connect(self) -> BaseMailBox:
        settings, context = self._settings, ssl.create_default_context()
        box: BaseMailBox
        if settings.tls == "none":
            box = MailBoxUnencrypted(settings.host, settings.port, TIMEOUT_SECONDS)
        elif settings.tls == "required":
            box = MailBoxStartTls(settings.host, settings.port, TIMEOUT_SECONDS, ssl_context=context)
        else:
            box = MailBox(settings.host, settings.port, TIMEOUT_SECONDS, ssl_context=context)
        return box.login(settings.username, self._password, settings.folder)


def _fetch(box: BaseMailBox, uid: str) -> bytes:
    """Return a mail's beginning, without marking it. One that has vanished meanwhile is empty."""
    _, data = box.client.uid("FETCH", uid, f"(BODY.PEEK[]<0.{MAX_BYTES + 1}>)")
    return next((part[1] for part in data if isinstance(part, tuple)), b"")
