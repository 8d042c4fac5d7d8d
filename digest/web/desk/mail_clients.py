"""Simulations of what mail apps leave of an edition's HTML, for the preview. Pure.

Facts: https://www.caniemail.com, and Google's "CSS support" of Gmail. A simulation shows what breaks; it is no proof.
"""

import colorsys
import re
from enum import StrEnum
from typing import Any

import cssutils

from digest.web.desk.frames import Scheme, force_scheme

GMAIL_STYLE_LIMIT = 16_384
"""Characters of style that Gmail keeps of a mail; the elements beyond are dropped."""
_STYLE = re.compile(r"(<style\b[^>]*>)(.*?)</style>", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_PICTURE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_ADDRESS = re.compile(r"""\s(?:src|srcset)=("[^"]*"|'[^']*')""", re.IGNORECASE)
_BACKGROUND = re.compile(r"url\([^)]*\)", re.IGNORECASE)
_TAG = re.compile(r"<(?!!|/)[a-z][^>]*>", re.IGNORECASE)
_COLOUR = re.compile(
    r"(?<![\w-])(background-color|background|color)(\s*:\s*)(#[0-9a-f]{6}|#[0-9a-f]{3})\b", re.IGNORECASE
)
_ATTRIBUTE = re.compile(r"""(\sbgcolor=["'])(#[0-9a-f]{6}|#[0-9a-f]{3})""", re.IGNORECASE)
_UNSUPPORTED = re.compile(r"\[|:(?!hover)")  # selectors by attribute, and pseudo-classes
_DARKEST = 0.15  # the lightness that white takes in Outlook.com's dark mode
_MIDDLE = 0.5


class MailClient(StrEnum):
    """What takes part of a mail away before it is read."""

    SENT = "sent"
    NO_IMAGES = "no-images"
    NO_STYLE = "no-style"
    GMAIL = "gmail"
    OUTLOOK_DARK = "outlook-dark"

    @property
    def has_schemes(self) -> bool:
        """Whether the mail's own dark palette may take effect."""
        return self in {MailClient.SENT, MailClient.NO_IMAGES}


def left_by(client: MailClient, html: str) -> str:
    """Return what an app leaves of a mail."""
    match client:
        case MailClient.NO_IMAGES:
            return _BACKGROUND.sub("none", _PICTURE.sub(lambda found: _ADDRESS.sub("", found[0]), html))
        case MailClient.NO_STYLE:
            return _STYLE.sub("", html)
        case MailClient.GMAIL:
            return _as_gmail(html)
        case MailClient.OUTLOOK_DARK:
            return _as_outlook_dark(html)
    return html


def _as_gmail(html: str) -> str:
    """Drop comments, styles beyond the limit, and the rules that Gmail does not support."""
    room = GMAIL_STYLE_LIMIT

    def kept(found: re.Match[str]) -> str:
        nonlocal room
        room -= len(found[2])
        return f"{found[1]}{_gmail_rules(found[2])}</style>" if room >= 0 else ""

    return _STYLE.sub(kept, _COMMENT.sub("", html))


def _gmail_rules(css: str) -> str:
    """Keep rules by element, class and id, and @media by size; one for a colour scheme goes, as do other at-rules."""
    sheet = cssutils.CSSParser(raiseExceptions=False, validate=False, loglevel=60).parseString(css)
    kept = [rule.cssText for rule in sheet if _gmail_keeps(rule)]
    return "\n".join(one.decode() if isinstance(one, bytes) else one for one in kept)


def _gmail_keeps(rule: Any) -> bool:
    if rule.type == rule.MEDIA_RULE:
        return "prefers-color-scheme" not in rule.media.mediaText
    return rule.type == rule.STYLE_RULE and not _UNSUPPORTED.search(rule.selectorText)


def _as_outlook_dark(html: str) -> str:
    """Turn light grounds dark and dark text light, as Outlook.com does, and mark what was changed as it does.

    `data-ogsc` marks a changed text colour, `data-ogsb` a ground: the mail's own rules for these then apply.
    """
    html = _COMMENT.sub("", force_scheme(html, Scheme.LIGHT))
    html = re.sub(r"<body\b", '<body data-ogsc="" data-ogsb=""', html, count=1, flags=re.IGNORECASE)
    darkened = _TAG.sub(lambda found: _darkened(found[0]), html)
    canvas = (
        f"<style>body {{ background-color: {turned('#ffffff', ground=True)}; color: {turned('#000000')}; }}</style>"
    )
    return re.sub(r"</head>", lambda found: canvas + found[0], darkened, count=1, flags=re.IGNORECASE)


def _darkened(tag: str) -> str:
    marks = dict[str, str]()

    def colour(found: re.Match[str]) -> str:
        is_ground = found[1].lower() != "color"
        marks["data-ogsb" if is_ground else "data-ogsc"] = found[3]
        return f"{found[1]}{found[2]}{turned(found[3], ground=is_ground)}"

    changed = _COLOUR.sub(colour, tag)
    changed = _ATTRIBUTE.sub(lambda found: found[1] + turned(found[2], ground=True), changed)
    added = "".join(f' {name}="{value}"' for name, value in marks.items() if f"{name}=" not in tag)
    return re.sub(r"^<[\w:-]+", lambda found: found[0] + added, changed)


def turned(colour: str, *, ground: bool = False) -> str:
    """Return a colour in Outlook.com's dark mode: a light ground becomes dark, a dark text light; others stay."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    red, green, blue = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    if (lightness > _MIDDLE) is not ground:
        return f"#{digits}"
    lightness = 1 - lightness * (1 - _DARKEST)
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hls_to_rgb(hue, lightness, saturation))
