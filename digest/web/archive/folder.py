"""Update of a folder of files while a web server serves it.

Files are staged in a subfolder. Then new files are added, changed ones replaced atomically, old ones removed: links
work at every moment, and an interrupted run is finished by the next. (Replacing the whole folder would not reach a web
server or container that has it mounted.) Files that are not in the list `.digest-archive.json` are never touched.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

from digest.runtime.errors import UsageError

LIST = ".digest-archive.json"
STAGE = ".digest-archive-new"
KIND = "digestpress archive"


class FolderNotOursError(UsageError):
    """The folder holds files that no export has written."""

    default_hint = "Choose a new or empty folder, or the folder of an earlier export."


@dataclass(slots=True)
class SiteReport:
    """Result of an export; `left` are obsolete files that were edited by hand."""

    issues: int = 0
    files: int = 0
    bytes: int = 0
    written: int = 0
    unchanged: int = 0
    removed: int = 0
    left: list[str] = field(default_factory=list)


class Folder:
    """The site's folder, locked for the time of a with block."""

    def __init__(self, directory: Path) -> None:
        self._root = directory
        self._stage = directory / STAGE
        self._made: dict[str, str] = {}  # path -> hash, in the order of making
        self._bytes = 0

    def __enter__(self) -> "Folder":
        """Lock the folder. Raises FolderNotOursError, and UsageError while another export writes into it."""
        if self._root.exists() and not self._root.is_dir():
            raise FolderNotOursError(f"{self._root} is not a folder")
        self._root.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._root, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._ours = self._read_list()
            self._clear_stage()
        except BlockingIOError as error:
            os.close(self._lock)
            raise UsageError(
                f"Another export is writing to {self._root}", hint="Wait until it has finished."
            ) from error
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove staged files and release the lock."""
        self._clear_stage()
        os.close(self._lock)

    def stage(self, path: str, content: bytes) -> None:
        """Write a file into the staging folder."""
        _require_plain(path)
        target = self._stage / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        self._made[path] = _hash(content)
        self._bytes += len(content)

    def publish(self, issues: int) -> SiteReport:
        """Replace the site's files by the staged ones."""
        here = {path: self._hash_of(path) for path in sorted({*self._made, *self._ours})}
        for path in self._made:
            if here[path] is not None and path not in self._ours:
                raise FolderNotOursError(f"{self._root / path} is not from an earlier export")
        report = SiteReport(issues, len(self._made), self._bytes)
        new = [path for path in self._made if here[path] is None]
        changed = [path for path, wanted in self._made.items() if here[path] not in {None, wanted}]
        report.written, report.unchanged = len(new) + len(changed), len(self._made) - len(new) - len(changed)
        if new or changed or self._ours.keys() - self._made.keys():
            both = {path: sorted({*self._ours.get(path, ()), wanted}) for path, wanted in self._made.items()}
            self._write_list({**self._ours, **both})  # before the files, so that they are known as ours
        for path in (*new, *changed):
            target = self._root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            (self._stage / path).replace(target)
        self._remove(here, report)
        self._write_list({path: [wanted] for path, wanted in self._made.items()})
        return report

    def _remove(self, here: Mapping[str, str | None], report: SiteReport) -> None:
        for path in sorted(self._ours.keys() - self._made.keys()):
            if here[path] is None:
                continue
            if here[path] not in self._ours[path]:
                report.left.append(path)
                continue
            target = self._root / path
            target.unlink()
            report.removed += 1
            for parent in target.parents:
                if parent == self._root or any(parent.iterdir()):
                    break
                parent.rmdir()

    def _hash_of(self, path: str) -> str | None:
        """Return the hash of a file of the site, None if it does not exist. Refuses links and devices."""
        target = self._root / path
        for place in (*reversed(target.parents), target):
            if place.is_relative_to(self._root) and place != self._root and place.is_symlink():
                raise FolderNotOursError(f"{place} is a symbolic link")
        if not target.exists():
            return None
        if not target.is_file():
            raise FolderNotOursError(f"{target} is not a file")
        return _hash(target.read_bytes())

    def _read_list(self) -> dict[str, list[str]]:
        listed = self._root / LIST
        if not listed.is_file() or listed.is_symlink():
            # A clone with only .git may become a site.
            others = sorted(entry.name for entry in self._root.iterdir() if not entry.name.startswith("."))
            if others:
                raise FolderNotOursError(f"{self._root} is not empty ({others[0]}) and not an earlier export")
            return {}
        try:
            known: Any = json.loads(listed.read_text("utf-8"))
            if known["kind"] != KIND:
                raise ValueError(KIND)
            ours = {str(path): [str(one) for one in hashes] for path, hashes in known["files"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FolderNotOursError(f"{listed} is damaged", hint="Export to a new folder.") from error
        for path in ours:
            _require_plain(path)
        return ours

    def _write_list(self, files: Mapping[str, list[str]]) -> None:
        text = json.dumps({"kind": KIND, "files": dict(sorted(files.items()))}, indent=1, ensure_ascii=False)
        partial = self._stage / LIST
        self._stage.mkdir(exist_ok=True)
        partial.write_text(f"{text}\n", encoding="utf-8")
        partial.replace(self._root / LIST)

    def _clear_stage(self) -> None:
        if self._stage.is_symlink():
            raise FolderNotOursError(f"{self._stage} is a symbolic link")
        if self._stage.exists():
            shutil.rmtree(self._stage)


def _require_plain(path: str) -> None:
    """Refuse paths that leave the folder, which a manipulated list could hold."""
    pure = PurePosixPath(path)
    names = pure.parts
    reserved = not names or names[0] in {LIST, STAGE} or set(path) & {"\\", "\0"}
    if reserved or pure.is_absolute() or ".." in names or str(pure) != path:
        raise FolderNotOursError(f"{path!r} is not a path of the site", hint="Export to a new folder.")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
