"""HTML that authors write into Markdown: what a mail can show is kept, the rest goes and is named. Pure.

Tags become tokens of raw HTML, which the sanitiser reads as a browser would: it closes, reorders and drops.
"""

import html
import itertools
import re
from collections.abc import Sequence
from html.parser import HTMLParser

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from digest.articles.markdown.remarks import REMARKS, Remarks

INLINE = frozenset("b i em strong sub sup s del code br abbr kbd mark small".split())  # noqa: SIM905 - a list of tags reads best as one line
"""Tags within a line that are kept."""
_RENAMED = {"strike": "s", **{f"h{rank}": "h4" for rank in range(1, 7)}}
# Outside of a paragraph, and inside of what is outside of one.
_BLOCKS = frozenset("ul ol table blockquote hr dl h4".split())  # noqa: SIM905
_INNER = frozenset("li thead tbody tr th td dt dd".split())  # noqa: SIM905
# They begin a paragraph; so do their ends.
_BREAKS = frozenset(
    "address article aside body caption center details div fieldset figcaption figure footer form head header "  # noqa: SIM905
    "hgroup html legend main nav optgroup option p section summary tfoot title".split()
)
# Other words in angle brackets, such as List<String>, are an author's text.
_DROPPED = frozenset(
    "acronym applet area audio base bdi bdo big button canvas cite col colgroup data datalist dfn dir embed font "  # noqa: SIM905
    "frame frameset iframe input ins label link map meta meter nobr noframes noscript object output param picture pre "
    "progress q rp rt ruby samp script select source span style svg template textarea time track tt u var video "
    "wbr".split()
)
_HIDDEN = frozenset({"script", "style"})
_KEPT_ATTRIBUTES = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "img": {"src", "alt", "title"},
    "ol": {"start"},
    **{cell: {"align", "colspan", "rowspan"} for cell in ("td", "th")},
}
_PRE = re.compile(r"\s*<pre\b[^>]*>(.*?)</pre>\s*", re.IGNORECASE | re.DOTALL)
_ANY_TAG = re.compile(r"<!--.*?-->|</?[A-Za-z][^<>]*>", re.DOTALL)
_BLOCK_TAG = re.compile(r"(?:</p>)?<(/?)(ul|ol|table|blockquote|dl)\b[^>]*>")
# What Word writes is no tag to CommonMark: <o:p>, <![if !supportLists]>.
_OFFICE = re.compile(r"<!\[[^\]\n]*\]>|</?[A-Za-z]\w*:[A-Za-z][^<>\n]*>")
_EDGE = re.compile(r"(<p>) +| +(</p>)")
_EMPTY = re.compile(r"<p>(?:\s|<br>)*</p>\n?")
_UNALIGNED = re.compile(r"<th(?![^>]* align=)(?=[ >])")
_HEADLESS = re.compile(r"<table>(?=(?:(?!<th\b|</table>).)*</table>)", re.DOTALL)
_DROPPED_HINT = "Its text is kept. Use Markdown, or remove the tag: mail cannot show it."


class _Tag(HTMLParser):
    """One tag, read."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.name, self.closing = "", source.startswith("</")
        self.attributes: dict[str, str] = {}
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.name, self.attributes = tag, {name: value or "" for name, value in attrs}

    def handle_endtag(self, tag: str) -> None:
        self.name = self.name or tag


def install(parser: MarkdownIt) -> None:
    """Read blocks of HTML as a paragraph, so that Markdown in them is read as well."""
    parser.core.ruler.before("inline", "html_blocks", _open_blocks)


def _open_blocks(state: StateCore) -> None:
    opened: list[Token] = []
    for token in state.tokens:
        if token.type != "html_block":
            opened.append(token)
            continue
        pre = _PRE.fullmatch(token.content)
        if pre:
            for tag in _ANY_TAG.findall(pre[1]):
                state.env[REMARKS].note(token.map, tag, "is removed")
            words = html.unescape(_ANY_TAG.sub("", pre[1].removeprefix("\n")))
            opened.append(Token("code_block", "code", 0, content=words.rstrip("\n") + "\n", map=token.map))
            continue
        inline = Token("inline", "", 0, content=token.content.strip(), children=[], map=token.map)
        opened += [Token("paragraph_open", "p", 1, map=token.map), inline, Token("paragraph_close", "p", -1)]
    state.tokens = opened


def settle(children: Sequence[Token], place: Sequence[int] | None, remarks: Remarks) -> list[Token]:
    """Return the tokens of a line with tags that a mail shows; note each other one."""
    return _Line(children, place, remarks).settled()


def close_blocks(tokens: Sequence[Token], remarks: Remarks) -> None:
    """Close each list, table or quotation that a body leaves open in its own paragraph, and note it."""
    opened: list[tuple[str, Token]] = []
    for token in tokens:
        for child in token.children or () if token.type == "inline" else ():
            found = _BLOCK_TAG.fullmatch(child.content) if child.type == "html_inline" else None
            if found and not found[1]:
                opened.append((found[2], token))
            elif found and found[2] in [name for name, _ in opened]:
                del opened[max(at for at, (name, _) in enumerate(opened) if name == found[2])]
    for name, token in reversed(opened):
        remarks.note(token.map, f"<{name}", "is never closed; it is closed at the end of its paragraph")
        token.children = [*(token.children or []), Token("html_inline", "", 0, content=f"</{name}><p>")]


def tidy(sanitised: str, start: str) -> str:
    """Remove what the conversion leaves: empty paragraphs, and tables that only lay out without saying so.

    A head without an alignment stands over its column: at `start`, left or right. Browsers would centre it.
    """
    aligned = _UNALIGNED.sub(f'<th align="{start}"', _EDGE.sub(r"\1\2", sanitised))
    return _HEADLESS.sub('<table role="presentation">', _EMPTY.sub("", aligned))


class _Line:
    def __init__(self, children: Sequence[Token], place: Sequence[int] | None, remarks: Remarks) -> None:
        self._children, self._place, self._remarks = children, place, remarks
        self._open: list[tuple[str, str]] = []
        self._kept: list[Token] = []
        self._anchors = 0  # open <a> without an address

    def settled(self) -> list[Token]:
        skipped = 0
        for index, token in enumerate(self._children):
            if skipped > index:
                continue
            if token.type != "html_inline":
                self._kept.append(self._without_office(token) if token.type == "text" else token)
            elif not token.content.startswith(("<!", "<?")):
                skipped = self._tag(index, token.content)
            else:
                self._remarks.note(self._place, token.content, "is removed")
        while self._open:
            name, source = self._open.pop()
            self._remarks.note(self._place, source, "is never closed; it is closed at the end of its paragraph")
            self._close(name)
        for before, after in itertools.pairwise(self._kept):  # around what was left out
            if before.type == after.type == "text" and before.content.endswith(" "):
                after.content = after.content.lstrip(" ")
        return self._kept

    def _without_office(self, text: Token) -> Token:
        for found in _OFFICE.findall(text.content):
            if not found.startswith(("</", "<![endif")):
                self._remarks.note(self._place, found, "is removed")
        text.content = _OFFICE.sub("", text.content)
        return text

    def _tag(self, index: int, source: str) -> int:
        """Convert a tag; return the index from which to go on."""
        tag = _Tag(source)
        name = _RENAMED.get(tag.name, tag.name)
        if name in _HIDDEN and not tag.closing:
            end = next((at for at in range(index + 1, len(self._children)) if self._closes(at, name)), None)
            if end is not None:
                whole = "".join(child.content or "\n" for child in self._children[index : end + 1])
                self._remarks.note(self._place, whole, "is removed")
                return end + 1
        if name in INLINE or name == "a":
            self._inline(name, tag, source)
        elif name == "img":
            self._image(tag)
        elif name in _BLOCKS | _INNER:
            self._raw(("</p>{}" if not tag.closing and name in _BLOCKS else "{}").format(_written(name, tag)))
            if name in _BLOCKS and (tag.closing or name == "hr"):
                self._raw("<p>")
        elif name in _BREAKS:
            self._raw("</p><p>")
        elif name not in _DROPPED and ":" not in name:
            self._kept.append(Token("text", "", 0, content=source))
            self._remarks.note(self._place, source, "is not an HTML tag; readers see it as written")
            return index
        self._name_loss(name, tag, source)
        return index

    def _name_loss(self, name: str, tag: _Tag, source: str) -> None:
        shown = name in INLINE | _BLOCKS | _INNER | {"a", "img", "p", "details", "summary"}
        lost = tag.attributes.keys() - _KEPT_ATTRIBUTES.get(name, set())
        if tag.closing or (shown and not lost) or (name == "a" and "href" not in tag.attributes):
            return
        what = "loses everything except its name" if shown else "is removed"
        self._remarks.note(self._place, source, what, "" if shown else _DROPPED_HINT)

    def _closes(self, at: int, name: str) -> bool:
        child = self._children[at]
        return child.type == "html_inline" and re.fullmatch(rf"</{name}\s*>", child.content, re.IGNORECASE) is not None

    def _inline(self, name: str, tag: _Tag, source: str) -> None:
        if name == "br":
            self._kept.append(Token("hardbreak", "br", 0))
        elif not tag.closing and name == "a" and "href" not in tag.attributes:
            self._anchors += 1
            self._remarks.note(self._place, source, "has no target and is removed")
        elif not tag.closing:
            self._open.append((name, source))
            self._kept.append(_link(tag) if name == "a" else Token("html_inline", "", 0, content=_written(name, tag)))
        elif name in [opened for opened, _ in self._open]:
            while True:
                opened, _ = self._open.pop()
                self._close(opened)
                if opened == name:
                    break
        elif name == "a" and self._anchors:
            self._anchors -= 1
        else:
            self._remarks.note(self._place, source, "closes an element that is not open")

    def _close(self, name: str) -> None:
        self._kept.append(
            Token("link_close", "a", -1) if name == "a" else Token("html_inline", "", 0, content=f"</{name}>")
        )

    def _image(self, tag: _Tag) -> None:
        alt = tag.attributes.get("alt", "")
        attributes: dict[str, str | int | float] = {"src": tag.attributes.get("src", ""), "alt": ""}
        if tag.attributes.get("title"):
            attributes["title"] = tag.attributes["title"]
        text = Token("text", "", 0, content=alt)
        self._kept.append(Token("image", "img", 0, attrs=attributes, content=alt, children=[text]))

    def _raw(self, content: str) -> None:
        self._kept.append(Token("html_inline", "", 0, content=content))


def _link(tag: _Tag) -> Token:
    attributes: dict[str, str | int | float] = {
        name: value for name, value in tag.attributes.items() if name in _KEPT_ATTRIBUTES["a"]
    }
    return Token("link_open", "a", 1, attrs=attributes)


def _written(name: str, tag: _Tag) -> str:
    if tag.closing:
        return f"</{name}>"
    kept = sorted(_KEPT_ATTRIBUTES.get(name, set()) & tag.attributes.keys())
    values = "".join(f' {key}="{html.escape(tag.attributes[key])}"' for key in kept)
    scope = ' scope="col"' if name == "th" else ""
    return f"<{name}{values}{scope}>"
