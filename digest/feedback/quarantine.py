"""Quarantine of mails that cannot be read: their beginnings, in files of the workspace, for a time."""

import hashlib
from datetime import datetime
from pathlib import Path

from digest.feedback.parsed_mail import MAX_BYTES
from digest.runtime.atomic_file import private_folder, write_private


def quarantine_folder(workspace: Path) -> Path:
    return workspace / ".state" / "quarantine"


def put_aside(workspace: Path, data: bytes) -> Path:
    """Keep a mail, up to the size limit; return its file, the same for the same mail."""
    folder = quarantine_folder(workspace)
    private_folder(folder)
    path = folder / f"{hashlib.sha256(data).hexdigest()[:16]}.eml"
    if not path.exists():
        write_private(path, data[:MAX_BYTES])
    return path


def empty_quarantine(workspace: Path, before: datetime) -> None:
    """Remove what was put aside before an instant."""
    for path in quarantine_folder(workspace).glob("*.eml"):
        if path.stat().st_mtime < before.timestamp():
            path.unlink(missing_ok=True)
