"""Fragments of rendered editions with what checks need of them; editions are joined from them. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from digest.render.checks.finding import Finding
from digest.render.slots import PREFIX, WORST_VALUES, Slot, SlotContext, fill, split

_MANY_ENDS = re.compile(r"\n{3,}")


class LocalFinding(NamedTuple):
    """A finding within a fragment; of those with one `key`, an edition has the first."""

    rank: int
    key: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class HtmlFragment:
    """A fragment of the HTML, in pieces between which the article's number stands."""

    pieces: tuple[str, ...]
    size: int  # bytes
    longest: int  # bytes with the longest values in slots
    slots: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()  # within the mail, each with its place
    headings: tuple[tuple[int, str], ...] = ()
    findings: tuple[LocalFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class TextFragment:
    """A fragment of the plain text: pieces without the line ends at both ends, and how many of these there are."""

    before: int
    pieces: tuple[str, ...]
    after: int
    size: int
    slots: tuple[str, ...] = ()
    findings: tuple[LocalFinding, ...] = ()


def html_fragment(content: str, number: str, nonce: str, facts: dict[str, Any]) -> HtmlFragment:
    """Return a fragment as cut out, which holds the token `number` where the article's number stands."""
    size = longest = size_of(content.replace(number, ""))
    slots: tuple[str, ...] = ()
    if PREFIX + nonce in content:
        slots = slots_of(content, nonce)
        longest = size_of(fill(content.replace(number, ""), nonce, WORST_VALUES, SlotContext.HTML))
    return HtmlFragment(tuple(content.split(number)), size, longest, slots, **facts)


def text_fragment(content: str, number: str, nonce: str, findings: Iterable[LocalFinding] = ()) -> TextFragment:
    """Return a fragment of the plain text."""
    core = _MANY_ENDS.sub("\n\n", content.strip("\n"))
    before = len(content) - len(content.lstrip("\n"))
    after = len(content) - len(content.rstrip("\n")) if core else 0
    pieces = tuple(core.split(number)) if core else ()
    return TextFragment(
        before, pieces, after, size_of(core.replace(number, "")), slots_of(core, nonce), tuple(findings)
    )


def slots_of(content: str, nonce: str) -> tuple[str, ...]:
    """Return the names of the slots in a text. Raises ContentError for one that there is not."""
    if PREFIX + nonce not in content:
        return ()
    return tuple(dict.fromkeys(piece.value for piece in split(content, nonce) if isinstance(piece, Slot)))


def size_of(text: str) -> int:
    """Return the bytes of a text."""
    return len(text) if text.isascii() else len(text.encode())


def joined_text(fragments: Iterable[tuple[TextFragment, str]]) -> Iterator[str]:
    """Yield the pieces of a plain text, as `mail.tidy` makes it of the whole; each fragment comes with its number."""
    pending: int | None = None  # line ends since the last word
    for fragment, number in fragments:
        if not fragment.pieces:
            pending = pending if pending is None else pending + fragment.before
            continue
        if pending is not None and pending + fragment.before:
            yield "\n" if pending + fragment.before == 1 else "\n\n"
        yield from numbered(fragment.pieces, number)
        pending = fragment.after
    yield "\n"


def numbered(pieces: Sequence[str], number: str) -> Iterator[str]:
    """Yield pieces with the number between them."""
    yield pieces[0]
    for piece in pieces[1:]:
        yield number
        yield piece


def as_json(fragment: HtmlFragment | TextFragment) -> list[Any]:
    """Return a fragment as JSON values."""
    return [*(getattr(fragment, name) for name in fragment.__slots__[:-1]), findings_as_json(fragment.findings)]


def html_from_json(values: list[Any]) -> HtmlFragment:
    """Return a stored fragment. Raises TypeError or ValueError if it is none."""
    pieces, size, longest, slots, pictures, ids, names, links, headings, findings = values
    pairs = (tuple((a, b) for a, b in links), tuple((a, b) for a, b in headings))
    lists = (tuple(slots), tuple(pictures), tuple(ids), tuple(names))
    return HtmlFragment(tuple(pieces), size, longest, *lists, *pairs, findings_from_json(findings))


def text_from_json(values: list[Any]) -> TextFragment:
    """Return a stored fragment. Raises TypeError or ValueError if it is none."""
    before, pieces, after, size, slots, findings = values
    return TextFragment(before, tuple(pieces), after, size, tuple(slots), findings_from_json(findings))


def findings_as_json(found: Iterable[LocalFinding]) -> list[list[Any]]:
    """Return findings as JSON values."""
    return [[rank, key, f.id, f.severity.value, f.where, f.message, f.remedy] for rank, key, f in found]


def findings_from_json(values: list[list[Any]]) -> tuple[LocalFinding, ...]:
    """Return stored findings. Raises TypeError or ValueError if there are none."""
    return tuple(LocalFinding(rank, key, Finding.stored(texts)) for rank, key, *texts in values)
