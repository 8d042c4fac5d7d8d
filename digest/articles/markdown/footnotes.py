"""Footnotes as `[1]` in the text and before the note, readable where links inside a mail do not work. Pure."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType
from mdit_py_plugins.footnote import footnote_plugin

from digest.articles.characters import one_line
from digest.articles.problems import Problem

LOST = "lost footnotes"
"""Key in the parser's environment of problems with definitions that the plugin would drop silently."""

# For screen readers; in other languages the bare number stays. They contain the shown text, for users of speech input.
_LABELS = {"en": ("Footnote [{}]", "Back to the text of footnote [{}]"), "ko": ("각주 [{}]", "본문으로: 각주 [{}]")}


def environment(article_key: str, language: str) -> EnvType:
    """Return the parser's environment for one body."""
    labels = _LABELS.get(language.partition("-")[0].lower(), ("", ""))
    return {"key": _anchor_key(article_key), "labels": labels, LOST: []}


def install(parser: MarkdownIt) -> None:
    """Add footnotes to the parser; tokens must pass through `place` before rendering."""
    parser.use(footnote_plugin)
    parser.core.ruler.before("footnote_tail", "footnotes_lost", _note_lost)
    parser.add_render_rule("footnote_ref", _reference)
    parser.add_render_rule("footnote_back", _back_link)
    parser.add_render_rule("footnote_block_open", lambda *_: '<div class="footnotes">\n')
    parser.add_render_rule("footnote_block_close", lambda *_: "</div>\n")
    parser.add_render_rule("footnote_open", lambda *_: '<div class="footnote">\n')
    parser.add_render_rule("footnote_close", lambda *_: "</div>\n")


def place(tokens: Sequence[Token]) -> list[Token]:
    """Return the tokens with the back link at the beginning of each footnote instead of its end."""
    placed: list[Token] = []
    for index, token in enumerate(tokens):
        if token.type == "footnote_anchor":
            continue
        placed.append(token)
        if token.type != "footnote_open":
            continue
        back = Token("footnote_back", "", 0, meta=token.meta)
        if tokens[index + 1].type == "paragraph_open":
            inline = tokens[index + 2]
            inline.children = [back, *(inline.children or [])]
        else:
            inline = Token("inline", "", 0, children=[back])
            placed += [Token("paragraph_open", "p", 1), inline, Token("paragraph_close", "p", -1)]
    return placed


def _anchor_key(article_key: str) -> str:
    """Return the key for use in an id: ASCII, since some mail apps drop other anchors."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,80}", article_key):
        return article_key
    return hashlib.sha256(article_key.encode("utf-8", "replace")).hexdigest()[:12]


def _reference(_: Any, tokens: Sequence[Token], index: int, __: Any, env: EnvType) -> str:
    number, repeat = tokens[index].meta["id"] + 1, tokens[index].meta.get("subId", 0)
    own = f"fnref-{env['key']}-{number}" + (f"-{repeat + 1}" if repeat > 0 else "")
    anchor = _anchor(own, f"fn-{env['key']}-{number}", number, env["labels"][0])
    return f'<sup class="footnote-ref">{anchor}</sup>'


def _back_link(_: Any, tokens: Sequence[Token], index: int, __: Any, env: EnvType) -> str:
    number = tokens[index].meta["id"] + 1
    return _anchor(f"fn-{env['key']}-{number}", f"fnref-{env['key']}-{number}", number, env["labels"][1]) + " "


def _anchor(own: str, target: str, number: int, label: str) -> str:
    # Outlook follows `name` only, the others `id`.
    spoken = f' aria-label="{label.format(number)}"' if label else ""
    return f'<a href="#{target}" id="{own}" name="{own}"{spoken}>[{number}]</a>'


def _note_lost(state: StateCore) -> None:
    """Record problems with nested, doubled and unused definitions, before the plugin drops them."""
    seen: dict[str, str] = {}  # label -> its first definition
    depth = 0
    for token in state.tokens:
        depth += {"footnote_reference_open": 1, "footnote_reference_close": -1}.get(token.type, 0)
        if token.type != "footnote_reference_open":
            continue
        label = token.meta["label"]
        unused = state.env["footnotes"]["refs"].get(":" + label, -1) < 0
        faults = ((depth > 1, "inside another"), (label in seen, "twice"), (unused, "but not used"))
        fault = next((what for lost, what in faults if lost), None)
        own = one_line("\n".join(state.src.split("\n")[slice(*token.map)])) if token.map else ""
        if fault:
            hint = f"Define each footnote once, at the start of a line, and refer to it as [^{label}]."
            line = token.map[0] + 1 if token.map else None
            lost = " ".join(filter(None, (seen.get(label), own)))  # which of two is lost depends on the plugin
            message = f"The footnote [^{label}] is defined {fault}, and its text would be lost: {lost}"
            state.env[LOST].append(Problem("", line, message, hint))
        seen.setdefault(label, own)
