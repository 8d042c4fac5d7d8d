"""Emphasis beside Korean, Chinese and Japanese words in Markdown. Pure.

CommonMark leaves `**"스마트"**는` as typed: after a quotation mark, a closing `**` must be followed by a space or
punctuation, but particles follow their word directly. Here a wide letter may follow as well.
"""

import unicodedata

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline, emphasis


def install(parser: MarkdownIt) -> None:
    """Let `*` open before and close after punctuation where a wide letter stands on its other side."""
    parser.inline.ruler.at("emphasis", _tokenize)


def _tokenize(state: StateInline, silent: bool) -> bool:
    start, known = state.pos, len(state.delimiters)
    if not emphasis.tokenize(state, silent):
        return False
    if state.src[start] == "*":
        before = state.src[start - 1] if start > 0 else " "
        after = state.src[state.pos] if state.pos < state.posMax else " "
        for mark in state.delimiters[known:]:
            mark.open = mark.open or (_is_wide_letter(before) and not after.isspace())
            mark.close = mark.close or (_is_wide_letter(after) and not before.isspace())
    return True


def _is_wide_letter(character: str) -> bool:
    return character.isalnum() and unicodedata.east_asian_width(character) in {"W", "F"}
