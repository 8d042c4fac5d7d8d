"""MJML to HTML by mrml, with workarounds for its defects and errors for what it would drop silently."""

import html
import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import cast

import mjml as _mjml

from digest.articles.characters import without_forbidden
from digest.render.markup import conserved, tags
from digest.render.mjml_lint import ELEMENTS, MjmlError, lint
from digest.runtime.errors import EnvironmentFailedError

MAX_DEPTH = 64
"""Nested elements in the MJML: bodies may have 40. mrml aborts the process between 7,500 and 10,000."""

_QUOTED = re.compile(r"\"([^\"]*)\"|'([^']*)'")
_POSITION = re.compile(r"position (\d+):\d+")


class RendererMissingError(EnvironmentFailedError):
    """The MJML renderer does not work."""

    default_hint = (
        "Two packages install a module named mjml: run `pip uninstall mjml mjml-python`, then install mjml-python."
    )


@cache
def _renderer() -> Callable[..., str]:
    """Return mrml's entry point, checked once: the package `mjml` installs a module of the same name."""
    entry = getattr(_mjml, "mjml2html", None)
    if not callable(entry):
        raise RendererMissingError("`mjml.mjml2html` cannot be called")
    if not isinstance(entry("<mjml><mj-body></mj-body></mjml>"), str):
        raise RendererMissingError("`mjml.mjml2html` does not return text")
    return cast("Callable[..., str]", entry)


def to_html(mjml: str) -> str:
    """Return the HTML of an MJML document, the same bytes for the same document.

    Raises MjmlError for an unknown or misplaced element or attribute, deep nesting or broken markup, ContentError where
    text or a link would be lost.
    """
    mjml = without_forbidden(mjml)
    lint(mjml, max_depth=MAX_DEPTH)
    prepared = normalise(mjml)
    try:
        # No fonts: the default is a link to a font server.
        rendered = _renderer()(prepared, fonts={})
    except ValueError as error:
        raise _refused(prepared, str(error)) from error
    conserved(mjml, rendered, "MJML rendering")
    return rendered


def _refused(prepared: str, reason: str) -> MjmlError:
    found = _POSITION.search(reason)
    if found is None:
        return MjmlError(f"The MJML renderer rejected the mail: {reason}.", None)
    # mrml counts bytes.
    offset = len(prepared.encode()[: int(found[1])].decode(errors="ignore"))
    index = sum(tag.start < offset for tag in tags(prepared)) - 1
    return MjmlError(f"The MJML renderer rejected the mail: {_POSITION.sub('this place', reason)}.", max(index, 0))


def normalise(mjml: str) -> str:
    """Return the document in a form that mrml handles: escaped attributes, and gaps between tags that it keeps."""
    out: list[str] = []
    last, ending, pre, after_mj, in_title = 0, "", 0, True, False
    for tag in tags(mjml):
        gap = mjml[last : tag.start]
        is_mj = tag.name.startswith("mj")
        out.append(
            _title(gap) if in_title else _gap(gap, inside=bool(ending), beside_mj=is_mj or after_mj, pre=pre > 0)
        )
        name = f"/{tag.name}" if tag.closing else tag.name
        out.append(mjml[tag.start : tag.end] if "=" not in tag.rest else _tag(name, tag.rest))
        if not ending and not tag.closing and not tag.void and is_mj and ELEMENTS[tag.name].ending:
            ending = tag.name
        elif tag.closing and tag.name == ending:
            ending = ""
        pre += (tag.name == "pre") * (-1 if tag.closing else 1)
        in_title = tag.name == "mj-title" and not tag.closing and not tag.void
        last, after_mj = tag.end, is_mj
    return "".join([*out, mjml[last:]])


def _gap(gap: str, *, inside: bool, beside_mj: bool, pre: bool) -> str:
    """Adapt a gap: mrml drops one that begins with a newline between inline tags, and elsewhere needs the newline."""
    if not gap or not gap.isspace() or gap == " ":
        return gap if inside or not gap.isspace() else "\n"
    if not inside:
        return "\n"
    if beside_mj or not gap.startswith("\n"):
        return gap
    return gap.replace("\n", "&#10;") if pre else " "


@lru_cache(maxsize=4096)  # templates print the same tags many times
def _tag(name: str, rest: str) -> str:
    return f"<{name}{_QUOTED.sub(_attribute, rest)}>"


def _attribute(match: re.Match[str]) -> str:
    """Escape a value: mrml prints Rust literals, so quotes, backslashes and non-ASCII must be character references."""
    value = match[1] if match[1] is not None else match[2].replace('"', "&#34;")
    return f'"{_reference(value)}"'


def _reference(value: str) -> str:
    value = re.sub(r"[\t\r\n]+", " ", value).replace("\\", "&#92;")
    return value.encode("ascii", "xmlcharrefreplace").decode()


def _title(text: str) -> str:
    # The title becomes an attribute of the mail's outermost element.
    return _reference(html.escape(html.unescape(text), quote=True))
