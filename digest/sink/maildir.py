"""Maildir of the sink: written by the server, read by the page beside it."""

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

from digest.runtime.atomic_file import private_folder, write_private
from digest.runtime.errors import EnvironmentFailedError
from digest.sink.headers import Header, first, headers, split_head

# Headers of real mails have a few kilobytes; what lies behind is shown with the mail, but not searched.
HEAD_BYTES = 64 * 1024


class Keeper:
    """Writes messages into a Maildir for its owner only; each is whole before it appears in `new`."""

    def __init__(self, maildir: Path) -> None:
        """Make missing folders. Raises EnvironmentFailedError if that fails."""
        self._maildir = maildir
        self._numbers = itertools.count(1)
        try:
            for folder in ("tmp", "new", "cur"):
                private_folder(maildir / folder)
        except OSError as error:
            raise EnvironmentFailedError(
                f"The Maildir {maildir} cannot be created: {error.strerror}.", hint="Choose another --maildir."
            ) from error

    def keep(self, envelope: Envelope) -> None:
        """Write one message, with its envelope in front as Return-Path and Delivered-To."""
        name = f"{time.time():.6f}.P{os.getpid()}Q{next(self._numbers)}.sink"
        head = [f"Return-Path: <{envelope.mail_from}>", *(f"Delivered-To: {r}" for r in envelope.rcpt_tos)]
        content: Any = envelope.original_content
        unfinished = self._maildir / "tmp" / name
        # A Maildir has the system's line ends; a signature check restores the CRLF.
        envelope_lines = "\n".join([*head, ""]).encode("utf-8", "surrogateescape")
        write_private(unfinished, envelope_lines + content.replace(b"\r\n", b"\n"))
        unfinished.rename(self._maildir / "new" / name)


class Thrower:
    """Discards messages: a rehearsal's mail would fill the disk."""

    def keep(self, envelope: Envelope) -> None:
        """Discard a message."""


@dataclass(frozen=True, slots=True)
class StoredMail:
    """A stored mail as a list shows it; `size` in bytes, with the envelope's lines. `key` names it in URLs."""

    key: str
    path: Path
    received: datetime
    size: int
    sender: str
    recipients: tuple[str, ...]
    subject: str
    message_id: str


class Mailbox:
    """Reads a Maildir, each file once, as they do not change. Thread-safe."""

    def __init__(self, maildir: Path) -> None:
        self.path = maildir
        self._known: dict[tuple[str, int, int], StoredMail] = {}
        self._lock = threading.Lock()

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
        newest_first = sorted(known, key=lambda key: (key[1], key[0]), reverse=True)
        # without a text to search for, also mails without a recipient
        return [
            mail
            for mail in map(known.__getitem__, newest_first)
            if not wanted or any(wanted in recipient.casefold() for recipient in mail.recipients)
        ]

    def find(self, key: str) -> StoredMail | None:
        return next((mail for mail in self.mails() if mail.key == key), None)

    def delete_all(self) -> int:
        """Delete the present mails and return how many they were."""
        deleted = 0
        for mail in self.mails():
            with contextlib.suppress(OSError):
                mail.path.unlink()
                deleted += 1
        return deleted

    def _entries(self) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
        for folder in ("new", "cur"):
            with contextlib.suppress(FileNotFoundError), os.scandir(self.path / folder) as entries:
                for entry in entries:
                    # A mail program may move or delete one at any moment.
                    with contextlib.suppress(OSError):
                        if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
                            yield entry, entry.stat(follow_symlinks=False)


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
    """Return the recipients: the envelope lines that the sink wrote, else To."""
    envelope = itertools.takewhile(lambda header: header.name in {"Return-Path", "Delivered-To"}, found)
    to = tuple(header.text for header in envelope if header.name == "Delivered-To")
    return to or tuple(filter(None, [first(found, "To")]))
