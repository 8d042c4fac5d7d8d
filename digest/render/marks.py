"""Marks that the digest's templates print, and cutting of what they render into fragments. Pure.

A mark is `@@F_<nonce> <kind> <key>@@`, in HTML inside a comment, in plain text on a line of its own. A fragment runs
from its mark to the next one.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from markupsafe import Markup

PREFIX = "@@F_"
FRAME = "frame"


@dataclass(frozen=True, slots=True)
class Marks:
    """`cut` of templates: `{{ cut("sections.article", article.slug) }}`."""

    nonce: str
    plain: bool = False

    def __call__(self, kind: str, key: str = "") -> str:
        """Return the mark at which a fragment of this kind begins."""
        # In hexadecimal digits, because no comment may hold `--`.
        mark = f"{PREFIX}{self.nonce} {kind} {key.encode('utf-8', 'surrogatepass').hex()}@@"
        return mark if self.plain else Markup(f"<!--{mark}-->")  # noqa: S704 - of digits and a word of the template


class Cutting(NamedTuple):
    """A fragment as it was cut out: what follows a mark. The first of a document has no mark and is of the frame."""

    kind: str
    key: str
    content: str

    @property
    def region(self) -> str:
        """The region whose fragment it is, empty for the frame."""
        region, _, part = self.kind.partition(".")
        return region if part and self.kind != "left_out.end" else ""

    @property
    def part(self) -> str:
        """`section`, `article` or `end`."""
        return self.kind.partition(".")[2]


@lru_cache(maxsize=8)
def pattern(nonce: str) -> re.Pattern[str]:
    """Return the pattern of the marks, with kind and key as groups; in plain text with the end of their line."""
    # An optional `<!--` before it would cost forty times as much.
    return re.compile(rf"{PREFIX}{nonce} ([a-z_.]+) ([0-9a-f]*)@@(?:-->|\n)?")


def _split(document: str, nonce: str) -> list[str]:
    *found, last = pattern(nonce).split(document)
    found[::3] = [content.removesuffix("<!--") for content in found[::3]]
    return [*found, last]


def cut(document: str, nonce: str) -> list[Cutting]:
    """Return the fragments of a document in order."""
    first, *rest = _split(document, nonce)
    keys = (bytes.fromhex(key).decode("utf-8", "surrogatepass") for key in rest[1::3])
    return [Cutting(FRAME, "", first), *map(Cutting, rest[::3], keys, rest[2::3])]


def without_marks(document: str, nonce: str) -> str:
    """Return a document as readers get it."""
    return "".join(_split(document, nonce)[::3])
