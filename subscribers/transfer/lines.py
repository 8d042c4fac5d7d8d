"""Streaming reader of lines and CSV records, tolerant of broken ones. Pure."""

import codecs
import csv
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO, Final

from subscribers.transfer.rows import CellError, RowProblem

MAX_LINE: Final = 1 << 20
MAX_LINES_OF_A_CELL: Final = 100
Line = tuple[int, bytes | None]

csv.field_size_limit(MAX_LINE)


def is_xml(line: bytes) -> bool:
    """Return whether a file that begins with this line is XML."""
    return line.removeprefix(codecs.BOM_UTF8).lstrip().startswith((b"<?xml", b"<mailman"))


def read_lines(stream: BinaryIO) -> Iterator[Line]:
    """Yield number and bytes of each line without its line end; None for a line of more than 1 MiB."""
    number = 0
    while line := stream.readline(MAX_LINE):
        number += 1
        whole: bytes | None = line
        while line and not line.endswith(b"\n") and len(line) == MAX_LINE:
            line, whole = stream.readline(MAX_LINE), None
        yield number, None if whole is None else whole.rstrip(b"\r\n")


def too_long(number: int) -> RowProblem:
    """Return the problem of a line that is too long."""
    return RowProblem(number, "", f"the line is longer than {MAX_LINE} bytes")


def decoded(line: bytes) -> str:
    """Return the line's text. Raises CellError for invalid UTF-8 and for NUL."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CellError(f"byte {error.start + 1} is not UTF-8; save the file as UTF-8") from error
    if "\0" in text:
        raise CellError("the line contains a NUL byte")
    return text


def cells_of(line: bytes, delimiter: str = ",") -> list[str]:
    """Return the cells of one line. Raises CellError as `decoded` does, and for unclosed quotes."""
    text = decoded(line)
    if "\r" in text:
        raise CellError("the line contains a carriage return")
    return _split(text, delimiter)


def _split(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise CellError(
            "a quotation mark is opened and not closed on the same line, or is followed by other text"
        ) from error


def records(lines: Iterator[Line], delimiter: str = ",") -> Iterator[tuple[int, list[str]] | RowProblem]:
    """Yield number and cells of each line that is not blank. No cell spans lines: a bad quote spoils one line only."""
    for number, line in lines:
        if line is None:
            yield too_long(number)
        elif line.strip():
            try:
                yield number, cells_of(line, delimiter)
            except CellError as error:
                yield RowProblem(number, "", str(error))


def spread_records(lines: Iterator[Line], delimiter: str = ",") -> Iterator[tuple[int, list[str]] | RowProblem]:
    """Yield records as `records` does, with line ends in cells as spaces.

    A quote that is not closed within a hundred lines spoils its own line only; those after it are read again.
    """
    waiting: deque[Line] = deque()
    while (first := _next(waiting, lines)) is not None:
        number, line = first
        if line is None:
            yield too_long(number)
            continue
        if not line.strip():
            continue
        taken = [line]
        taken_lines: list[Line] = []
        while _is_open(taken) and len(taken) < MAX_LINES_OF_A_CELL and sum(map(len, taken)) < MAX_LINE:
            following = _next(waiting, lines)
            taken_lines += [following] if following else []
            if following is None or following[1] is None:
                break
            taken.append(following[1])
        try:
            yield number, _joined(taken, delimiter)
        except CellError as error:
            yield RowProblem(number, "", str(error))
            waiting.extendleft(reversed(taken_lines))


def _next(waiting: "deque[Line]", lines: Iterator[Line]) -> Line | None:
    return waiting.popleft() if waiting else next(lines, None)


def _is_open(lines: list[bytes]) -> bool:
    return sum(line.count(b'"') for line in lines) % 2 == 1


def _joined(lines: list[bytes], delimiter: str) -> list[str]:
    if _is_open(lines):
        raise CellError(f"a quotation mark is opened and not closed within {MAX_LINES_OF_A_CELL} lines")
    text = " ".join(decoded(line) for line in lines)
    return [cell.replace("\r", " ") for cell in _split(text.replace("\r", " "), delimiter)]
