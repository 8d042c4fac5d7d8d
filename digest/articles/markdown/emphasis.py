"""Emphasis beside Korean, Chinese and Japanese words in Markdown, and line breaks between them. Pure.

CommonMark leaves `**"스마트"**는` and `~~취소(선)~~은` as typed: after punctuation, a closing mark must be followed by
a space or punctuation, but particles follow their word directly. Here a wide letter may follow as well.
"""

import unicodedata
from collections.abc import Callable

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline, emphasis, strikethrough

_Rule = Callable[[StateInline, bool], bool]


def install(parser: MarkdownIt) -> None:
    """Let `*` and `~~` open before and close after punctuation where a wide letter stands on its other side."""
    parser.inline.ruler.at("emphasis", _beside_wide(emphasis.tokenize, "*"))
    parser.inline.ruler.at("strikethrough", _beside_wide(strikethrough.tokenize, "~"))


def joins(before: str, after: str) -> bool:
    """Return whether no space belongs between two characters on a line's end and the next one's beginning.

    Chinese and Japanese are written without spaces, Korean is not.
    """
    return bool(before and after) and all(
        unicodedata.east_asian_width(one) in {"W", "F"} and not unicodedata.name(one, "").startswith("HANGUL")
        for one in (before, after)
    )


def _beside_wide(tokenize: _Rule, mark: str) -> _Rule:
    def rule(state: StateInline, silent: bool) -> bool:
        start, known = state.pos, len(state.delimiters)
        if not tokenize(state, silent):
            return False
        if state.src[start] == mark:
            before = state.src[start - 1] if start > 0 else " "
            after = state.src[state.pos] if state.pos < state.posMax else " "
            for one in state.delimiters[known:]:
                one.open = one.open or (_is_wide_letter(before) and not after.isspace())
                one.close = one.close or (_is_wide_letter(after) and not before.isspace())
        return True

    return rule


def _is_wide_letter(character: str) -> bool:
    return character.isalnum() and unicodedata.east_asian_width(character) in {"W", "F"}
