"""How the columns and values of somebody else's file become ours, and what found no place. Pure."""

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
# The words of other programs for where somebody stands.
STATUS_WORDS: Final[Mapping[str, str]] = {
    "confirmed": "confirmed",
    "pending": "pending",
    "unconfirmed": "pending",
    "subscribed": "",
    "active": "",
    "enabled": "",
    "unsubscribed": "unsubscribed",
    "opted out": "unsubscribed",
    "blocklisted": "unsubscribed",
    "blacklisted": "unsubscribed",
    "suppressed": "suppressed",
    "disabled": "suppressed",
    "inactive": "suppressed",
    "archived": "suppressed",
    "cleaned": "bounced",
    "bounced": "bounced",
    "complained": "complained",
    "spam": "complained",
    "nobody": "nobody",
    "nonsubscribed": "nobody",
    "non-subscribed": "nobody",
    "transactional": "nobody",
}
MOST_TOLD: Final = 1_000
_ELSE: Final = "(others)"


@dataclass(slots=True)
class Leftovers:
    """What of a file found no place: cells by column, and values that are no interest of ours, with their counts."""

    columns: Counter[str] = field(default_factory=Counter)
    interests: Counter[str] = field(default_factory=Counter)

    def column(self, name: str) -> None:
        """Count a cell that is not kept."""
        _count(self.columns, name)

    def interest(self, value: str) -> None:
        """Count a value that is no interest."""
        _count(self.interests, value)


def _count(counter: Counter[str], name: str) -> None:
    counter[name[:100] if name in counter or len(counter) < MOST_TOLD else _ELSE] += 1


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Which columns of a file make ours, which of its values are which interest, and which of its words which status.

    Several columns are joined: names by a space, interests as one list. `interests` and `status` are looked up without
    regard to case.
    """

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    interests: Mapping[str, str] = field(default_factory=dict)
    status: Mapping[str, str] = field(default_factory=dict)

    def over(self, other: "ColumnMap") -> "ColumnMap":
        """Return `other` with what this one says instead, where it says something."""
        return ColumnMap(
            {**other.columns, **self.columns}, {**other.interests, **self.interests}, {**other.status, **self.status}
        )

    def apply(self, values: Mapping[str, str], left: Leftovers) -> dict[str, str]:
        """Return our cells; count in `left` what found no place."""
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
        """Return the interests that lists of values name; a value that is none of ours is counted and left out."""
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
    """Return the values of a cell that holds a list: Mailchimp quotes them, others use commas, semicolons or bars."""
    for separator in (";", "|"):
        if separator in text:
            return [part.strip().strip('"') for part in text.split(separator) if part.strip()]
    return [part.strip() for part in next(csv.reader([text], skipinitialspace=True), []) if part.strip()]


def parse_mapping(text: str) -> ColumnMap:
    """Return the mapping that `email=E-Mail Address,name=First Name+Last Name` says. Raises ImportFileError."""
    columns = {}
    for part in text.split(","):
        target, equals, source = part.partition("=")
        if not equals or not source.strip():
            raise ImportFileError(
                f"The mapping {part.strip()[:60]!r} is not understood",
                hint="Write email=COLUMN,name=COLUMN+COLUMN; columns with commas in their name need a mapping file.",
            )
        columns[target.strip()] = tuple(name.strip() for name in source.split("+") if name.strip())
    return _checked(ColumnMap(columns))


def read_mapping(content: bytes) -> ColumnMap:
    """Return the mapping of a TOML file with [columns], [interests] and [status]. Raises ImportFileError."""
    try:
        data: dict[str, Any] = tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ImportFileError(f"The mapping file is not valid TOML: {error}") from error
    unknown = sorted(set(data) - {"columns", "interests", "status"})
    if unknown or not all(isinstance(table, dict) for table in data.values()):
        raise ImportFileError("The mapping file may hold [columns], [interests] and [status]", hint=", ".join(unknown))
    columns = {}
    for target, names in data.get("columns", {}).items():
        columns[target] = tuple(names) if isinstance(names, list) else tuple(str(names).split("+"))
    words = {name: {str(k).lower(): str(v) for k, v in data.get(name, {}).items()} for name in ("interests", "status")}
    return _checked(ColumnMap({t: tuple(n.strip() for n in names) for t, names in columns.items()}, **words))


def _checked(mapping: ColumnMap) -> ColumnMap:
    for target in mapping.columns:
        if target not in TARGETS:
            raise ImportFileError(f"We have no column {target[:60]!r}", hint=f"There are: {', '.join(TARGETS)}.")
    return mapping
