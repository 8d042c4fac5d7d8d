"""Typed access to an entry's values: getters return valid values and record problems. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from markdown_it.common.normalize_url import normalizeLink

from digest.articles.body import address_fault
from digest.articles.characters import first_forbidden, one_line
from digest.articles.draft import RawEntry
from digest.articles.problems import Problem, nearest

MAX_ITEMS = 50
"""Items in one list."""
MAX_ADDRESS = 2_000
"""Characters in a link."""

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_UNSAFE_IN_ADDRESS = set(' \t\n"<>\\`{}|^')


class Fields:
    """A view of one mapping of an entry; nested views share the list of problems."""

    def __init__(self, entry: RawEntry, values: Mapping[str, Any] | None = None, place: str = "") -> None:
        self.problems: list[Problem] = []
        self._entry = entry
        self._values = entry.values if values is None else values
        self._place = place

    def has(self, key: str) -> bool:
        """Return whether the key has a value, even an empty text."""
        return self._values.get(key) is not None

    def line(self, key: str = "") -> int | None:
        """Return the line of a key, or else of its parent."""
        place = self._name(key)
        while place:
            if place in self._entry.lines:
                return self._entry.lines[place]
            place = place.rpartition(".")[0]
        return self._entry.line

    def note(self, key: str, message: str, hint: str = "") -> None:
        """Record a problem with a key."""
        self.problems.append(Problem(self._entry.path, self.line(key), message, hint))

    def only(self, known: Iterable[str]) -> None:
        """Record a problem for every unknown key."""
        known = set(known)
        for key in self._values:
            if key not in known:
                self.note(key, f"Unknown key {one_line(self._name(key))[:80]}.", nearest(key[:80], known))

    def rename(self, names: Mapping[str, str]) -> None:
        """Read keys under other names, where those are not given."""
        for old, new in names.items():
            if not self.has(old):
                continue
            if self.has(new):
                self.note(old, f"{old} and {new} have the same meaning.", f"Keep only {new}.")
            self._values = {new: self._values[old], **self._values}
            self._entry = replace(self._entry, lines={new: self.line(old) or 1, **self._entry.lines})

    def raw(self, key: str) -> str:
        """Return a text with its lines kept."""
        value = self._values.get(key)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.note(key, f"{self._name(key)} must be text.", f"Write {key}: followed by text.")
            return ""
        forbidden = first_forbidden(str(value))
        if forbidden:
            self.note(key, f"{self._name(key)} contains the control character {forbidden[1]}.", "Delete it.")
        return str(value)

    def text(self, key: str, limit: int = 500) -> str:
        """Return a text as one line of at most `limit` characters, "" if there is none."""
        value = one_line(self.raw(key))
        if len(value) > limit:
            self.note(key, f"{self._name(key)} has {len(value):,} characters; the limit is {limit:,}.", "Shorten it.")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts without repeats; a single text is a list of one."""
        value = self._values.get(key)
        items = [] if value is None else value if isinstance(value, list) else [value]
        if len(items) > MAX_ITEMS:
            self.note(key, f"{self._name(key)} has {len(items)} items; the limit is {MAX_ITEMS}.", "Shorten the list.")
        inner = self._nested({str(index): item for index, item in enumerate(items[:MAX_ITEMS])}, self._name(key))
        found = (inner.text(str(index)) for index in range(len(items[:MAX_ITEMS])))
        return tuple(dict.fromkeys(text for text in found if text))

    def flag(self, key: str) -> bool:
        """Return a boolean; false if there is none."""
        value = self._values.get(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        word = str(value).strip().lower()
        if word not in _TRUE | _FALSE:
            self.note(key, f"{self._name(key)} must be true or false.", f"Write {key}: true, or remove it.")
        return word in _TRUE

    def whole(self, key: str, limit: int) -> int:
        """Return a whole number between -limit and limit; 0 if there is none."""
        text = self.text(key)
        try:
            number = int(text or "0")
        except ValueError:
            self.note(key, f"{self._name(key)} must be a whole number.", f"Write {key}: 10, for example.")
            return 0
        if abs(number) > limit:
            self.note(key, f"{self._name(key)} must be between -{limit} and {limit}.", "Use a smaller number.")
        return number

    def choice(self, key: str, allowed: Collection[str], *, what: str) -> str:
        """Return one of the allowed words, "" if there is none; `what` describes it in the problem."""
        word = self.text(key)
        if word and word not in allowed:
            self.note(key, f"Unknown {what} {word}.", nearest(word, allowed))
        return word

    def address(self, key: str) -> str:
        """Return the address of a page, "" if there is none."""
        address = self.text(key, limit=MAX_ADDRESS)
        if not address:
            return ""
        if not address.isascii():  # a host goes as IDNA, a path percent-encoded
            address = normalizeLink(address)
        fault = "contains a character that must be percent-encoded" if set(address) & _UNSAFE_IN_ADDRESS else None
        fault = fault or address_fault(address)
        if fault:
            hint = "Copy the full address from the browser, starting with https://."
            self.note(key, f"{self._name(key)}: the address {address} {fault}.", hint)
        return address

    def mapping(self, key: str) -> "Fields | None":
        """Return the view of a nested mapping, None if there is none."""
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.note(key, f"{self._name(key)} must be a group of keys.", f"Write {key}: {{key: value, ...}}.")
            return None
        return self._nested(value, self._name(key))

    def mappings(self, key: str) -> list["Fields"]:
        """Return the views of a list of mappings."""
        value = self._values.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.note(key, f"{self._name(key)} must be a list of groups of keys.", "Begin each item with `- `.")
            return []
        if len(value) > MAX_ITEMS:
            self.note(key, f"{self._name(key)} has {len(value)} items; the limit is {MAX_ITEMS}.", "Shorten the list.")
        return [self._nested(item, f"{self._name(key)}.{index}") for index, item in enumerate(value[:MAX_ITEMS])]

    def _name(self, key: str) -> str:
        return ".".join(part for part in (self._place, key) if part)

    def _nested(self, values: Mapping[str, Any], place: str) -> "Fields":
        nested = Fields(self._entry, values, place)
        nested.problems = self.problems
        return nested
