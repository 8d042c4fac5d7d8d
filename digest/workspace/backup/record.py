"""The workspace's record of its backups: the last one that was verified, and how the last try ended."""

import json
import logging
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from digest.runtime.atomic_file import private_folder, whole_file

logger = logging.getLogger(__name__)

UNFINISHED = "it started but did not finish"
"""The failure of a try that goes on, or whose process was killed."""


@dataclass(frozen=True, slots=True)
class BackupRecord:
    """What is known of the backups of a workspace; times are in ISO format, empty for never."""

    verified_at: str = ""
    file: str = ""
    size: int = 0
    tried_at: str = ""
    failure: str = ""
    """Why the last try failed; empty if it did not."""

    @classmethod
    def read(cls, workspace: Path) -> "BackupRecord":
        """Return what is recorded; nothing if the file is missing or broken."""
        with suppress(OSError, ValueError, TypeError):
            return cls(**json.loads(_file(workspace).read_text(encoding="utf-8")))
        return cls()

    def write(self, workspace: Path) -> None:
        """Store it. A backup is not refused because it cannot be recorded."""
        try:
            private_folder(_file(workspace).parent)
            with whole_file(_file(workspace), mode=0o600) as partial:
                partial.write_text(json.dumps(asdict(self)), encoding="utf-8")
        except OSError as error:
            logger.warning("the backup was not recorded for `digest doctor`: %s", error.strerror)

    def failed(self, now: datetime, why: str = UNFINISHED) -> "BackupRecord":
        return replace(self, tried_at=now.isoformat(), failure=why)


def _file(workspace: Path) -> Path:
    return workspace / ".state" / "backup.json"
