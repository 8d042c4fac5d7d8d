"""An edition without its reader: what stands in the slots on pages that anybody may open, or in the preview. Pure."""

import html as html_escape
import re
from collections.abc import Mapping
from dataclasses import dataclass

from digest.render.slots import PREFIX, Place, Slot, escape

_TOKEN = re.compile(re.escape(PREFIX) + r"[0-9a-f]{16}_(" + "|".join(Slot) + r")@@")


def _around(tag: str) -> re.Pattern[str]:
    """Match the innermost `tag` that holds a slot: no tag of that name begins or ends inside."""
    inside = rf"(?:(?!</?{tag}\b).)*?"
    return re.compile(rf"<{tag}\b[^>]*>{inside}{_TOKEN.pattern}{inside}</{tag}>\s*", re.DOTALL | re.IGNORECASE)


_ITEM, _PARAGRAPH = _around("li"), _around("p")
_ANCHOR = re.compile(rf"(<a\b[^<>]*{_TOKEN.pattern}[^<>]*>).*?</a>", re.DOTALL | re.IGNORECASE)
# What only makes sense to the person who got the mail goes, with the line that it stands in.
_PERSONAL = frozenset({Slot.INTERESTS, Slot.UNSUBSCRIBE_URL, Slot.VIEW_URL})
_BLOCK_LINES = 4


@dataclass(frozen=True, slots=True)
class Neutral:
    """Where a page leads instead of to a reader's own pages."""

    subscribe_url: str
    subscribe_label: str
    page_url: str

    @property
    def values(self) -> dict[Slot, str]:
        """A value for every slot, for those that templates put where no line can be taken out."""
        others = dict.fromkeys(Slot, self.subscribe_url)
        return others | {Slot.INTERESTS: "…", Slot.VIEW_URL: self.page_url}


def fill_any(document: str, values: Mapping[Slot, str], place: Place) -> str:
    """Return a document with every slot filled, whatever its nonce: a stored edition does not say which is its own."""
    return _TOKEN.sub(lambda found: escape(Slot(found[1]), values[Slot(found[1])], place), document)


def neutral_html(html: str, neutral: Neutral) -> str:
    """Return an edition's HTML for anybody: personal lines gone, one link to the page for subscribing."""
    html = _ITEM.sub(_drop_personal, html)
    html = _PARAGRAPH.sub(_drop_personal, html)
    html = _ANCHOR.sub(lambda found: _relabel(found, neutral), html)
    return fill_any(html, neutral.values, Place.HTML)


def neutral_text(text: str, neutral: Neutral) -> str:
    """Return an edition's plain text for anybody; blocks are what blank lines part."""
    blocks = []
    for block in text.split("\n\n"):
        slots = {Slot(name) for name in _TOKEN.findall(block)}
        short = len(block.strip().splitlines()) <= _BLOCK_LINES
        if short and slots and slots <= _PERSONAL:
            continue
        if short and Slot.PREFERENCES_URL in slots:
            block = f"{neutral.subscribe_label}:\n{neutral.subscribe_url}"  # noqa: PLW2901 - the block said whose it was
        blocks.append(fill_any(block, neutral.values, Place.PLAIN))
    return "\n\n".join(blocks)


def _drop_personal(found: re.Match[str]) -> str:
    slots = {Slot(name) for name in _TOKEN.findall(found[0])}
    return "" if slots <= _PERSONAL else found[0]


def _relabel(found: re.Match[str], neutral: Neutral) -> str:
    opening, slot = found[1], Slot(found[2])
    own_page = slot in {Slot.PREFERENCES_URL, Slot.UNSUBSCRIBE_URL}
    return f"{opening}{html_escape.escape(neutral.subscribe_label)}</a>" if own_page else found[0]
