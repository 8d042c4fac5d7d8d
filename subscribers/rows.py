"""Lines of a readers' file, each read on its own: what is wrong with one says nothing about the others. Pure.

A row is one line. No column may hold a line end, so a quote that is never closed costs its own line and not the file.
"""

import codecs
import csv
import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any, BinaryIO, Final

from subscribers.address import EmailAddress
from subscribers.errors import ImportFileError, SubscribersError
from subscribers.interests import ALL_TEXT, Catalogue
from subscribers.models import Frequency
from subscribers.names import parse_name

COLUMNS: Final = (
    "email",
    "name",
    "interests",
    "language",
    "format",
    "frequency",
    "status",
    "confirmed_at",
    "consent_source",
    "paused_until",
)
STATUSES: Final = ("confirmed", "pending", "unsubscribed", "suppressed")
FORMATS: Final = ("html", "text")
MAX_LINE: Final = 65_536
MAX_LANGUAGE: Final = 35
# Apostrophes before it count too, so that taking one off gives back exactly what was guarded.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"''*[=+\-@\t\r]")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why a line was not taken: its number in the file (the header is line 1), the column, and a sentence."""

    line: int
    column: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.column or 'whole line'}: {self.message}"


@dataclass(frozen=True, slots=True)
class ReaderRow:
    """One reader as the file says. None stands for a column that the file does not have."""

    line: int
    email: EmailAddress
    name: str | None
    interests: str | None
    language: str | None
    format: str | None
    frequency: str | None
    status: str
    confirmed_at: datetime | None
    consent_source: str
    paused_until: datetime | None
    has_pause: bool


@dataclass(frozen=True, slots=True)
class RowRules:
    """What a file is read against: the interests there are, the language of who names none, and the time zone."""

    catalogue: Catalogue
    language: str
    timezone: tzinfo


class _CellError(Exception):
    """A cell that cannot be used; becomes a RowProblem."""


def read_rows(stream: BinaryIO, rules: RowRules) -> Iterator[ReaderRow | RowProblem]:
    """Yield each line after the header as a reader or as a problem; blank lines are passed over.

    Memory does not grow with the file. Raises ImportFileError when the header makes the file useless as a whole.
    """
    lines = _lines(stream)
    header = _header(next(lines, (1, b"")))
    for number, line in lines:
        if line is None:
            yield RowProblem(number, "", f"the line is longer than {MAX_LINE} bytes")
        elif line.strip():
            yield _row(number, line, header, rules)


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield number and bytes of each line without its end; None for a line that is too long."""
    number = 0
    while line := stream.readline(MAX_LINE):
        number += 1
        whole: bytes | None = line
        while line and not line.endswith(b"\n") and len(line) == MAX_LINE:
            line, whole = stream.readline(MAX_LINE), None
        yield number, None if whole is None else whole.rstrip(b"\r\n")


def _header(first: tuple[int, bytes | None]) -> Sequence[str]:
    raw = first[1] or b""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ImportFileError("The file is UTF-16", hint="Save it as UTF-8; spreadsheets call that 'CSV UTF-8'.")
    try:
        cells = _cells(raw.removeprefix(codecs.BOM_UTF8))
    except _CellError as error:
        raise ImportFileError(
            f"The first line cannot be read: {error}", hint=f"It names columns: {_known()}."
        ) from error
    names = [cell.strip().lower() for cell in cells]
    for name in names:
        if name not in COLUMNS:
            near = difflib.get_close_matches(name, COLUMNS, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"The columns are {_known()}, separated by commas."
            raise ImportFileError(f"The first line names a column {name[:60]!r}, which is not known", hint=hint)
    if "email" not in names or len(set(names)) != len(names):
        raise ImportFileError("The first line must name 'email', and no column twice", hint=f"Columns: {_known()}.")
    return names


def _known() -> str:
    return ", ".join(COLUMNS)


def _cells(line: bytes) -> list[str]:
    """Return the cells of one line; raise _CellError for bytes that are no UTF-8, NUL, and quotes never closed."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _CellError(f"byte {error.start + 1} is not UTF-8; save the file as UTF-8") from error
    if "\0" in text:
        raise _CellError("the line contains a NUL byte")
    if "\r" in text:
        raise _CellError("the line contains a carriage return")
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise _CellError("a quote is opened and not closed on the same line, or is followed by other text") from error


def _row(number: int, line: bytes, header: Sequence[str], rules: RowRules) -> ReaderRow | RowProblem:
    try:
        cells = _cells(line)
    except _CellError as error:
        return RowProblem(number, "", str(error))
    if len(cells) > len(header):
        return RowProblem(number, "", f"{len(cells)} cells, but the first line names {len(header)} columns")
    # Missing cells at the end are empty ones: spreadsheets leave them out.
    values = dict(zip(header, [*cells, *[""] * (len(header) - len(cells))], strict=True))
    read: dict[str, Any] = {}
    for column, text in values.items():
        try:
            read[column] = _READ[column](text, rules)
        except (SubscribersError, _CellError) as error:
            return RowProblem(number, column, str(error))
    # Without a word on it, only a confirmation that has a date counts as one.
    status = read.get("status") or ("confirmed" if read.get("confirmed_at") else "pending")
    return ReaderRow(line=number, has_pause="paused_until" in read, **{**_ABSENT, **read, "status": status})


def guarded(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula; `read_rows` takes the apostrophe off again."""
    return f"'{text}" if _FORMULA.match(text) else text


def _bare(text: str) -> str:
    return text[1:] if _GUARDED.match(text) else text


def _interests(text: str, rules: RowRules) -> str:
    return rules.catalogue.canonical(rules.catalogue.choose(text)) if text.strip() else ALL_TEXT


def _language(text: str, rules: RowRules) -> str:
    language = text.strip()
    if language and not (_LANGUAGE.fullmatch(language) and len(language) <= MAX_LANGUAGE):
        raise _CellError(f"{language[:35]!r} is no language tag such as en or ko")
    return language or rules.language


def _one_of(known: Sequence[str], default: str) -> Callable[[str, RowRules], str]:
    def read(text: str, _rules: RowRules) -> str:
        value = text.strip().lower()
        if value and value not in known:
            raise _CellError(f"{value[:35]!r} is not one of {', '.join(known)}")
        return value or default

    return read


def _instant(text: str, rules: RowRules) -> datetime | None:
    """Return a day (its first instant in the publication's zone) or an instant, in UTC; None for an empty cell."""
    value = text.strip()
    if not value:
        return None
    try:
        if len(value) == len("2021-09-30"):
            moment = datetime.combine(date.fromisoformat(value), time())
        else:
            moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=rules.timezone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _CellError(f"{value[:35]!r} is no date such as 2021-09-30 or 2021-09-30T09:00:00+09:00") from error


_READ: Mapping[str, Callable[[str, RowRules], Any]] = {
    "email": lambda text, _rules: EmailAddress.parse(_bare(text)),
    "name": lambda text, _rules: parse_name(_bare(text)),
    "interests": _interests,
    "language": _language,
    "format": _one_of(FORMATS, "html"),
    "frequency": _one_of(tuple(Frequency), Frequency.EVERY),
    "status": _one_of(STATUSES, ""),
    "confirmed_at": _instant,
    "consent_source": lambda text, _rules: parse_name(_bare(text), "source"),
    "paused_until": _instant,
}
_ABSENT: Mapping[str, Any] = dict.fromkeys(COLUMNS) | {"consent_source": ""}


def as_cells(values: Mapping[str, str]) -> list[str]:
    """Return the cells of one exported line, in the order of COLUMNS."""
    return [guarded(values[column]) for column in COLUMNS]
