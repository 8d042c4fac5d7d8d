"""Parsing and validation of one row of a file of subscribers. Pure."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any, Final
from urllib.parse import unquote

from subscribers.address import EmailAddress
from subscribers.consent import ConsentKind, ConsentMethod
from subscribers.errors import SubscribersError
from subscribers.interests import ALL_TEXT, Catalogue
from subscribers.models import Frequency
from subscribers.names import parse_name

COLUMNS: Final = (
    *("email", "name", "interests", "language", "format", "frequency"),
    *("status", "confirmed_at", "consent_source", "paused_until"),
)
"""Columns of a file that people write."""
EXPORTED: Final = (
    *(*COLUMNS, "ref", "created_at", "unsubscribed_at"),
    *("suppressed", "suppressed_at", "suppressed_by", "suppression_key", "consent"),
)
"""Columns of a complete export, from which another installation can continue."""
READABLE: Final = (*EXPORTED, "opted_in_at")
STATUSES: Final = ("confirmed", "pending", "unsubscribed", "suppressed", "bounced", "complained", "nobody")
_GONE: Final = frozenset(STATUSES) - {"confirmed", "pending"}
REASONS: Final = ("unsubscribed", "hard_bounce", "soft_bounce", "complaint", "manual", "erased")
FORMATS: Final = ("html", "text")
MAX_LANGUAGE: Final = 35
MAX_EVENTS: Final = 2_000
_REMEMBERED: Final = 10_000
# Leading apostrophes count too, so that removing one restores exactly what was guarded.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"''*[=+\-@\t\r]")
_PLAIN: Final = re.compile(r"[\w.+-]+@[\w.-]+", re.ASCII)
_MAILTO: Final = re.compile(r"mailto:([^?]*)(\?.*)?", re.IGNORECASE | re.DOTALL)
_WRAPPED: Final = re.compile(r"([^<>]*)<([^<>]*)>", re.DOTALL)
_TWO: Final = re.compile(r"[^\s\"@]@[^\s@]")
_INVISIBLE: Final = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", re.IGNORECASE)
_REF = re.compile(r"[0-9a-f]{32}")
_KEY = re.compile(r"[0-9a-f]{8}:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why a line was refused: its number in the file (the header is line 1), the column, and a sentence."""

    line: int
    column: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.column or 'whole line'}: {self.message}"


@dataclass(frozen=True, slots=True)
class PastEvent:
    """A consent event from another installation."""

    kind: str
    method: str
    wording: str
    detail: dict[str, object]
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class ReaderRow:
    """A subscriber as described by the file. None stands for a column that the file does not have."""

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
    opted_in_at: datetime | None = None
    ref: str | None = None
    created_at: datetime | None = None
    unsubscribed_at: datetime | None = None
    suppressed: str | None = None
    suppressed_at: datetime | None = None
    suppressed_by: str = ""
    consent: tuple[PastEvent, ...] | None = None
    unproved: bool = False
    """The file has them as confirmed, without a date of it."""


@dataclass(frozen=True, slots=True)
class SuppressedRow:
    """A suppressed address of which only the keyed hash is left."""

    line: int
    key: str
    made_with: str
    reason: str
    source: str
    since: datetime | None


Row = ReaderRow | SuppressedRow | RowProblem


@dataclass(frozen=True, slots=True)
class RowRules:
    """The publication's interests, default language and time zone, against which rows are read."""

    catalogue: Catalogue
    language: str
    timezone: tzinfo
    # Cache: files repeat the same few interests and languages.
    remembered: dict[tuple[str, str], Any] = field(default_factory=dict, compare=False, repr=False)


class CellError(Exception):
    """A cell that cannot be used; becomes a RowProblem."""


def read_row(line: int, cells: Mapping[str, str], rules: RowRules) -> Row:
    """Parse cells by column; columns must be of READABLE."""
    if not cells.get("email") and cells.get("suppression_key"):
        return _read_suppressed(line, cells, rules)
    read: dict[str, object] = {}
    if not _PLAIN.fullmatch(cells.get("email", "")):
        cells = {**cells, **_without_wrapping(cells)}
    gone = cells.get("status", "").strip().lower() in _GONE  # whose no must not be lost with another cell
    for column, text in cells.items():
        try:
            read[column] = _READ[column](text, rules)
        except (SubscribersError, CellError) as error:
            if column == "email" or not gone:
                return RowProblem(line, column, str(error))
    if "email" not in read:
        return RowProblem(line, "email", "the address is missing")
    # Without a status, only a dated confirmation counts.
    read["status"] = read.get("status") or ("confirmed" if read.get("confirmed_at") else "pending")
    read.pop("suppression_key", None)
    return ReaderRow(line=line, has_pause="paused_until" in read, **{**_ABSENT, **read})


def _without_wrapping(cells: Mapping[str, str]) -> dict[str, str]:
    """Return the cells of an address written as in a mail: `Name <a@b>`, `<a@b>`, `mailto:a@b`, with any blanks."""
    text = _stripped(cells.get("email", ""))
    wrapped = _WRAPPED.fullmatch(text)
    address = _stripped(wrapped[2] if wrapped else text)
    if mailto := _MAILTO.fullmatch(address):
        address = _stripped(unquote(mailto[1]))
    found = {"email": address} if "email" in cells else {}
    if wrapped and not cells.get("name", "").strip():
        called = _stripped(wrapped[1]).strip("\"'").replace('\\"', '"')
        if called and called != address:
            found["name"] = called
    return found


def _stripped(text: str) -> str:
    return text.strip().strip(_INVISIBLE).strip()


def _address(text: str, _rules: RowRules) -> EmailAddress:
    if len(_TWO.findall(text)) > 1:
        raise CellError("the cell contains several addresses; use one line for each")
    return EmailAddress.parse(text)


def _read_suppressed(line: int, cells: Mapping[str, str], rules: RowRules) -> SuppressedRow | RowProblem:
    key = cells["suppression_key"].strip()
    if not _KEY.fullmatch(key):
        return RowProblem(line, "suppression_key", "this is not a keyed hash from an export of digestpress")
    try:
        reason = _one_of(REASONS, "")(cells.get("suppressed", ""), rules)
        since = _instant(cells.get("suppressed_at", ""), rules)
        source = parse_name(cells.get("suppressed_by", ""), "source")
    except (SubscribersError, CellError) as error:
        return RowProblem(line, "suppressed", str(error))
    if not reason:
        return RowProblem(line, "suppressed", "the reason is missing")
    made_with, _, hashed = key.partition(":")
    return SuppressedRow(line, hashed, made_with, reason, source, since)


def guarded(text: str) -> str:
    """Return a cell safe from formula injection in spreadsheets; `bare` removes the apostrophe again."""
    return f"'{text}" if _FORMULA.match(text) else text


def bare(text: str) -> str:
    """Return the cell as it was before `guarded`."""
    return text[1:] if _GUARDED.match(text) else text


def as_cells(values: Mapping[str, str], columns: Sequence[str] = COLUMNS) -> list[str]:
    """Return the cells of one exported line, in the order of the columns."""
    return [guarded(values[column]) for column in columns]


def _remember(kind: str, read: Callable[[str, RowRules], Any]) -> Callable[[str, RowRules], Any]:
    def again(text: str, rules: RowRules) -> Any:
        known = rules.remembered
        if (kind, text) not in known:
            if len(known) >= _REMEMBERED:
                known.clear()
            known[kind, text] = read(text, rules)
        return known[kind, text]

    return again


def _interests(text: str, rules: RowRules) -> str:
    return rules.catalogue.canonical(rules.catalogue.choose(text)) if text.strip() else ALL_TEXT


def _language(text: str, rules: RowRules) -> str:
    language = text.strip()
    if language and not (_LANGUAGE.fullmatch(language) and len(language) <= MAX_LANGUAGE):
        raise CellError(f"{language[:35]!r} is not a language tag such as en or ko")
    return language or rules.language


def _one_of(known: Sequence[str], default: str) -> Callable[[str, RowRules], str]:
    def read(text: str, _rules: RowRules) -> str:
        value = text.strip().lower()
        if value and value not in known:
            raise CellError(f"{value[:35]!r} is not one of {', '.join(known)}")
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
        raise CellError(f"{value[:35]!r} is not a date such as 2021-09-30 or 2021-09-30T09:00:00+09:00") from error


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str, RowRules], str | None]:
    def read(text: str, _rules: RowRules) -> str | None:
        value = text.strip()
        if value and not pattern.fullmatch(value):
            raise CellError(f"this is not a {what} from an export of digestpress")
        return value or None

    return read


def _consent(text: str, rules: RowRules) -> tuple[PastEvent, ...] | None:
    if not text.strip():
        return None
    try:
        events = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CellError("the consent events are not valid JSON") from error
    if not isinstance(events, list) or len(events) > MAX_EVENTS:
        raise CellError(f"the consent events are not a list of at most {MAX_EVENTS}")
    return tuple(_event(event, rules) for event in events)


def _event(event: Any, rules: RowRules) -> PastEvent:
    if not isinstance(event, dict) or not isinstance(event.get("detail", {}), dict):
        raise CellError("a consent event is not an object")
    kind, method, wording = (str(event.get(name, "")) for name in ("kind", "method", "wording"))
    if kind not in set(ConsentKind) or method not in set(ConsentMethod) or len(wording) > 40 or "\0" in wording:
        raise CellError(f"unknown consent event of kind {kind[:20]!r} and method {method[:20]!r}")
    moment = _instant(str(event.get("at", "")), rules)
    if moment is None:
        raise CellError("a consent event has no date")
    detail = event.get("detail", {})
    if "\\u0000" in json.dumps(detail):
        raise CellError("a consent event contains a NUL character")
    return PastEvent(kind, method, wording, detail, moment)


_READ: Mapping[str, Callable[[str, RowRules], Any]] = {
    "email": _address,
    "name": lambda text, _rules: parse_name(text),
    "interests": _remember("interests", _interests),
    "language": _remember("language", _language),
    "format": _one_of(FORMATS, "html"),
    "frequency": _one_of(tuple(Frequency), Frequency.EVERY),
    "status": _one_of(STATUSES, ""),
    "confirmed_at": _instant,
    "consent_source": lambda text, _rules: parse_name(text, "source"),
    "paused_until": _instant,
    "opted_in_at": _instant,
    "ref": _matching(_REF, "reference"),
    "created_at": _instant,
    "unsubscribed_at": _instant,
    "suppressed": _one_of(REASONS, ""),
    "suppressed_at": _instant,
    "suppressed_by": lambda text, _rules: parse_name(text, "source"),
    "suppression_key": lambda _text, _rules: None,
    "consent": _consent,
}
_ABSENT: Mapping[str, Any] = {
    **dict.fromkeys((*COLUMNS, "opted_in_at", "ref", "created_at", "unsubscribed_at", "suppressed", "suppressed_at")),
    "consent_source": "",
    "suppressed_by": "",
    "consent": None,
}
