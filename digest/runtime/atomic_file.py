"""Atomic file writes, where a reader sees the earlier file or the whole new one, and files for their owner only.

What holds personal data or secrets is made by `whole_file` with a mode, `write_private` and `private_folder`.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from digest.runtime.errors import UsageError


@contextmanager
def whole_file(path: Path, *, mode: int | None = None, durable: bool = True) -> Iterator[Path]:
    """Yield an empty file beside `path`, which replaces it when the block ends well and is removed otherwise.

    The folder must exist. `mode` is exact; None leaves it to the umask. `durable` files are synced before the rename,
    so that a power cut leaves the earlier file or this one. Raises UsageError if `path` is no file, such as a folder or
    /dev/null, which root would replace for everybody; OSError as the system does.
    """
    if not path.name or (path.exists() and not path.is_file()):
        what = "a folder" if path.is_dir() else "no file"
        raise UsageError(f"'{path}' is {what} and was not overwritten", hint="Use the name of a file.")
    # a leftover of a killed process would be in the way when process ids repeat
    partial = path.with_name(f".{path.name[:100]}.{os.getpid()}-{threading.get_native_id()}.partial")
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode)
    try:
        if mode is not None:
            os.fchmod(handle, mode)
        os.close(handle)
        yield partial
        if durable:
            sync(partial)
        partial.replace(path)
        if durable:
            sync(path.parent)  # the name stands in the folder, which is a block of its own on the disk
    finally:
        partial.unlink(missing_ok=True)


def private_folder(folder: Path) -> None:
    """Make a folder, and the missing ones above it, for their owner only, whatever the umask."""
    if not folder.is_dir():
        private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Write a file, not atomically, that only its owner can read, whatever the umask."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)  # it may have been there
        file.write(content)


def sync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
