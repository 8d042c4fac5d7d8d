"""HTML of an edition for a frame of the preview. Pure."""

import html as html_escape
import re
from enum import StrEnum


class Scheme(StrEnum):
    """Colour scheme of a mail app."""

    LIGHT = "light"
    DARK = "dark"


_MEDIA_RULE = re.compile(r"@media\b([^{};]*)\{", re.IGNORECASE)
_FEATURE = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)", re.IGNORECASE)
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_DECLARED = re.compile(r"(color-scheme\s*:\s*)light\s+dark", re.IGNORECASE)
_META = re.compile(r"""(<meta\s+name=["'](?:supported-)?color-schemes?["']\s+content=["'])[^"']*""", re.IGNORECASE)
_OUTSIDE = re.compile(r"""<a\b(?![^>]*\btarget=)(?=[^>]*\bhref=["'](?:https?:|mailto:|/))""", re.IGNORECASE)


def frame_html(html: str, scheme: Scheme, base_url: str, media: str = "/media/") -> str:
    """Return the HTML for a sandboxed frame: forced `scheme`, local pictures, links that open in another tab."""
    html = html.replace(f"{base_url}/media/", media)
    return force_scheme(_OUTSIDE.sub('<a target="_blank" rel="noopener"', html), scheme)


def force_scheme(html: str, scheme: Scheme) -> str:
    """Return `html` as it looks in `scheme`, whatever the editor's system prefers.

    In media queries, the condition for the forced scheme is removed (`all` if none is left), and a query for the other
    scheme becomes `not all`.
    """
    html = _MEDIA_RULE.sub(lambda found: f"@media {_answer(found[1], scheme)}{{", html)
    html = _DECLARED.sub(rf"\g<1>{scheme}", html)
    return _META.sub(rf"\g<1>{scheme}", html)


def _answer(queries: str, scheme: Scheme) -> str:
    return ", ".join(_answer_one(query.strip(), scheme) for query in queries.split(","))


def _answer_one(query: str, scheme: Scheme) -> str:
    wanted = {found.lower() for found in _FEATURE.findall(query)}
    if not wanted:
        return query
    if wanted != {scheme.value}:
        return "not all"
    return " and ".join(part for part in _AND.split(query) if not _FEATURE.fullmatch(part.strip())) or "all"


def plain_page(text: str, language: str, title: str) -> str:
    """Return a bare page that shows plain text or source in a fixed-width font."""
    escape = html_escape.escape
    return (
        f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        "<style>:root{color-scheme:light dark}body{margin:16px}pre{margin:0;font:14px/1.6 ui-monospace,Menlo,Consolas,"
        "'Noto Sans Mono CJK KR',monospace;white-space:pre-wrap;overflow-wrap:anywhere}</style></head>"
        f"<body><pre>{escape(text)}</pre></body></html>"
    )
