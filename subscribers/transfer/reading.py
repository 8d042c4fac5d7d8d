"""Reader of subscriber files of various programs: recognises the format, then reads row by row. Pure."""

import codecs
import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Any, BinaryIO, Final

from subscribers.errors import ImportFileError
from subscribers.names import MAX_LENGTH as MAX_NAME
from subscribers.text_files import declared_separator, separator_of
from subscribers.transfer import sources
from subscribers.transfer.lines import Line, cells_of, decoded, is_xml, read_lines, records, spread_records, too_long
from subscribers.transfer.mailman_xml import read_members
from subscribers.transfer.mapping import ColumnMap, Leftovers
from subscribers.transfer.rows import COLUMNS, READABLE, CellError, ReaderRow, Row, RowProblem, RowRules, bare, read_row
from subscribers.transfer.sources import SourceProgram

OURS: Final = "digestpress"
_START: Final = 1 << 16
_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_WHOLE: Final = "the line has %d cells, but the first line has %d columns"
_SUBSCRIBED: Final = {"", "pending", "confirmed"}


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Options of an import.

    `interests` is for rows without any; `confirmed_by` says where the consent is on record, for rows that are
    subscribed without a proof; `status` overrides the file's; `encoding` is of a file that
    is not UTF-8; `titles` maps lower-case titles of interests to slugs.
    """

    file_name: str = ""
    mapping: ColumnMap | None = None
    interests: str = ""
    confirmed_by: str = ""
    status: str = ""
    encoding: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Job:
    rules: RowRules
    asked: ImportOptions
    left: Leftovers


@dataclass(slots=True)
class FileContents:
    """The rows of a file, to be iterated once, the program that wrote it, and what was not mapped so far."""

    source: str
    rows: Iterator[Row]
    left: Leftovers


def read_file(stream: BinaryIO, rules: RowRules, asked: ImportOptions | None = None) -> FileContents:
    """Recognise the format and return the rows as a stream. Raises ImportFileError for an unusable beginning."""
    job = _Job(rules, asked or ImportOptions(), Leftovers())
    lines = read_lines(stream)
    first = next(lines, (1, b""))
    head = (first[1] or b"").removeprefix(codecs.BOM_UTF8)
    if (first[1] or b"").startswith(_MARKS):
        raise ImportFileError(
            "The file is UTF-16", hint="Save it as UTF-8; spreadsheet programs call this 'CSV UTF-8'."
        )
    if is_xml(head):
        stream.seek(0)
        return _foreign(sources.MAILMAN2_XML, read_members(stream), job)
    if head.lstrip().startswith(b"{"):
        return _json_lines(head, chain([(first[0], head)], lines), job)
    declared = declared_separator(head.decode("utf-8", "replace"))
    if declared:
        first = next(lines, (2, b""))
        head = first[1] or b""
    lines = chain([(first[0], head if first[1] is not None else None)], lines)
    return _csv(head, declared or separator_of(head[:_START].decode("utf-8", "replace")), lines, job)


def _csv(head: bytes, delimiter: str, lines: Iterator[Line], job: _Job) -> FileContents:
    mapped = job.asked.mapping is not None
    try:
        names = [name.strip() for name in cells_of(head, delimiter)]
    except CellError as error:
        raise ImportFileError(
            f"The first line cannot be read: {error}",
            hint=f"Its first line must name the columns: {', '.join(COLUMNS)}.",
        ) from error
    names = [name.upper() if sources.is_mailchimp([name.upper()]) else name for name in names]
    source = sources.known(names)
    if source is None and not mapped and not sources.is_mailchimp(names):
        if sources.mailman_line(head.decode("utf-8")) is not None:
            return _foreign(sources.MAILMAN, _mailman_lines(lines), job)
        next(lines)
        columns = our_columns([name.lower() for name in names])
        return FileContents(OURS, _our_csv(records(lines, delimiter), columns, job), job.left)
    next(lines)
    _refuse_doubled(names)
    values = (
        record if isinstance(record, RowProblem) else _named(record, names)
        for record in spread_records(lines, delimiter)
    )
    if source is None and sources.is_mailchimp(names):
        first = list(islice(values, 1))  # its address tells which column that is
        of_first = next((record[1] for record in first if not isinstance(record, RowProblem)), {})
        mailchimp = sources.mailchimp(names, of_first, job.asked.file_name)
        return _foreign(mailchimp, chain(first, values), job)
    return _foreign(source or sources.ANY, values, job)


def _refuse_doubled(names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        doubled = next(name for name in names if names.count(name) > 1)
        if doubled:
            raise ImportFileError(f"The first line contains the column {doubled[:60]!r} twice")


def our_columns(names: Sequence[str]) -> Sequence[str]:
    """Return the column names of our own format. Raises ImportFileError with the nearest known column."""
    known = ", ".join(COLUMNS)
    for name in names:
        if name not in READABLE:
            near = difflib.get_close_matches(name, READABLE, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"The columns are {known}."
            hint += " For a file of another program, map its columns: --map 'email=COLUMN,name=COLUMN'."
            raise ImportFileError(f"Unknown column {name[:60]!r} in the first line", hint=hint)
    if "email" not in names or len(set(names)) != len(names):
        raise ImportFileError("The first line must contain 'email', and no column twice", hint=f"Columns: {known}.")
    return names


def _our_csv(found: Iterator[tuple[int, list[str]] | RowProblem], columns: Sequence[str], job: _Job) -> Iterator[Row]:
    count = len(columns)
    asked, rules = job.asked, job.rules
    plain = not (asked.status or asked.interests or asked.confirmed_by)
    for record in found:
        if isinstance(record, RowProblem):
            yield record
            continue
        number, cells = record
        if len(cells) > count:
            yield RowProblem(number, "", _WHOLE % (len(cells), count))
            continue
        if len(cells) < count:  # spreadsheets leave out empty cells at the end
            cells = [*cells, *[""] * (count - len(cells))]
        values = {name: bare(cell) if cell[:1] == "'" else cell for name, cell in zip(columns, cells, strict=True)}
        yield _proved(read_row(number, values if plain else _adjust(values, asked), rules), asked)


def _named(record: tuple[int, list[str]], names: Sequence[str]) -> tuple[int, Mapping[str, str]] | RowProblem:
    number, cells = record
    if len(cells) > len(names):
        return RowProblem(number, "", _WHOLE % (len(cells), len(names)))
    return number, dict(zip(names, [*cells, *[""] * (len(names) - len(cells))], strict=True))


def _mailman_lines(lines: Iterator[Line]) -> Iterator[tuple[int, Mapping[str, str]] | RowProblem]:
    for number, line in lines:
        if line is None:
            yield too_long(number)
        elif line.strip() and not line.startswith(b"#"):
            try:
                values = sources.mailman_line(decoded(line))
            except CellError as error:
                yield RowProblem(number, "", str(error))
                continue
            yield (number, values) if values else RowProblem(number, "email", "this line has no address")


def _json_lines(head: bytes, lines: Iterator[Line], job: _Job) -> FileContents:
    first = _object(1, head)
    if isinstance(first, RowProblem):
        raise ImportFileError(
            f"The first line is not a JSON object: {first.message}", hint="Write one object on each line."
        )
    objects = (_object(number, line) for number, line in lines if line is None or line.strip())
    mapping = job.asked.mapping
    if sources.ROSTER_SIGNS.issubset(first) and (mapping is None or "email" not in mapping.columns):
        return _foreign(sources.MAILMAN3, _flat(objects), job)
    if sources.is_mailchimp(first):
        return _foreign(
            sources.mailchimp(list(first), sources.flattened("", first), job.asked.file_name), _flat(objects), job
        )
    if program := sources.known(first) or (sources.ANY if mapping is not None else None):
        return _foreign(program, _flat(objects), job)
    return FileContents(OURS, (_our_object(value, job) for value in objects), job.left)


def _object(number: int, line: bytes | None) -> Any:
    """Return the line's JSON object with the line number under the empty key, which is otherwise refused."""
    if line is None:
        return too_long(number)
    try:
        value = json.loads(decoded(line))
    except (CellError, ValueError, RecursionError) as error:
        return RowProblem(number, "", f"the line is not a JSON object: {error}"[:300])
    if not isinstance(value, dict) or "" in value:
        return RowProblem(number, "", "the line is not a JSON object")
    return {**value, "": number}


def _flat(objects: Iterator[Any]) -> Iterator[tuple[int, Mapping[str, str]] | RowProblem]:
    for value in objects:
        if isinstance(value, RowProblem):
            yield value
        else:
            number = value.pop("")
            yield number, sources.flattened("", value)


def _our_object(value: Any, job: _Job) -> Row:
    if isinstance(value, RowProblem):
        return value
    number = value.pop("")
    cells = {}
    for name, inner in value.items():
        if name not in READABLE:
            return RowProblem(number, name[:60], "unknown column")
        cells[name] = json.dumps(inner) if name == "consent" else sources.flattened("", inner).get("", "")
        if name == "interests" and not cells[name] and inner is not None:
            cells[name] = ";"  # an empty list means none; a missing value is unknown
        if "\0" in cells[name]:
            return RowProblem(number, name, "the text contains a NUL character")
    return _proved(read_row(number, _adjust(cells, job.asked), job.rules), job.asked)


def _foreign(
    source: SourceProgram, found: Iterator[tuple[int, Mapping[str, str]] | RowProblem], job: _Job
) -> FileContents:
    rules, asked, left = job.rules, job.asked, job.left
    names = dict(asked.titles)
    names |= {slug.lower(): slug for slug in rules.catalogue.slugs}
    source = source.with_map(ColumnMap(interests=names)).with_map(asked.mapping or ColumnMap())
    if "email" not in source.map.columns:
        raise ImportFileError("The mapping does not name the address column", hint="Add email=COLUMN.")

    def rows() -> Iterator[Row]:
        for record in found:
            if isinstance(record, RowProblem):
                yield record
                continue
            cells = source.cells(record[1], left)
            if not cells.get("interests"):
                cells.pop("interests", None)
            yield _placed(_proved(read_row(record[0], _adjust(cells, asked), rules), asked), source)

    return FileContents(source.name, rows(), left)


def _placed(row: Row, source: SourceProgram) -> Row:
    """Return a row with the column of a problem renamed to the file's."""
    if not isinstance(row, RowProblem):
        return row
    return replace(row, column=" + ".join(source.map.columns.get(row.column, (row.column,))))


def _proved(row: Row, asked: ImportOptions) -> Row:
    """Return a row that is confirmed only with a proof: a date and a source, consent events, or a person's word."""
    if not isinstance(row, ReaderRow) or row.status != "confirmed" or row.consent:
        return row
    if row.confirmed_at is None and not asked.confirmed_by:
        return replace(row, status="pending", unproved=True)
    return row if row.consent_source else replace(row, consent_source=asked.file_name[:MAX_NAME])


def _adjust(cells: dict[str, str], asked: ImportOptions) -> dict[str, str]:
    """Apply the options to cells that the file leaves empty."""
    status = cells.get("status", "").strip()
    if asked.status and status in _SUBSCRIBED:
        cells["status"] = status = asked.status
    if asked.interests and not cells.get("interests", "").strip():
        cells["interests"] = asked.interests
    if asked.confirmed_by and status in {"", "confirmed"} and not cells.get("confirmed_at", "").strip():
        cells |= {"status": "confirmed", "consent_source": asked.confirmed_by}
    return cells
