"""Rendering of templates to HTML and plain text, for editions and notices."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from digest.articles.characters import without_forbidden
from digest.render.checks.parts import slots_in
from digest.render.heads import head_of
from digest.render.loader import Templates, merge
from digest.render.mjml import to_html
from digest.render.mjml_lint import MjmlError
from digest.render.slots import Slot
from digest.runtime.errors import ContentError

_INLINE_CSS = "email/layouts/inline.css.j2"
_GAPS = re.compile(r"\n{3,}")


def render_html(
    folder: str, language: str, variables: Mapping[str, Any], templates: Templates, nonce: str
) -> tuple[str, Counter[Slot]]:
    """Render `folder`/body.mjml.j2; return the HTML and the number of each slot in the MJML.

    Raises ContentError with template and line.
    """
    if templates.are_apart(folder):
        html, declared = json.loads(templates.apart("html", folder, language, variables, nonce))
        return html, Counter({Slot(name): count for name, count in declared.items()})
    from digest.render.inline import inline  # noqa: PLC0415 - premailer, which a worker does not need

    mjml, html = _from_mjml(folder, language, variables, templates)
    css = templates.render(_INLINE_CSS, language, variables)
    return inline(html, css), slots_in(mjml, nonce)


def render_head(folder: str, language: str, variables: Mapping[str, Any], templates: Templates) -> str:
    """Render the head of `folder`/body.mjml.j2, which costs a small part of the mail."""
    if templates.are_apart(folder):
        return templates.apart("head", folder, language, variables)
    return head_of(_from_mjml(folder, language, variables, templates)[1])


def _from_mjml(folder: str, language: str, variables: Mapping[str, Any], templates: Templates) -> tuple[str, str]:
    name = f"{folder}/body.mjml.j2"
    mjml = templates.render(name, language, variables)
    try:
        return mjml, to_html(mjml)
    except MjmlError as error:
        if error.tag_index is None:
            raise
        place = templates.line_of(name, language, variables, error.tag_index)
        raise ContentError(f"{place}: {error}", hint=error.hint) from error


def render_text(folder: str, language: str, variables: Mapping[str, Any], templates: Templates) -> str:
    """Render `folder`/body.txt.j2, without blanks at ends of lines; gaps and marks stay for `tidy`."""
    if templates.are_apart(folder):
        return templates.apart("text", folder, language, variables)
    text = without_forbidden(templates.render(f"{folder}/body.txt.j2", language, variables))
    return "\n".join(line.rstrip(" \t") for line in text.split("\n"))


def tidy(text: str) -> str:
    """Return a plain text with at most one blank line in a row and a newline at the end."""
    return _GAPS.sub("\n\n", text).strip() + "\n"


def theme_of(templates: Templates, over: Mapping[str, Any]) -> dict[str, Any]:
    """Return the templates' theme, overridden by an edition's own values."""
    return merge(templates.theme, over)
