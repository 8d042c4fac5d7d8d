"""Markdown bodies to sanitised HTML fragments, fit for mail. Pure.

Titles, images and videos are rendered by templates.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from html.parser import HTMLParser
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from digest.articles.characters import clean, one_line
from digest.articles.embeds import ArticleImage
from digest.articles.markdown import emphasis, figures, footnotes, html, links, lists, tables
from digest.articles.markdown.remarks import REMARKS, Remarks
from digest.articles.problems import Problem
from digest.runtime.errors import ContentError
from digest.runtime.text import is_rtl

MAX_DEPTH = 40
"""Nested elements in a body. libxml2 drops text silently at about 254, mrml aborts at about 7,500."""
MAX_CHARACTERS = 100_000
"""Characters in a body; Gmail clips a whole mail at about that size."""

# The parser drops what is deeper, so its limit lies above ours for the excess to be noticed.
_PARSER_DEPTH = MAX_DEPTH + 20
_FOOTNOTE_DEPTH = 2  # elements of ours around each
_DEPTH = "depth"
_SCHEMES = {"http", "https", "mailto", "tel"}
_ATTRIBUTES = {
    "a": {"href", "title", "id", "name", "aria-label"},
    "abbr": {"title"},
    "img": {"src", "alt", "title"},
    "ol": {"start"},
    "table": {"role"},
    "th": {"align", "scope", "colspan", "rowspan"},
    "td": {"align", "colspan", "rowspan"},
}
_CLASSES = {"p": {"note", "figure"}, "li": {lists.OWN_MARK}, "div": {"footnotes", "footnote"}, "sup": {"footnote-ref"}}
_INLINE = html.INLINE - {"br"} | {"a"}
_TAGS = {
    *_INLINE,
    *"blockquote br dd img div dl dt h4 h5 hr li ol p pre table tbody td th thead tr ul".split(),  # noqa: SIM905 - a list of tags reads best as one line
}
_FORBIDDEN_IN_HOST = re.compile(r"[\s#/<>?@\\^|%\"`{}]")  # of the URL standard's list
_DEAD_LINK = re.compile(r'<a(?: title="[^"]*")?>(.*?)</a>', re.DOTALL)
_LINK_HINT = "Write [words](https://...) with the full address; mailto: and tel: also work."


@dataclass(frozen=True, slots=True)
class BodyHtml:
    """A body for a mail: `html` without style, script or image; `text` with single spaces; `links` in order.

    `links` include those of footnotes. `problems` name what must be mended, `notes` what was dropped or stays as typed,
    both with lines counted from the body's first line. `files` are its pictures and what it offers to download, whose
    addresses in `html` are still paths.
    """

    html: str
    text: str
    links: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    files: tuple[ArticleImage, ...] = ()


@lru_cache(maxsize=256)  # an article stands in many editions; the result cannot be changed
def render_body(markdown: str, *, article_key: str, language: str) -> BodyHtml:
    """Return the body as HTML, the same bytes for the same arguments.

    `article_key` makes ids of footnotes unique; `language` (BCP 47) is that of their labels for screen readers. Raises
    ContentError where the body is nested too deeply or is too long.
    """
    if len(markdown) > MAX_CHARACTERS:
        message = f"The body of {article_key} has {len(markdown):,} characters; the limit is {MAX_CHARACTERS:,}."
        raise ContentError(message, hint="Shorten it, or publish the long text on a web page and link to it.")
    source = clean(markdown)
    remarks = Remarks(source)
    env = footnotes.environment(article_key, language)
    env[REMARKS] = remarks
    tokens = _parser().parse(lists.with_bullets(source), env)
    files: list[ArticleImage] = []
    remarks.problems += [*env[footnotes.LOST], *_settle(tokens, remarks, files, joining=not language.startswith("ko"))]
    rendered = _parser().renderer.render(footnotes.place(tokens), _parser().options, env)
    written = _sanitise(rendered, "right" if is_rtl(language) else "left")
    for dead in _DEAD_LINK.findall(written):  # the sanitiser is stricter than we are
        remarks.refuse(None, dead, f"The link {dead} has no valid address.", _LINK_HINT)
    written = _DEAD_LINK.sub(r"\1", written)
    links.note_unused(env, written, remarks)
    words = _Words()
    words.feed(written)
    words.close()
    if max(env[_DEPTH], _depth(tokens), words.deepest - _FOOTNOTE_DEPTH) > MAX_DEPTH:
        message = f"The body of {article_key} is nested more than {MAX_DEPTH} elements deep."
        raise ContentError(message, hint="Flatten the lists or quotations: mail programs show about four levels well.")
    problems, notes = ([replace(one, path=article_key) for one in some] for some in (remarks.problems, remarks.notes))
    problems.sort(key=lambda problem: problem.line or 0)
    text = " ".join("".join(words.text).split())
    return BodyHtml(written, text, tuple(words.links), tuple(problems), tuple(notes), tuple(dict.fromkeys(files)))


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True, "maxNesting": _PARSER_DEPTH})
    parser.enable(["table", "strikethrough"])
    for extension in (emphasis, footnotes, html, links, lists, tables):
        extension.install(parser)
    # Measured before footnotes move to the end, which drops those whose reference the parser's own limit cut off.
    parser.core.ruler.after("inline", _DEPTH, _measure)
    # Addresses are checked in _settle, which reports problems; the parser would print a bad one as text.
    parser.validateLink = lambda url: True  # type: ignore[method-assign]  # noqa: ARG005
    # A gap that begins with a newline between two inline tags is lost by mrml, and the words join.
    parser.add_render_rule("softbreak", lambda *_: " ")
    parser.add_render_rule("hardbreak", lambda *_: "<br>")
    return parser


def _measure(state: StateCore) -> None:
    state.env[_DEPTH] = _depth(state.tokens)


def _depth(tokens: Sequence[Token]) -> int:
    deepest = level = 0
    for token in tokens:
        level += 0 if token.hidden else token.nesting
        inner = level + _depth(token.children) if token.children else level
        deepest = max(deepest, inner)
    return deepest


def _settle(tokens: Sequence[Token], remarks: Remarks, files: list[ArticleImage], *, joining: bool) -> list[Problem]:
    """Change the tokens to what mail supports; return problems with what was dropped, and add to `files`.

    `joining` drops line breaks between Chinese or Japanese characters.
    """
    problems: list[Problem] = []
    _demote_headings(tokens)
    for index, token in enumerate(tokens):
        if token.type in {"th_open", "td_open"}:
            _align(token)
        if token.type == "fence" and not token.info.strip().replace("-", "").isalpha() and token.info.strip():
            remarks.note(token.map, token.info.strip(), "is removed")  # more than the name of a language
        if token.type == "inline":
            first = token.map[0] + 1 if token.map else None
            children = html.settle(token.children or [], token.map, remarks)
            children = figures.lift(children, token.map, remarks, files)
            token.children, found = _settle_inline(_joined(children) if joining else children, first, files)
            problems += found
            if token.content.lstrip().startswith("※") and tokens[index - 1].type == "paragraph_open":
                tokens[index - 1].attrSet("class", "note")
    html.close_blocks(tokens, remarks)
    lists.mark_items(tokens)
    return problems


def _joined(children: Sequence[Token]) -> list[Token]:
    """Return the tokens without line breaks between characters that no space belongs between."""
    kept: list[Token] = []
    words = [child.content if child.type in {"text", "text_special"} else "" for child in children]
    for index, child in enumerate(children):
        before = next((word[-1] for word in reversed(words[:index]) if word), "")
        after = next((word[0] for word in words[index:] if word), "")
        if child.type == "softbreak" and emphasis.joins(before, after):
            child = Token("text", "", 0)  # noqa: PLW2901 - the same place, without its space
        kept.append(child)
    return kept


def _demote_headings(tokens: Sequence[Token]) -> None:
    """Make headings h4 and h5 without gaps: h1 to h3 are those of mail, sections and articles."""
    ranks = [int(token.tag[1]) for token in tokens if token.type == "heading_open"]
    started = False
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            started = started or int(token.tag[1]) == min(ranks)
            token.tag = "h4" if int(token.tag[1]) == min(ranks) or not started else "h5"


def _align(cell: Token) -> None:
    style = str(cell.attrs.pop("style", ""))
    if style.startswith("text-align:"):
        cell.attrSet("align", style.removeprefix("text-align:"))
    if cell.type == "th_open":
        cell.attrSet("scope", "col")


def _settle_inline(
    children: Sequence[Token], line: int | None, files: list[ArticleImage]
) -> tuple[list[Token], list[Problem]]:
    kept: list[Token] = []
    problems: list[Problem] = []
    link_kept = True
    for index, token in enumerate(children):
        match token.type:
            case "softbreak" | "hardbreak":
                line = None if line is None else line + 1
            case "text" | "text_special" | "code_inline":
                # An entity such as &#10; puts back what was cleaned from the source.
                words = clean(token.content).replace("\n", " ")
                token.content = words if token.type == "code_inline" else lists.bound(words)
            case "link_open":
                empty = children[index + 1].type == "link_close"
                file = figures.file_named(str(token.attrs["href"]))
                fault = None if file and not empty else _settle_link(token, empty=empty)
                link_kept = fault is None
                files += [file] if file and link_kept else []
                if fault and token.info != "auto":
                    problems.append(Problem("", line, fault, _LINK_HINT))
        if link_kept or token.type not in {"link_open", "link_close"}:
            kept.append(token)
    return kept, problems


def _settle_link(token: Token, *, empty: bool) -> str | None:
    """Clean a link's title; return what is wrong with its address, or None."""
    if "title" in token.attrs:
        token.attrSet("title", one_line(str(token.attrs["title"])))
    address = str(token.attrs["href"])
    fault = "has no link text" if empty else address_fault(address)
    title = f" ({token.attrs['title']})" if token.attrs.get("title") else ""
    return f"The link to {address or 'nowhere'}{title} {fault}." if fault else None


def address_fault(address: str) -> str | None:
    """Return what is wrong with a link's address as the end of a sentence, or None."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
        if _FORBIDDEN_IN_HOST.search(host or ""):
            raise ValueError(host)
    except ValueError:
        return "is not a valid address"
    if not parts.scheme:
        return "is relative, but a mail has no base address"
    if parts.scheme.lower() not in _SCHEMES:
        return f"uses {parts.scheme}:, which mail programs do not open"
    if parts.scheme.lower() in {"http", "https"} and not host:
        return "has no host name"
    return None


def _sanitise(written: str, start: str) -> str:
    cleaned = nh3.clean(
        written,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        allowed_classes=_CLASSES,
        clean_content_tags={"script", "style"},
        url_schemes=_SCHEMES,
        link_rel=None,
    )
    return html.tidy(cleaned, start).strip()


class _Words(HTMLParser):
    """Collects words and link addresses, for checks that later stages lose none."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.links: list[str] = []
        self.deepest = self._deep = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"br", "hr", "img"}:
            self._deep += 1
            self.deepest = max(self.deepest, self._deep)
        if tag not in _INLINE:
            self.text.append(" ")
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]

    def handle_endtag(self, tag: str) -> None:
        self._deep -= 1
        if tag not in _INLINE:
            self.text.append(" ")

    def handle_data(self, data: str) -> None:
        self.text.append(data)
