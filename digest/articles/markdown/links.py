"""Links in Markdown: bare addresses become links as in GFM, links that failed are found. Pure."""

import re
import unicodedata
from collections.abc import Sequence
from html import escape

from markdown_it import MarkdownIt
from markdown_it.common.normalize_url import normalizeLink
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType
from mdit_py_plugins.gfm_autolink import gfm_autolink_plugin

from digest.articles.markdown.remarks import REMARKS, Remarks
from digest.articles.placeholders import MERGE_TAG

_INSIDE = r"[^()\n]*(?:\([^()\n]*\)[^()\n]*)*"
# What is left as text although it looks like a link, a reference or a footnote.
_FAILED = re.compile(rf"!?\[(?:\^[^\[\]\n]+\]|[^\[\]]*\](?:\({_INSIDE}\)?|\[[^\[\]\n]*\]))")
_FOREIGN_END = re.compile(r"(?:(?<=[A-Za-z0-9])[^\x00-\x7f][^A-Za-z0-9]*|[^\w\x00-\x7f]+)$")
_CITED = re.compile(r"\[\d+\]\[\d+\]")
_RAW = re.compile(
    r"\*\*(?=\S)[^*\n]*|(?<=\S)\*\*|~~[^~\n]*|==[^=\n]+==|__(?=\S)[^_\n]+__|(?<=\w)(?:~\w{1,8}~|\^\w{1,8}\^)|<!--[^\n]*|\([^()\n]+\)\[(?:https?:|www\.)[^\]\n]*\]"
)
_RULED = re.compile(r"^(?=[^\n]*\|)[ \t|]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)*\|?[ \t]*$", re.MULTILINE)
_SCHEMES = {"www.": "http://", "mailto:": "", "xmpp:": "", "@": "mailto:", "http": ""}
_LOCAL_PART = re.compile(r"[A-Za-z0-9.+_-]+$")
_GAP = "\ufffc"  # stands for what was understood
_RULED_HINT = "Give the delimiter row one cell for each column, and put a blank line before the table."
_PLACEHOLDER_HINT = "It is not filled in: write what readers should see."
_FAILED_HINT = r"Percent-encode blanks as %20 and brackets as %28, define what it refers to, or write \[ for a bracket."


def install(parser: MarkdownIt) -> None:
    """Link bare addresses, and note what was left as typed."""
    parser.use(gfm_autolink_plugin)
    # Before text_join, which makes escaped and other brackets one text.
    parser.core.ruler.after("inline", "links_left", _look)


def _look(state: StateCore) -> None:
    notes = state.env.get("footnotes", {}).get("list", {}).values()
    for token in (*state.tokens, *(Token("inline", "", 0, children=note.get("tokens")) for note in notes)):
        if token.type == "inline":
            token.children = _bounded(token.children or [])
            _remark(token, state.env[REMARKS])


def note_unused(env: EnvType, written: str, remarks: Remarks) -> None:
    """Note the references whose addresses are not in the HTML that was written."""
    references = [*env.get("references", {}).items(), *((one["label"], one) for one in env.get("duplicate_refs", ()))]
    for label, one in references:
        if escape(one["href"]) not in written:
            message = f"is not used; the address {one['href']} appears nowhere in the mail"
            remarks.note(one.get("map"), f"[{label.lower()}]:", message)


def _remark(token: Token, remarks: Remarks) -> None:
    """Refuse failed links, and note what else readers would see as typed."""
    left = _left(token.children or ())
    for found in _FAILED.finditer(left):
        if not _CITED.fullmatch(found[0]):
            message = f"{found[0].strip()} is not a valid link, and would be shown as typed."
            remarks.refuse(token.map, found[0], message, _FAILED_HINT)
    for rule, text, what, hint in (
        (_RAW, left, "is not recognized; readers see it as written", ""),
        (_RULED, token.content, "does not form a table; readers see it as written", _RULED_HINT),
        (MERGE_TAG, token.content, "looks like a placeholder of another program", _PLACEHOLDER_HINT),
    ):
        for found in rule.finditer(text):
            remarks.note(token.map, found[0], what, hint)


def _left(children: Sequence[Token]) -> str:
    """Return a line's source as far as it was not understood."""
    pieces: list[str] = []
    inside = 0
    for child in children:
        if child.type in {"link_open", "link_close"} and child.markup != "autolink":
            inside += child.nesting
            pieces.append(_GAP)
        elif inside:
            continue
        elif child.type == "text":
            pieces.append(child.content)
        elif child.type in {"softbreak", "hardbreak"}:
            pieces.append("\n")
        elif child.type not in {"link_open", "link_close"}:
            pieces.append(child.markup if child.type.endswith(("_open", "_close")) and child.markup == "*" else _GAP)
    return "".join(pieces)


def _bounded(children: Sequence[Token]) -> list[Token]:
    """Return the tokens with bare addresses from their first letter to their last, where the plugin errs.

    It takes words that follow without a blank, such as a particle, and leaves what stands before a `_` and an @.
    """
    kept: list[Token] = []
    rest = ""
    for child in children:
        opening = kept[-1] if kept else child
        if child.type == "text" and opening.type == "link_open" and opening.info == "auto":
            rest = _foreign_end(child.content)
            address = _local_part(kept) + child.content.removesuffix(rest)
            scheme = next((new for old, new in _SCHEMES.items() if old in address.partition("/")[0]), "")
            opening.attrs["href"], child.content = normalizeLink(scheme + address), address
        kept.append(child)
        if rest and child.type == "link_close":
            kept.append(Token("text", "", 0, content=rest))
            rest = ""
    return kept


def _local_part(kept: list[Token]) -> str:
    """Take the beginning of a mail address from the texts before its link, and return it."""
    if not str(kept[-1].attrs["href"]).startswith("mailto:"):
        return ""
    before = ""
    for token in reversed(kept[:-1]):
        found = _LOCAL_PART.search(token.content) if token.type == "text" else None
        if not found:
            break
        token.content, before = token.content[: found.start()], found[0] + before
        if token.content:
            break
    return before


def _foreign_end(address: str) -> str:
    """Return what follows an address: wide letters directly after an ASCII letter or digit, or wide punctuation."""
    found = _FOREIGN_END.search(address)
    return found[0] if found and unicodedata.east_asian_width(found[0][0]) in {"W", "F"} else ""
