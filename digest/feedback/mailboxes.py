"""Mailboxes that feedback comes to, by IMAP or as Maildirs. What was read stays, and is marked once it is recorded."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from digest.feedback.parsed_mail import MAX_BYTES
from digest.runtime.errors import EnvironmentFailedError
from digest.settings.feedback import FeedbackMailbox

MAILS_AT_ONCE = 50


class MailboxUnreachableError(EnvironmentFailedError):
    """The mailbox cannot be reached, or went away; what was recorded stays so, and the rest comes next time."""

    default_hint = "Check [[feedback.mailbox]] in digest.toml: host, port, tls, username and password_file."


class FeedbackInbox(Protocol):
    """A mailbox with mails that were not read yet."""

    def batches(self) -> Iterator[Sequence[tuple[str, bytes]]]:
        """Yield mails with their names, some at a time; those of a batch are marked when the next is asked for."""


def open_inbox(settings: FeedbackMailbox, workspace: Path) -> FeedbackInbox:
    """Return the inbox that a table [[feedback.mailbox]] describes; it connects when it is read."""
    if settings.maildir:
        return MaildirInbox(workspace / settings.maildir)
    from digest.feedback.imap import ImapInbox  # noqa: PLC0415 - the IMAP client, which few use

    return ImapInbox(settings, workspace)


class MaildirInbox:
    """A Maildir: what is read moves from `new` to `cur`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def batches(self) -> Iterator[Sequence[tuple[str, bytes]]]:
        new, cur = self._folder / "new", self._folder / "cur"
        try:
            names = sorted(path.name for path in new.iterdir() if path.is_file())
            for start in range(0, len(names), MAILS_AT_ONCE):
                some = names[start : start + MAILS_AT_ONCE]
                yield [(name, _beginning(new / name)) for name in some]
                for name in some:
                    (new / name).rename(cur / f"{name.partition(':')[0]}:2,S")
        except OSError as error:
            hint = "Set maildir in [[feedback.mailbox]] to a Maildir that this user can change."
            raise MailboxUnreachableError(f"{self._folder} cannot be read: {error.strerror}", hint=hint) from error


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)
