"""Output of commands: one JSON document, or text and tables, on stdout; diagnostics on stderr."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, tzinfo
from itertools import islice
from typing import Any
from uuid import uuid4

import typer

from digest.runtime import logs

PAGE = 100
"""Rows of a list that is shown as a table."""
_AT_ONCE = 1_000


class Output:
    """Prints for people or as JSON, as the global options say."""

    def __init__(self, *, as_json: bool = False, log_json: bool = False) -> None:
        self.as_json = as_json
        self.log_json = log_json
        self.zone: tzinfo | None = None
        """The publication's zone once it is known, for times in text; JSON has UTC."""

    def emit(self, data: Any, show: Callable[[], None]) -> None:
        """Print `data` as the one JSON document, or let `show` print it for a person.

        An iterator in `data` becomes an array that is printed as it is read.
        """
        if not self.as_json:
            show()
            return
        mark, iterators = uuid4().hex, list[Iterator[dict[str, Any]]]()

        def default(value: object) -> object:
            if isinstance(value, Iterator):
                iterators.append(value)
                return mark
            return _jsonable(value)

        first, *rest = json.dumps(data, ensure_ascii=False, indent=2, default=default).split(f'"{mark}"')
        typer.echo(first, nl=not rest)
        for number, (entries, text) in enumerate(zip(iterators, rest, strict=True), start=1):
            self._stream(entries, lines=False)
            typer.echo(text.removeprefix("\n"), nl=number == len(rest))

    def line(self, text: str = "") -> None:
        """Print a line for a person; silent under --json."""
        if not self.as_json:
            typer.echo(text)

    def note(self, text: str) -> None:
        """Print a diagnostic to stderr, in the form of the logs."""
        typer.echo(logs.line(text, level="info", logger="digest.cli") if self.log_json else text, err=True)

    @contextmanager
    def counting(self, what: str) -> Iterator[Callable[[int], None]]:
        """Yield a callback that shows a count on stderr, if that is a terminal, in a line removed at the end."""
        if not sys.stderr.isatty():
            yield lambda _number: None
            return
        try:
            yield lambda number: typer.echo(f"\r{number:,} {what}", err=True, nl=False)
        finally:
            typer.echo(f"\r{' ' * 60}\r", err=True, nl=False)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
        """Print a table; numbers right-aligned."""
        from digest.cli.tables import print_table  # noqa: PLC0415 - rich costs a tenth of a second; --json needs none

        body = [tuple(row) for row in rows]
        numeric = [bool(body) and all(isinstance(row[place], int) for row in body) for place in range(len(columns))]
        print_table(title, columns, numeric, [[self._plain(cell) for cell in row] for row in body])

    def listing(
        self,
        columns: Sequence[str],
        entries: Iterable[dict[str, Any]],
        total: Callable[[], int],
        command: str,
        *,
        lines: bool = False,
    ) -> None:
        """Print a long list: its first page as a table, all of it under --json or, with `lines`, as JSON lines.

        Each entry's `cursor` is what `command --after` goes on from; it is printed below a page that is not the last.
        """
        if lines or self.as_json:
            self._stream(entries, lines=lines)
            return
        shown = list(islice(entries, PAGE + 1))
        self.table(columns, [[entry[column] for column in columns] for entry in shown[:PAGE]])
        if len(shown) > PAGE:
            self.line(f"\n{PAGE} of {total():,} shown. Next page: {command} --after {shown[PAGE - 1]['cursor']}")

    def _stream(self, entries: Iterable[dict[str, Any]], *, lines: bool) -> None:
        encode = json.JSONEncoder(ensure_ascii=False, default=_jsonable).encode
        texts = (encode({name: value for name, value in one.items() if name != "cursor"}) for one in entries)
        before, between, end, empty = ("", "\n", "\n", "") if lines else ("[\n", ",\n", "\n]\n", "[]\n")
        while batch := list(islice(texts, _AT_ONCE)):  # the first one before "[": it may fail
            typer.echo(before + between.join(batch), nl=False)
            before = between
        typer.echo(end if before == between else empty, nl=False)

    def local(self, moment: datetime) -> str:
        """Return an instant as local time with its offset."""
        return moment.astimezone(self.zone or moment.tzinfo).isoformat(" ", "seconds")

    def _plain(self, cell: object) -> str:
        text = self.local(cell) if isinstance(cell, datetime) else "" if cell is None else str(cell)
        # A reader's name or a server's reply must not steer the terminal.
        return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def _jsonable(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(type(value).__name__)
