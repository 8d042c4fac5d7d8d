"""Pasted HTML as Markdown: of Word, of Google Docs, of web pages, and of people who mean no good."""

import base64
import time

import pytest

from digest.articles.pasted import MAX_HTML, MAX_TEXT, markdown_of
from digest.runtime.errors import ContentError

PIXEL = b"\x89PNG\r\n\x1a\n"
IGNORED = "<![if !supportLists]><span style='mso-list:Ignore'>{}<span>&nbsp; </span></span><![endif]>"


def item(mark: str, level: int, text: str, of: str = "l0") -> str:
    style = f"text-indent:-18.0pt;mso-list:{of} level{level} lfo1"
    return f"<p class=MsoListParagraph style='{style}'>{IGNORED.format(mark)}{text}<o:p></o:p></p>\r\n"


WORD = (
    "<html xmlns:o='urn:schemas-microsoft-com:office:office'><head><style>p{color:red}</style><xml>x</xml></head><body>"
    "<!--StartFragment--><p class=MsoTitle>The title<o:p></o:p></p>"
    "<p class=MsoNormal><b><span style='font-size:14pt'>Bold</span></b>&nbsp;and <i>italic</i>, a "
    "<a href='https://example.org/a?x=1&amp;y=2'>link</a>.<!--[if gte vml 1]><v:shape></v:shape><![endif]--></p>"
    + item("·", 1, "First")
    + item("o", 2, "Nested")
    + item("·", 1, "Second")
    + "<p class=MsoNormal>Between.</p>"
    + item("1.", 1, "One", "l1")
    + item("2.", 1, "Two", "l1")
    + "<table><tr><td><p>A</p></td><td>B</td></tr><tr><td>1</td><td>2</td></tr></table>"
    f"<p><img width=9 src='data:image/png;base64,{base64.b64encode(PIXEL).decode()}' alt='A  tram'></p>"
    "<img src='file:///C:/x.png'><img src='https://t.example/pixel.gif'></body></html>"
)


def test_a_text_of_word_becomes_clean_markdown() -> None:
    text = markdown_of(WORD)
    assert text.markdown == (
        "# The title\n\n**Bold** and *italic*, a [link](https://example.org/a?x=1&y=2).\n\n"
        "- First\n  - Nested\n- Second\n\nBetween.\n\n1. One\n2. Two\n\n"
        "| A | B |\n| --- | --- |\n| 1 | 2 |\n\n![A tram](pasted-1)"
    )
    assert text.pictures == {"pasted-1": PIXEL}
    assert text.lost == 2, "nothing is fetched from elsewhere, and it is said"


@pytest.mark.parametrize(
    ("pasted", "markdown"),
    [
        ('<b style="font-weight:normal"><p><span style="font-weight:700">B</span> c</p></b>', "**B** c"),
        ("<p><a href='javascript:alert(1)'>x</a> <a name=top></a>y</p>", "x y"),
        ("<p onclick=x()>a<script>alert(1)</script><style>p{}</style><iframe src=//e></iframe></p>", "a"),
        ("<p>1 &lt; 2, &lt;script&gt; and 3 * 4</p>", "1 \\< 2, \\<script> and 3 \\* 4"),
        ("<p><b> </b><i></i>text</p>", "text"),
        ("", ""),
        ("only text", "only text"),
        ("<p>안녕하세요 <strong>여러분</strong></p>", "안녕하세요 **여러분**"),
        ("<p>\0a</p>", "a"),
        ("<p><img src='data:image/png;base64,%%%'></p>", ""),
    ],
)
def test_what_is_left_of_other_texts(pasted: str, markdown: str) -> None:
    assert markdown_of(pasted).markdown == markdown


def test_fifty_thousand_words_pass_and_more_is_refused() -> None:
    long = "".join(f"<p class=MsoNormal><b>{number}</b> {'word ' * 19}</p>" for number in range(2500))
    began = time.monotonic()
    assert len(markdown_of(long).markdown.split()) == 50_000
    assert time.monotonic() - began < 30, "no growth by the square"
    for too_long in ("<p>" + "x" * (MAX_TEXT + 1), "x" * (MAX_HTML + 1)):
        with pytest.raises(ContentError):
            markdown_of(too_long)
