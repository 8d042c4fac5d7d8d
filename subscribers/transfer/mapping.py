"""Mapping of another program's columns and values to ours, with a count of what was not mapped. Pure."""

import csv
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from subscribers.errors import ImportFileError
from subscribers.interests import ALL_TEXT, SEPARATOR
from subscribers.transfer.rows import COLUMNS

TARGETS: Final = (*COLUMNS, "opted_in_at", "created_at", "unsubscribed_at")
_WORDS_OF_STATUS: Final[Mapping[str, tuple[str, ...]]] = {
    "confirmed": ("confirmed",),
    "pending": ("pending", "unconfirmed"),
    "": ("subscribed", "active", "enabled"),
    "unsubscribed": ("unsubscribed", "opted out", "blocklisted", "blacklisted"),
    "suppressed": ("suppressed", "disabled", "inactive", "archived"),
    "bounced": ("cleaned", "bounced"),
    "complained": ("complained", "spam"),
    "nobody": ("nobody", "nonsubscribed", "non-subscribed", "transactional"),
}
# Other programs' words for a status -> ours.
STATUS_WORDS: Final = {word: status for status, words in _WORDS_OF_STATUS.items() for word in words}
MAX_NAMES: Final = 1_000
_ELSE: Final = "(others)"


@dataclass(slots=True)
class Leftovers:
    """Counts of what was not mapped: cells by column, and values that are no interest."""

    columns: Counter[str] = field(default_factory=Counter)
    interests: Counter[str] = field(default_factory=Counter)

    def column(self, name: str) -> None:
        """Count a cell that is not imported."""
        _count(self.columns, name)

    def interest(self, value: str) -> None:
        """Count a value that is no interest."""
        _count(self.interests, value)


def _count(counter: Counter[str], name: str) -> None:
    counter[name[:100] if name in counter or len(counter) < MAX_NAMES else _ELSE] += 1


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Mapping of columns (ours to theirs), and of values to interests and statuses, whatever their case.

    Several columns are joined: names by a space, interests as one list.
    """

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    interests: Mapping[str, str] = field(default_factory=dict)
    status: Mapping[str, str] = field(default_factory=dict)

    def over(self, other: "ColumnMap") -> "ColumnMap":
        """Return `other` with the entries of this one laid over it."""
        return ColumnMap(
            {**other.columns, **self.columns}, {**other.interests, **self.interests}, {**other.status, **self.status}
        )

    def apply(self, values: Mapping[str, str], left: Leftovers) -> dict[str, str]:
        """Return our cells; count in `left` what was not mapped."""
        cells: dict[str, str] = {}
        used: set[str] = set()
        for target, columns in self.columns.items():
            present = [values[name] for name in columns if name in values]
            used.update(columns)
            if present:
                cells[target] = self._one(target, [text for text in present if text.strip()], left)
        for name, text in values.items():
            if name not in used and text.strip():
                left.column(name)
        return cells

    def _one(self, target: str, texts: list[str], left: Leftovers) -> str:
        if target == "interests":
            return self.interests_of(texts, left)
        text = " ".join(text.strip() for text in texts)
        if target == "status":
            word = text.lower()
            return self.status.get(word, STATUS_WORDS.get(word, text))
        return text

    def interests_of(self, texts: Iterable[str], left: Leftovers) -> str:
        """Return the interests in lists of values; unknown values are counted and left out."""
        slugs = set()
        for text in texts:
            for value in _values(text):
                slug = value if value == ALL_TEXT else self.interests.get(value.lower())
                if slug:
                    slugs.add(slug)
                elif slug is None:
                    left.interest(value)
        return SEPARATOR.join(sorted(slugs))


def _values(text: str) -> list[str]:
    """Return the values of a list in a cell: Mailchimp quotes them, others use commas, semicolons or bars."""
    for separator in (";", "|"):
        if separator in text:
            return [part.strip().strip('"') for part in text.split(separator) if part.strip()]
    return [part.strip() for part in next(csv.reader([text], skipinitialspace=True), []) if part.strip()]


def parse_mapping(text: str) -> ColumnMap:
    """Parse a mapping such as `email=E-Mail Address,name=First Name+Last Name`. Raises ImportFileError."""
    columns = {}
    for part in text.split(","):
        target, equals, source = part.partition("=")
        if not equals or not source.strip():
            raise ImportFileError(
                f"The mapping {part.strip()[:60]!r} is not valid",
                hint="Use email=COLUMN,name=COLUMN+COLUMN; column names that contain commas need a mapping file.",
            )
        columns[target.strip()] = tuple(name.strip() for name in source.split("+") if name.strip())
    return _checked(ColumnMap(columns))


def read_mapping(content: bytes) -> ColumnMap:
    """Parse a TOML file with [columns], [interests] and [status]. Raises ImportFileError."""
    try:
        data: dict[str, Any] = tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ImportFileError(f"The mapping file is not valid TOML: {error}") from error
    unknown = sorted(set(data) - {"columns", "interests", "status"})
    if unknown or not all(isinstance(table, dict) for table in data.values()):
        raise ImportFileError(
            "The mapping file may contain only [columns], [interests] and [status]", hint=", ".join(unknown)
        )
    columns = {}
    for target, names in data.get("columns", {}).items():
        columns[target] = tuple(names) if isinstance(names, list) else tuple(str(names).split("+"))
    words = {name: {str(k).lower(): str(v) for k, v in data.get(name, {}).items()} for name in ("interests", "status")}
    return _checked(ColumnMap({t: tuple(n.strip() for n in names) for t, names in columns.items()}, **words))


def _checked(mapping: ColumnMap) -> ColumnMap:
    for target in mapping.columns:
        if target not in TARGETS:
            raise ImportFileError(f"Unknown field {target[:60]!r}", hint=f"Fields: {', '.join(TARGETS)}.")
    return mapping
