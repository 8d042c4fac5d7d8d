"""Editions without personal parts, for public pages; found by their slots, see docs/adr/0016. Pure."""

import html as html_escape
import re
from dataclasses import dataclass

from digest.render.slots import PREFIX, Slot, SlotContext, fill
from digest.render.slots import token as slot_token

# Slots that are removed with their line.
_PERSONAL = frozenset({Slot.INTERESTS, Slot.UNSUBSCRIBE_URL, Slot.VIEW_URL})
_OWN_PAGES = frozenset({Slot.PREFERENCES_URL, Slot.UNSUBSCRIBE_URL})
_BLOCK_LINES = 4
_FLAGS = re.DOTALL | re.IGNORECASE


@dataclass(frozen=True, slots=True)
class Neutral:
    """Public links that replace personal ones."""

    subscribe_url: str
    subscribe_label: str
    page_url: str

    @property
    def values(self) -> dict[Slot, str]:
        """A value for every slot, for slots outside of removable lines."""
        others = dict.fromkeys(Slot, self.subscribe_url)
        return others | {Slot.INTERESTS: "…", Slot.VIEW_URL: self.page_url, Slot.TEST_MARK: ""}


def neutral_html(html: str, nonce: str, neutral: Neutral) -> str:
    """Return an edition's HTML without personal lines, with a link to the sign-up form."""
    token = _token(nonce)
    html = _without_personal(html, "li", token)
    # A link to the page itself, with the line break before it.
    to_itself = rf"(?:<br\s*/?>\s*)?<a\b[^<>]*{re.escape(slot_token(nonce, Slot.VIEW_URL))}[^<>]*>.*?</a>"
    html = re.sub(to_itself, "", html, flags=_FLAGS)
    html = _without_personal(html, "p", token)
    anchor = rf"(<a\b[^<>]*{token}[^<>]*>).*?</a>"
    html = re.sub(anchor, lambda found: _relabel(found, neutral), html, flags=_FLAGS)
    return fill(html, nonce, neutral.values, SlotContext.HTML)


def _without_personal(html: str, tag: str, token: str) -> str:
    """Remove each innermost `tag` whose slots are all personal: no tag of that name begins or ends inside."""
    inside = rf"(?:(?!</?{tag}\b).)*?"
    line = rf"<{tag}\b[^>]*>{inside}{token}{inside}</{tag}>\s*"
    return re.sub(line, lambda found: "" if _personal(found[0], token) else found[0], html, flags=_FLAGS)


def neutral_text(text: str, nonce: str, neutral: Neutral) -> str:
    """Return an edition's plain text without personal blocks, which are separated by blank lines."""
    token, blocks = _token(nonce), []
    for block in text.split("\n\n"):
        short = len(block.strip().splitlines()) <= _BLOCK_LINES
        if short and _personal(block, token):
            continue
        if short and Slot.PREFERENCES_URL in re.findall(token, block):
            blocks.append(f"{neutral.subscribe_label}:\n{neutral.subscribe_url}")
        else:
            blocks.append(fill(block, nonce, neutral.values, SlotContext.PLAIN))
    return "\n\n".join(blocks)


def _token(nonce: str) -> str:
    return re.escape(f"{PREFIX}{nonce}_") + f"({'|'.join(Slot)})@@"


def _personal(text: str, token: str) -> bool:
    slots = set(re.findall(token, text))
    return bool(slots) and slots <= _PERSONAL


def _relabel(found: re.Match[str], neutral: Neutral) -> str:
    label = html_escape.escape(neutral.subscribe_label)
    return f"{found[1]}{label}</a>" if found[2] in _OWN_PAGES else found[0]
