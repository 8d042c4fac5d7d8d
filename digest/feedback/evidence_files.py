"""Evidence files: relay logs in order of time, and mails in files, mbox files, Maildirs and folders."""

import gzip
import mailbox
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, cast

from digest.feedback.log_lines import Dates, LogLine, log_lines
from digest.feedback.parsed_mail import MAX_BYTES
from digest.runtime.errors import UsageError

STDIN = "-"
_GZIP = b"\x1f\x8b"
_HEAD = 1000


class EvidenceUnreadableError(UsageError):
    """A file of evidence cannot be read."""


@dataclass(slots=True)
class LogFile:
    """An open log: its name for a person, and its lines, which can be read once."""

    name: str
    lines: Iterator[LogLine]
    begins: float


def open_logs(names: Sequence[str], zone: tzinfo | None, now: datetime, stack: ExitStack) -> list[LogFile]:
    """Open logs, also gzipped, the oldest first whatever the order of `names`: a shell sorts mail.log.1 last.

    They stay open until `stack` closes. Raises EvidenceUnreadableError, also later, while lines are read.
    """
    if names.count(STDIN) > 1:
        raise UsageError("Standard input can be read only once", hint="Use `-` only once.")
    return sorted((_open_log(name, zone, now, stack) for name in names), key=lambda log: log.begins)


def _open_log(name: str, zone: tzinfo | None, now: datetime, stack: ExitStack) -> LogFile:
    stream, written = _open(name, stack)
    # a log that was put away years ago has no year in its dates, but its file does
    dates = Dates(zone, min(now, written) if written else now)
    lines = _checked(name, log_lines(stream, dates))
    head = list(islice(lines, _HEAD))
    begins = next((line.at for line in head if line.at is not None), float("inf"))
    return LogFile("(stdin)" if name == STDIN else Path(name).name, chain(head, lines), begins)


def _open(name: str, stack: ExitStack) -> tuple[BinaryIO, datetime | None]:
    if name == STDIN:
        return sys.stdin.buffer, None
    try:
        file = stack.enter_context(Path(name).open("rb"))  # noqa: SIM115 - the stack closes it
        written = datetime.fromtimestamp(Path(name).stat().st_mtime, UTC)
        if file.peek(2)[:2] == _GZIP:
            return cast("BinaryIO", stack.enter_context(gzip.GzipFile(fileobj=file))), written
    except OSError as error:
        raise EvidenceUnreadableError(f"{name} cannot be read: {error.strerror}") from error
    return file, written


def _checked(name: str, lines: Iterator[LogLine]) -> Iterator[LogLine]:
    line = None
    try:
        for line in lines:
            yield line
    except (OSError, EOFError, zlib.error) as error:
        where = f" after line {line.number}" if line else ""
        hint = "An incomplete log is not evidence: copy it again, and check it with `gzip -t` if it is compressed."
        raise EvidenceUnreadableError(f"{name} is damaged{where}: {error}", hint=hint) from error


def mails(names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Return each mail with its place: from files with one mail, mbox files, Maildirs and folders.

    At most MAX_BYTES and one more of each are read. Raises EvidenceUnreadableError.
    """
    for name in names:
        path = Path(name)
        try:
            if name == STDIN:
                yield from _standard_input()
            elif path.is_dir():
                yield from _folder(path)
            elif path.is_file() and _read(path, 5) == b"From ":
                yield from _mbox(path)
            else:
                yield path.name, _read(path)
        except OSError as error:
            raise EvidenceUnreadableError(f"{name} cannot be read: {error.strerror or error}") from error


def _standard_input() -> Iterator[tuple[str, bytes]]:
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    if data.startswith(b"From "):  # as a pipe of Postfix may write it; further ones make it an mbox
        with tempfile.NamedTemporaryFile() as copy:
            copy.write(data)
            while more := sys.stdin.buffer.read(MAX_BYTES):
                copy.write(more)
            copy.flush()
            yield from _mbox(Path(copy.name), "(stdin)")
    elif data:
        yield "(stdin)", data


def _folder(path: Path) -> Iterator[tuple[str, bytes]]:
    folders = [path / part for part in ("new", "cur") if (path / part).is_dir()] or [path]
    for file in sorted(file for folder in folders for file in folder.iterdir() if file.is_file()):
        yield file.name, _read(file)


def _read(path: Path, most: int = MAX_BYTES + 1) -> bytes:
    with path.open("rb") as file:
        return file.read(most)


def _mbox(path: Path, name: str = "") -> Iterator[tuple[str, bytes]]:
    with closing(mailbox.mbox(path, create=False)) as box:
        for number, key in enumerate(box.iterkeys(), 1):
            with closing(box.get_file(key)) as file:
                yield f"{name or path.name}, mail {number}", file.read(MAX_BYTES + 1)
