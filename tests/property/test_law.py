"""The law of articles: what stands in the source is in both parts of the mail, or in the report of the import.

Every word, table cell, link and picture counts, but for comments, scripts, styles and what stands beside a tag's name.
"""

import html
import os
import re
from datetime import timedelta
from unicodedata import normalize

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html

from digest.articles.body import render_body
from digest.articles.embeds import ArticleImage, PictureFile
from digest.render import figures, tables
from digest.render.mjml import to_html
from digest.render.plaintext import plain_body
from digest.runtime.errors import ContentError
from tests.support.render_sample import mjml

NUMBER = st.integers(0, 99_999)
WORD = st.builds(
    "{0}{1}{2}".format, st.sampled_from(["word", "낱말", "語", "كلمة", "słowo", "Ω", "คำ"]), NUMBER, st.just("z")
)
WORDS = re.compile(r"(?:word|낱말|語|كلمة|słowo|Ω|คำ)\d+z")
ADDRESS = st.builds("https://h{0}.example/p".format, NUMBER)
ADDRESSES = re.compile(r"https://h\d+\.example/p")
PICTURE = st.builds("p{0}q.png".format, NUMBER)
GLUE = st.sampled_from(
    [" ", "\n", "", ", ", "에서 ", "。", "\u3000", "  \n", "\t", "\\", "&amp;", "*", "_", "`", "|", "<", "[", "]"]
)
TAGS = [
    "b",
    "i",
    "em",
    "strong",
    "sub",
    "sup",
    "s",
    "br",
    "abbr",
    "kbd",
    "mark",
    "small",
    "div",
    "span",
    "font",
    "p",
    "details",
    "summary",
    "ul",
    "li",
    "table",
    "tr",
    "td",
    "th",
    "u",
    "a",
    "h2",
    "foo",
    "blockquote",
    "pre",
    "dl",
    "dt",
    "dd",
    "iframe",
    "select",
    "option",
    "textarea",
    "svg",
    "title",
    "hr",
]
TAG = st.builds(
    "<{0}{1}{2}>".format,
    st.sampled_from(["", "", "/"]),
    st.sampled_from(TAGS),
    st.sampled_from(["", ' class="k"', " x=1"]),
)
HIDDEN = st.sampled_from(
    ["<!-- hidden -->", "<script>hidden()</script>", "<style>hidden{}</style>", "<?hidden?>", "<!hidden>"]
)


def around(left: str, right: str) -> "st.SearchStrategy[str]":
    return st.deferred(lambda: INLINE).map(lambda inner: f"{left}{inner}{right}")


INLINE = st.recursive(
    WORD | WORD | ADDRESS | TAG | HIDDEN | st.sampled_from(["[^1]", "[^2]", "^[inline word5z]", "www.h1.example", "a@h.example", "{{ x }}", "**", "~~"]),
    lambda inner: st.one_of(
        st.tuples(inner, GLUE, inner).map("".join),
        st.builds("**{0}**".format, inner),
        st.builds("*{0}*{1}".format, inner, WORD),
        st.builds("~~{0}~~은".format, inner),
        st.builds("`{0}`".format, inner),
        st.builds("[{0}]({1})".format, inner, ADDRESS),
        st.builds("[{0}][r]".format, inner),
        st.builds("[{0}]({1} {2})".format, inner, ADDRESS, WORD),
        st.builds('![{0}]({1} "{2}")'.format, WORD, PICTURE, WORD),
        st.builds('<a href="{1}">{0}</a>'.format, inner, ADDRESS),
        st.builds("<b>{0}</b>".format, inner),
    ),
    max_leaves=6,
)  # fmt: skip
LINE = INLINE.map(lambda text: text.replace("\n", " "))


def table(rows: list[list[str]]) -> str:
    ruled = "|---" * len(rows[0]) + "|"
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], ruled, *lines[1:]])


BLOCK = st.one_of(
    INLINE,
    INLINE,
    st.builds("{0} {1}".format, st.sampled_from(["#", "###", ">", "-", "1.", "- [ ]", "- [x]", "•", "①", "–", "※", "    "]), INLINE),
    st.lists(st.builds("{0}{1}".format, st.sampled_from(["• ", "- ", "① ", "– ", "  - ", ""]), LINE), max_size=4).map("\n".join),
    st.lists(st.lists(LINE, min_size=2, max_size=7), min_size=2, max_size=3).map(table),
    st.builds("{0}\n: {1}".format, LINE, INLINE),
    st.builds("[^{0}]: {1}".format, st.sampled_from("12"), INLINE),
    st.builds("[{0}]: {1}".format, st.sampled_from("rs"), ADDRESS),
    st.builds("```\n{0}\n```".format, INLINE),
    st.builds("<div>\n{0}\n</div>".format, INLINE),
    st.builds("<details><summary>{0}</summary>{1}</details>".format, INLINE, INLINE),
    st.builds("<table><tr><th>{0}</th></tr><tr><td>{1}</td></tr></table>".format, INLINE, INLINE),
    st.builds("<ul>\n<li>{0}</li>\n\n<li>{1}</li>\n</ul>".format, LINE, LINE),
    st.builds("<pre>\n{0}\n</pre>".format, LINE),
    st.builds("<!-- hidden\n\n{0} -->".format, HIDDEN),
)  # fmt: skip
BODY = st.lists(BLOCK, min_size=1, max_size=6).map("\n\n".join)


def squeezed(text: str) -> str:
    return "".join(normalize("NFC", text).split())


def check(source: str, language: str = "en") -> None:
    try:
        body = render_body(source, article_key="k", language=language)
    except ContentError:  # too deep
        return
    said = squeezed(html.unescape("".join(f"{one.message} {one.hint}" for one in (*body.problems, *body.notes))))
    stored = {
        one.src: ArticleImage(one.src, one.alt, one.caption, use=one.use, file=PictureFile("a" * 64, "png", 9, 9))
        for one in body.files
    }
    shown = tables.fit(figures.place(body.html, stored, "https://d.example", str), language)
    to_html(mjml(f'<div class="body">{shown}</div>'))  # raises where the renderer would lose something
    tree = lxml_html.fragment_fromstring(shown, create_parent="div")
    words = squeezed(tree.text_content() + " ".join(tree.xpath("//img/@alt | //a/@title")))
    hrefs = " ".join(tree.xpath("//a/@href"))
    text = squeezed(plain_body(shown))
    wanted = squeezed(source)
    lost = [word for word in WORDS.findall(wanted) if not (word in words and word in text) and word not in said]
    lost += [
        one
        for one in ADDRESSES.findall(wanted)
        if not ((one in hrefs or one in words) and one in text) and one not in said
    ]
    assert lost == [], f"{source!r}\n{shown}\n{plain_body(shown)}\n{said}"


@settings(
    max_examples=int(os.environ.get("DIGEST_LAW_EXAMPLES", "60")),
    deadline=timedelta(seconds=10),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(BODY, st.sampled_from(["en", "ko", "ja", "ar"]))
def test_what_an_author_wrote_is_in_both_parts_or_named(source: str, language: str) -> None:
    check(source, language)
