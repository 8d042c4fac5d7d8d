"""The workspace's record of its backups: the last one that was verified, and how the last try ended."""

import json
import logging
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from digest.runtime.atomic_file import private_folder, whole_file

logger = logging.getLogger(__name__)

_UNFINISHED = "it was begun and has not ended"


@dataclass(frozen=True, slots=True)
class LastBackup:
    """What is known of the backups that were made with this workspace; times are in ISO format, empty for never."""

    verified_at: str = ""
    file: str = ""
    size: int = 0
    tried_at: str = ""
    failure: str = ""
    """Why the last try failed; empty if it did not."""

    @property
    def unfinished(self) -> bool:
        """Whether the last try goes on, or its process was killed."""
        return self.failure == _UNFINISHED


class BackupRecord:
    """The file that holds it. A backup is not refused because it cannot be recorded."""

    def __init__(self, workspace: Path) -> None:
        self._path = workspace / ".state" / "backup.json"

    def read(self) -> LastBackup:
        """Return what is recorded; nothing if the file is missing or broken."""
        with suppress(OSError, ValueError, TypeError):
            return LastBackup(**json.loads(self._path.read_text(encoding="utf-8")))
        return LastBackup()

    def begun(self, now: datetime) -> None:
        """Record a try as failed, which stands if its process is killed."""
        self.failed(now, _UNFINISHED)

    def failed(self, now: datetime, why: str) -> None:
        last = self.read()
        self._write(LastBackup(last.verified_at, last.file, last.size, now.isoformat(), why))

    def verified(self, now: datetime, file: Path, size: int) -> None:
        self._write(LastBackup(now.isoformat(), str(file.absolute()), size, now.isoformat()))

    def _write(self, last: LastBackup) -> None:
        try:
            private_folder(self._path.parent)
            with whole_file(self._path, mode=0o600) as partial:
                partial.write_text(json.dumps(asdict(last)), encoding="utf-8")
        except OSError as error:
            logger.warning("the backup is not recorded for `digest doctor`: %s", error.strerror)
