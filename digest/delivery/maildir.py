"""Maildir transport. Its files are evidence of delivery, so that a crash leaves no doubt."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from digest.delivery.outcome import Phase
from digest.delivery.transport import Envelope, Reply
from digest.outbox.states import Outcome
from digest.runtime.atomic_file import private_folder, sync, write_private
from digest.runtime.errors import RelayUnreachableError

MAILDIR = "maildir:"
"""Prefix of the names of such transports."""
ALREADY_THERE = "already in the Maildir"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


class MaildirTransport:
    """Writes each message atomically as one file, named after the delivery.

    Folders and files are for their owner only: mails hold addresses, and links that act for their readers.
    A file of that name, new or read already, is an earlier attempt of the same delivery: nothing is written twice.
    Deleting a mail deletes the evidence.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.name = f"{MAILDIR}{self.path}"
        self._read: frozenset[str] = frozenset()
        self._ready = False

    def send(self, envelope: Envelope, message: Sequence[bytes]) -> Reply:
        """Store the message with LF line ends. Raises RelayUnreachableError on a write error."""
        file_name = self._file_name(envelope.delivery_id)
        try:
            kept = self._keep(file_name, b"".join(message).replace(b"\r\n", b"\n"))
        except OSError as error:
            raise RelayUnreachableError(
                f"The Maildir {self.path} cannot be written: {error.strerror}", hint="Check free space and permissions."
            ) from error
        text = f"kept as {file_name}" if kept else ALREADY_THERE
        return Reply(Outcome.ACCEPTED, None, None, text, self.name, Phase.DOT)

    def evidence(self, delivery_id: str) -> bool:
        """Return whether this delivery is stored. Files appear atomically, so `False` is certain too."""
        file_name = self._file_name(delivery_id)
        self._read = self._list_read()
        return file_name in self._read or (self.path / "new" / file_name).exists()

    def remove(self, delivery_ids: Iterable[str]) -> int:
        """Remove the mails of these deliveries, because their subscriber is erased; return how many there were."""
        names = {self._file_name(delivery_id) for delivery_id in delivery_ids}
        removed = 0
        for folder in ("new", "cur"):
            if names and (self.path / folder).is_dir():
                for entry in (self.path / folder).iterdir():
                    if entry.name.partition(":")[0] in names:
                        entry.unlink(missing_ok=True)
                        removed += 1
        return removed

    def close(self) -> None:
        """Do nothing: no resource is held between messages."""

    def _keep(self, file_name: str, data: bytes) -> bool:
        if not self._ready:
            for folder in ("tmp", "new", "cur"):
                private_folder(self.path / folder)
            self._read = self._list_read()
            self._ready = True
        if file_name in self._read:
            return False
        partial = self.path / "tmp" / f"{file_name}.{os.getpid()}"
        write_private(partial, data)
        sync(partial)
        try:
            (self.path / "new" / file_name).hardlink_to(partial)  # unlike renaming, it never replaces
        except FileExistsError:
            return False
        finally:
            partial.unlink()
        sync(self.path / "new")
        return True

    def _list_read(self) -> frozenset[str]:
        """Return the file names in `cur`, without the flags behind the colon."""
        folder = self.path / "cur"
        if not folder.is_dir():
            return frozenset()
        return frozenset(entry.name.partition(":")[0] for entry in folder.iterdir())

    def _file_name(self, delivery_id: str) -> str:
        if not _NAME.fullmatch(delivery_id):
            raise ValueError(f"{delivery_id!r} cannot be a file's name in a Maildir")
        return f"{delivery_id}.digest"
