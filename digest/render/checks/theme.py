"""Contrast check of the theme's colours and of the rendered mail (WCAG 2.2, success criterion 1.4.3)."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from digest.render.checks.finding import Finding, Severity
from digest.render.checks.mail import CheckedMail, where

CONTRAST = 4.5
LARGE_CONTRAST = 3.0
"""Of text from 24 CSS pixels on, or from 18.66 where it is bold."""
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
PAIRS = (
    *((text, ground) for ground in ("ground", "paper", "tint") for text in ("ink", "muted", "accent")),
    ("button_ink", "accent"),
    ("paper", "alert"),
)
"""Texts and their grounds in a palette, each with a contrast of at least CONTRAST."""


@lru_cache(maxsize=4096)
def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two `#rrggbb` colours, 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def check_contrast(mail: CheckedMail) -> Iterator[Finding]:
    """Text has enough contrast in the light and the dark palette, and as the mail shows it."""
    found = [*palette_faults(mail.theme)]
    yield from found or (fault for *_, fault in shown_faults(mail.tree))


def palette_faults(theme: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the findings on the colours of a theme."""
    for name in ("light", "dark"):
        yield from _palette(name, theme.get(name, {}))


def shown_faults(
    tree: Any, part_of: Callable[[Any], object] = lambda _: None
) -> Iterator[tuple[Any, tuple[object, ...], Finding]]:
    """Yield for each part of a mail the element, the colours and the finding of its texts with too little contrast."""
    from digest.render.checks.shown_colours import index_of, shown_texts  # noqa: PLC0415 - a CSS parser

    select = index_of(tree)
    for scheme in ("light", "dark"):
        for text in shown_texts(tree, select, dark=scheme == "dark", part_of=part_of):
            least = LARGE_CONTRAST if text.is_large else CONTRAST
            ratio = contrast(text.ink, text.ground)
            if ratio < least:
                message = (
                    f"“{text.words}” is {text.ink} on {text.ground} in the {scheme} palette: a contrast of "
                    f"{ratio:.1f} : 1; at least {least} is needed"
                )
                remedy = "Change one of the colours in the workspace's template or style that sets it."
                found = Finding("contrast", Severity.BLOCK, where(text.element), message, remedy)
                yield text.element, (scheme, text.ink, text.ground, text.is_large), found


def _palette(name: str, palette: Mapping[str, Any]) -> Iterator[Finding]:
    place = f"theme, {name}"
    for key, colour in palette.items():
        if not isinstance(colour, str) or not _COLOUR.fullmatch(colour):
            message = f"{key} = {colour!r} is not a six-digit colour"
            yield Finding("theme-colour", Severity.BLOCK, place, message, 'Write it as in "#0b4f83" in theme.toml.')
            return
    for text, ground in PAIRS:
        if text in palette and ground in palette:
            ratio = contrast(palette[text], palette[ground])
            if ratio < CONTRAST:
                message = f"{text} on {ground} has a contrast of {ratio:.1f} : 1; at least {CONTRAST} is needed"
                yield Finding("contrast", Severity.BLOCK, place, message, "Change one of the colours in theme.toml.")
