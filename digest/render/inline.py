"""CSS inlining by premailer; style blocks of MJML stay as they are."""

import logging
import re
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType
from typing import Any

import cssutils
import premailer.cache
import premailer.premailer
from lxml import etree
from premailer import Premailer

from digest.render.markup import conserved
from digest.render.selectors import ElementIndex
from digest.runtime.errors import ContentError

# Some mail apps show three digits as another colour.
cssutils.ser.prefs.minimizeColorHash = False

_BY_XPATH = premailer.premailer._create_cssselector  # noqa: SLF001 - what it would call itself
_DOCTYPE = re.compile(r"^\s*<!doctype html>", re.IGNORECASE)
_STYLE_OR_COMMENT = re.compile(r"<!--.*?-->|<style(?=[\s>])", re.DOTALL)
_IGNORE = ' data-premailer="ignore"'
# Word takes an image's width from the attribute; premailer would write the style's 100% over it.
_KEPT_ATTRIBUTES = ["width", "height", "align", "valign", "bgcolor"]
_OPTIONS: dict[str, Any] = {
    "allow_network": False,
    "strip_important": False,
    "keep_style_tags": False,
    "align_floating_images": False,
    "remove_unset_properties": False,
    "disable_validation": True,
    "cache_css_parsing": False,  # we keep the rules ourselves
    "disable_basic_attributes": _KEPT_ATTRIBUTES,
    "cssutils_logging_level": logging.CRITICAL,
}


def inline(html: str, css: str) -> str:
    """Return the HTML with `css` in style attributes, the same bytes for the same arguments, without network access.

    Raises ContentError where text or a link would be lost, or the markup is unreadable.
    """
    prepared = _STYLE_OR_COMMENT.sub(_protect, _DOCTYPE.sub("<!DOCTYPE html>", html, count=1))
    try:
        inlined = _transform(prepared, css)
    except TypeError:
        # One cache serves three functions of premailer, by arguments alone: style="p" once makes all later runs fail.
        premailer.cache.cache.clear()
        inlined = _retry(prepared, css)
    inlined = inlined.replace(_IGNORE, "")
    conserved(html, inlined, "CSS inlining")
    return inlined


def _protect(match: re.Match[str]) -> str:
    return match[0] if match[0].startswith("<!--") else match[0] + _IGNORE


def _retry(prepared: str, css: str) -> str:
    try:
        return _transform(prepared, css)
    except TypeError as error:
        raise ContentError(
            "A style attribute in the mail cannot be processed by the CSS inliner.", hint="Use classes instead."
        ) from error
    finally:
        premailer.cache.cache.clear()


def _transform(prepared: str, css: str) -> str:
    try:
        result = _Inliner(prepared, css_text=css, **_OPTIONS).transform(pretty_print=False)
    except etree.LxmlError as error:
        raise ContentError(f"The mail's HTML cannot be read: {error}.", hint="Correct the template.") from error
    return str(result)


class _Inliner(Premailer):  # type: ignore[misc]
    """Premailer with a cache of parsed style sheets, which all editions of an issue share, and a quick selection."""

    def transform(self, *args: Any, **options: Any) -> Any:
        """Inline, and find the elements of a rule without XPath where that is possible."""
        selections: list[ElementIndex] = []

        def selector(css: str) -> Callable[[Any], list[Any]]:
            def select(page: Any) -> list[Any]:
                selections.extend([] if selections else [ElementIndex(page, _BY_XPATH)])
                return selections[0](css)

            return select

        names, library = {**vars(premailer.premailer), "_create_cssselector": selector}, Premailer.transform
        return FunctionType(library.__code__, names, "", library.__defaults__)(self, *args, **options)

    def _parse_style_rules(self, css_body: str, ruleset_index: int) -> tuple[list[Any], list[Any]]:
        rules, leftover = _rules(css_body, ruleset_index)
        return [*rules], [*leftover]


@lru_cache(maxsize=16)
def _rules(css: str, index: int) -> tuple[list[Any], list[Any]]:
    parsed: tuple[list[Any], list[Any]] = Premailer(**_OPTIONS)._parse_style_rules(css, index)  # noqa: SLF001 - the one place where it can be kept
    return parsed
