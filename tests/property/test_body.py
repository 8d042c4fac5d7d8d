"""Laws of bodies that hold for any text."""

import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html

from digest.articles.body import MAX_DEPTH, render_body

VOID = {"br", "hr", "img"}
ALLOWED = {
    "a": {"href", "title", "id", "name", "aria-label"},
    "ol": {"start"},
    "th": {"align", "scope", "colspan", "rowspan"},
    "td": {"align", "colspan", "rowspan"},
    "abbr": {"title"},
    "table": {"role"},
    "li": {"class"},
    "img": {"src", "alt", "title"},
    "p": {"class"},
    "div": {"class"},
    "sup": {"class"},
}
LETTERS = "*_~`[]()<>!#|-+^:&;\\\"'=\n\t "
PIECES = (
    "\n\n",
    "- ",
    "> ",
    "1. ",
    "| a | b |\n|--|:-:|\n",
    "[^1]",
    "[^1]: ",
    "^[",
    "```\n",
    "    ",
    "<script>",
    "<b>",
    "</i>",
    "<div x=1>",
    "<table><tr><td>",
    "<li>",
    "<!-- c -->",
    "<ul>",
    "</ul>",
    "• ",
    "① ",
    "www.a.example",
    "~~",
)
OTHERS = (
    "<mj-raw>",
    "<!--",
    "&#10;",
    "&nbsp;",
    "https://example.org/",
    "javascript:",
    "※",
    "{{7*7}}",
    "\u3000",
    "\u200d",
)
MARKS = st.sampled_from([*LETTERS, *PIECES, *OTHERS])
HOSTILE = st.lists(MARKS | st.text(max_size=6) | st.sampled_from(["word", "말", "é"]), max_size=40).map("".join)


class Elements(HTMLParser):
    """Checks balance, allowed names and gaps while reading."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.deepest = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert {name for name, _ in attrs} <= ALLOWED.get(tag, set()), (tag, attrs)
        for name, value in attrs:
            assert name != "href" or re.match(r"https?://|mailto:|tel:|#fn", value or ""), value
            assert "\n" not in (value or "")
        if tag not in VOID:
            self.open.append(tag)
            self.deepest = max(self.deepest, len(self.open))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@given(HOSTILE)
def test_any_text_becomes_balanced_allowed_html(text: str) -> None:
    body = render_body(text, article_key="key", language="en")
    elements = Elements()
    elements.feed(body.html)
    elements.close()
    assert elements.open == []
    assert elements.deepest <= MAX_DEPTH + 2  # footnotes stand in two elements of ours


@given(HOSTILE)
def test_no_gap_between_inline_tags_begins_with_a_newline(text: str) -> None:
    html = render_body(text, article_key="key", language="en").html
    assert not re.search(r"</(?:a|em|strong|s|sup|code)>\n\s*<(?:a|em|strong|s|sup|code)\b", html)


@given(HOSTILE)
def test_another_parser_reads_the_same_words_and_links(text: str) -> None:
    body = render_body(text, article_key="key", language="en")
    tree = lxml_html.fragment_fromstring(f"<div>{body.html}</div>")
    assert "".join(tree.text_content().split()) == "".join(body.text.split())
    assert [a.get("href") for a in tree.iter("a")] == list(body.links)


@given(st.lists(st.text(alphabet="abcdefgh가나다라é", min_size=1, max_size=12), min_size=1, max_size=20))
def test_plain_words_come_out_as_they_went_in(words: list[str]) -> None:
    assert render_body("\n".join(words), article_key="key", language="ko").text == " ".join(words)
