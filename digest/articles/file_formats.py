"""Readers of Markdown, CSV and JSON files; an unreadable file yields a Problem and does not stop the others."""

import csv
import io
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from digest.articles.draft import RawEntry
from digest.articles.frontmatter import MAX_BYTES, UnreadableError, decode, read_markdown, too_large
from digest.articles.intake import remarks_on
from digest.articles.problems import Problem
from digest.runtime.containment import is_within
from digest.runtime.errors import UsageError
from subscribers.text_files import declared_separator, decoded, known_encoding, separator_of

MAX_TABLE_BYTES = 20_000_000
"""Bytes in one CSV or JSON file, which holds many articles."""

_LISTS = {"topics", "sources", "citation.authors"}
_LINK_HINT = "Put the article files themselves there, or import them from where they are."
_SUFFIXES = (".md", ".csv", ".json")


def read_paths(paths: Sequence[str | Path], encoding: str = "") -> Iterator[RawEntry | Problem]:
    """Yield the entries of files: Markdown also below folders, sorted by name; CSV and JSON only where named.

    `encoding` is of files that are not UTF-8. Raises UsageError for a path that is unusable.
    """
    if encoding and not known_encoding(encoding):
        raise UsageError(f"Unknown encoding {encoding[:40]!r}.", hint="Use a name such as cp949 or cp1252.")
    for path in paths:
        _check(str(path))
    for path in map(Path, paths):
        if path.is_dir():
            for file in _markdown_below(path):
                yield from _read_file(file, path, encoding)
        else:
            yield from _read_file(path, path.parent, encoding)


def _check(path: str) -> None:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", path):
        hint = "Save the articles as Markdown, CSV or JSON files and import those."
        raise UsageError(f"{path} is a web address; importing from the web is not supported yet.", hint=hint)
    try:
        is_folder = stat.S_ISDIR(Path(path).stat().st_mode)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{path} cannot be opened: {reason}.", hint="Name a file or folder of articles.") from error
    if not is_folder and Path(path).suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path} is not an article file.", hint=f"Articles must be {', '.join(_SUFFIXES)} files.")


def _markdown_below(folder: Path) -> list[Path]:
    """Return the Markdown files below a folder, without hidden ones and READMEs. Links are not followed."""
    found: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=_stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [Path(parent, name) for name in folders if Path(parent, name).is_symlink()]
        found += [link for link in links if link.exists() and not is_within(link, folder)]  # to be told
        names = [name for name in files if name.lower().endswith(".md") and name.lower() != "readme.md"]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    if not found:
        raise UsageError(f"The folder {folder} contains no Markdown files.", hint="Article files end in .md.")
    return sorted(found)


def _stop(error: OSError) -> None:
    raise UsageError(f"The folder {error.filename} cannot be read: {error.strerror}.") from error


def _read_file(file: Path, root: Path, encoding: str) -> Iterator[RawEntry | Problem]:
    # Names need not be UTF-8, but what we print and store must be.
    shown = os.fsencode(file).decode("utf-8", "replace")
    limit = MAX_BYTES if file.suffix.lower() == ".md" else MAX_TABLE_BYTES
    try:
        # A named pipe would block for ever.
        if file.exists() and not is_within(file, root):
            yield Problem(shown, None, "This link points outside the imported folder.", _LINK_HINT)
            return
        if not file.is_file():
            yield Problem(shown, None, "This is not a file.", "Check whether it is a broken link.")
            return
        if file.stat().st_size > limit:
            yield too_large(shown, file.stat().st_size, limit)
            return
        content = decoded(file.read_bytes(), encoding).encode() if encoding else file.read_bytes()
    except OSError as error:
        yield Problem(shown, None, f"The file cannot be read: {error.strerror}.", "Check its permissions.")
        return
    except UnicodeError as error:
        yield Problem(shown, None, f"The file is not {encoding}: {error}."[:300], "Use another --encoding.")
        return
    try:
        match file.suffix.lower():
            case ".csv":
                entries = _read_csv(decode(content, shown), shown)
            case ".json":
                entries = _read_json(decode(content, shown), shown)
            case _:
                entries = [read_markdown(content, shown)]
    except UnreadableError as error:
        yield error.problem
        yield from remarks_on(error.body, shown, error.body_line)
        return
    source = file.relative_to(root).as_posix().encode("utf-8", "replace").decode()
    for entry in entries:
        yield replace(entry, folder=file.parent, root=root, source=source if file.suffix.lower() == ".md" else None)


def _read_csv(text: str, path: str) -> list[RawEntry]:
    """Return one entry a row; a column such as `image.src` is a nested key, lists are separated by `;`."""
    declared = declared_separator(text.partition("\n")[0])
    rows = csv.reader(io.StringIO(text), delimiter=declared or separator_of(text.partition("\n")[0]), strict=True)
    entries: list[RawEntry] = []
    try:
        if declared:
            next(rows)
        header = [name.strip() for name in next(rows, [])]
        _check_columns(header, path, rows.line_num or 1)
        line = rows.line_num + 1
        for row in rows:
            first, line = line, rows.line_num + 1
            if not any(cell.strip() for cell in row):
                continue
            if len(row) > len(header):
                message = f"The row has {len(row)} cells; the first line names {len(header)} columns."
                raise UnreadableError(
                    Problem(path, first, message, "Put quotation marks around cells that contain commas.")
                )
            entries.append(RawEntry(path, _nest(dict(zip(header, row, strict=False))), line=first))
        return entries
    except csv.Error as error:
        hint = (
            "Put quotation marks around cells that contain commas or line breaks, and double any quotation "
            "marks inside."
        )
        raise UnreadableError(Problem(path, rows.line_num, f"The table is malformed: {error}.", hint)) from None


def _check_columns(header: Sequence[str], path: str, line: int) -> None:
    if "title" not in header or len(set(header)) < len(header):
        hint = "Name each column once: title, body, topics, date, image.src, image.alt ..."
        raise UnreadableError(Problem(path, line, "The first line does not name the columns.", hint))
    for column in header:
        group = column.partition(".")[0]
        if group in header and group != column:
            message = f"The columns {group} and {column} cannot be used together."
            raise UnreadableError(Problem(path, line, message, f"Rename {group} to {group}.src, for example."))


def _nest(row: dict[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for column, cell in row.items():
        if not cell.strip():
            continue
        group, dot, key = column.partition(".")
        value = [item.strip() for item in cell.split(";")] if column in _LISTS else cell
        if dot:
            values.setdefault(group, {})[key] = value
        else:
            values[column] = value
    return values


def _read_json(text: str, path: str) -> list[RawEntry]:
    """Return an entry for one object, or for each object of a list."""
    try:
        data = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise UnreadableError(Problem(path, error.lineno, f"The file is not valid JSON: {error.msg}.")) from None
    except RecursionError:
        raise UnreadableError(Problem(path, None, "The values are nested too deeply.")) from None
    except ValueError as error:
        raise UnreadableError(Problem(path, None, f"The file is not valid JSON: {error}.")) from None
    many = isinstance(data, list)
    items = data if many else [data]
    entries: list[RawEntry] = []
    for number, item in enumerate(items, start=1):
        shown = f"{path} (entry {number})" if many else path
        if not isinstance(item, dict):
            hint = 'Write one {"title": ...} object or a list of them.'
            raise UnreadableError(Problem(shown, None, "Each article must be a JSON object.", hint))
        entries.append(RawEntry(shown, item, line=None))
    return entries


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return values


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")
