"""The sink's Maildir: written to by the server, and looked at by the page beside it."""

import contextlib
import hashlib
import itertools
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import Envelope

from digest.runtime.errors import EnvironmentFailedError
from digest.sink.headers import Header, first, headers, split_head

# Headers of real mails have a few kilobytes; what lies behind is shown with the mail, but not searched.
HEAD_BYTES = 64 * 1024


class Keeper:
    """A Maildir that is written to; each message is whole before it appears in `new`."""

    def __init__(self, maildir: Path) -> None:
        """Make its folders where they are missing. Raises EnvironmentFailedError if that cannot be."""
        self._maildir = maildir
        self._numbers = itertools.count(1)
        try:
            for folder in ("tmp", "new", "cur"):
                (maildir / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EnvironmentFailedError(
                f"The Maildir {maildir} cannot be made: {error.strerror}.", hint="Choose another --maildir."
            ) from error

    def keep(self, envelope: Envelope) -> None:
        """Write one message, with its envelope in front as Return-Path and Delivered-To."""
        name = f"{time.time():.6f}.P{os.getpid()}Q{next(self._numbers)}.sink"
        head = [f"Return-Path: <{envelope.mail_from}>", *(f"Delivered-To: {r}" for r in envelope.rcpt_tos)]
        content: Any = envelope.original_content
        unfinished = self._maildir / "tmp" / name
        # A Maildir has the system's line ends; who checks a signature brings the CRLF back.
        unfinished.write_bytes(
            "\n".join([*head, ""]).encode("utf-8", "surrogateescape") + content.replace(b"\r\n", b"\n")
        )
        unfinished.rename(self._maildir / "new" / name)


class Thrower:
    """Keeps nothing: a rehearsal's mail would fill the disk."""

    def keep(self, envelope: Envelope) -> None:
        """Forget one message."""


@dataclass(frozen=True, slots=True)
class StoredMail:
    """One kept mail as a list shows it; `size` in bytes, with the envelope's lines. `key` names it in addresses."""

    key: str
    path: Path
    received: datetime
    size: int
    sender: str
    recipients: tuple[str, ...]
    subject: str
    message_id: str


class Mailbox:
    """A Maildir that is read; files do not change, so that each is looked into once. For several threads."""

    def __init__(self, maildir: Path) -> None:
        self._maildir = maildir
        self._known: dict[tuple[str, int, int], StoredMail] = {}
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._maildir

    def mails(self, recipient: str = "") -> list[StoredMail]:
        """Return the mails, newest first: all of them, or those of which a recipient contains this text."""
        with self._lock:
            known = {}
            for entry, status in self._entries():
                key = (entry.path, status.st_mtime_ns, status.st_size)
                mail = self._known.get(key) or _look_into(Path(entry.path), status)
                if mail:
                    known[key] = mail
            self._known = known
        wanted = recipient.strip().casefold()
        found = [(key[1], key[0], mail) for key, mail in known.items() if not wanted or _is_to(mail, wanted)]
        return [mail for _, _, mail in sorted(found, key=lambda each: each[:2], reverse=True)]

    def find(self, key: str) -> StoredMail | None:
        """Return the mail with this key, or None."""
        return next((mail for mail in self.mails() if mail.key == key), None)

    def delete_all(self) -> int:
        """Delete what is there now and return how many that were."""
        deleted = 0
        for mail in self.mails():
            with contextlib.suppress(OSError):
                mail.path.unlink()
                deleted += 1
        return deleted

    def _entries(self) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
        for folder in ("new", "cur"):
            with contextlib.suppress(FileNotFoundError), os.scandir(self._maildir / folder) as entries:
                for entry in entries:
                    # A mail program may move or delete one at any moment.
                    with contextlib.suppress(OSError):
                        if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
                            yield entry, entry.stat(follow_symlinks=False)


def _is_to(mail: StoredMail, wanted: str) -> bool:
    return any(wanted in recipient.casefold() for recipient in mail.recipients)


def _look_into(path: Path, status: os.stat_result) -> StoredMail | None:
    try:
        with path.open("rb") as file:
            found = headers(split_head(file.read(HEAD_BYTES))[0])
    except OSError:
        return None
    # A mail that is read gets flags behind a colon and is the same mail.
    key = hashlib.sha256(os.fsencode(path.name.partition(":")[0])).hexdigest()[:16]
    return StoredMail(
        key,
        path,
        datetime.fromtimestamp(status.st_mtime, UTC),
        status.st_size,
        first(found, "From") or first(found, "Return-Path"),
        recipients_of(found),
        first(found, "Subject"),
        first(found, "Message-ID"),
    )


def recipients_of(found: list[Header]) -> tuple[str, ...]:
    """Return to whom a mail went: the envelope's lines that the sink wrote, or To where another program kept it."""
    to = tuple(header.text for header in itertools.takewhile(_is_envelope, found) if header.name != "Return-Path")
    return to or tuple(filter(None, [first(found, "To")]))


def _is_envelope(header: Header) -> bool:
    return header.name in {"Return-Path", "Delivered-To"}
