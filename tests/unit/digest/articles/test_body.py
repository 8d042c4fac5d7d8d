"""Bodies: what Markdown becomes, and what hostile text does not become."""

import re
from html.parser import HTMLParser

import pytest

from digest.articles.body import MAX_CHARACTERS, MAX_DEPTH, BodyHtml, render_body
from digest.runtime.errors import ContentError


def render(markdown: str, key: str = "story", language: str = "en") -> BodyHtml:
    return render_body(markdown, article_key=key, language=language)


class Depth(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in {"br", "hr"}:
            self.now += 1
            self.most = max(self.most, self.now)

    def handle_endtag(self, tag: str) -> None:
        self.now -= 1


def test_paragraphs_emphasis_and_links() -> None:
    body = render("One *two* **three** ~~four~~ [five](https://example.org/?a=1&b=2).")
    expected = '<p>One <em>two</em> <strong>three</strong> <s>four</s> <a href="https://example.org/?a=1&amp;b=2">five</a>.</p>'
    assert body.html == expected
    assert body.text == "One two three four five."
    assert body.links == ("https://example.org/?a=1&b=2",)
    assert body.problems == ()


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ('**"스마트"**는', '<strong>"스마트"</strong>는'),
        ("도시**(공식)**를", "도시<strong>(공식)</strong>를"),
        ("도시**(공식)** 개막", "도시<strong>(공식)</strong> 개막"),
        ("*「東京」*で", "<em>「東京」</em>で"),
        ("**강조**합니다", "<strong>강조</strong>합니다"),
        ("2 * 3 * 4 별 * 별", "2 * 3 * 4 별 * 별"),
        ("별 **별 ** 별", "별 **별 ** 별"),
        ("별 **별 **별", "별 **별 **별"),
        ('a**"b"**c', 'a**"b"**c'),
    ],
)
def test_emphasis_holds_beside_words_that_take_particles(markdown: str, html: str) -> None:
    assert render(markdown).html == f"<p>{html}</p>"


def test_an_empty_body_is_empty() -> None:
    assert render("") == BodyHtml("", "", ())
    assert render(" \n\n\t\n") == BodyHtml("", "", ())


def test_the_same_arguments_give_the_same_bytes() -> None:
    text = "A[^1]\n\n[^1]: note\n\n| a |\n|--:|\n| 1 |\n"
    assert render(text) == render(text)


def test_headings_stay_below_the_title_of_the_article() -> None:
    body = render("# A\n\n### B\n\n###### C\n\n# D")
    assert re.findall(r"<(h\d)>(\w)", body.html) == [("h4", "A"), ("h5", "B"), ("h5", "C"), ("h4", "D")]


def test_the_first_heading_is_never_an_h5() -> None:
    assert re.findall(r"<(h\d)>(\w)", render("### A\n\n# B\n\n## C").html) == [("h4", "A"), ("h4", "B"), ("h5", "C")]
    assert re.findall(r"</(h\d)>", render("### A\n\n# B\n\n## C").html) == ["h4", "h4", "h5"]


def test_table_alignment_is_an_attribute_headers_have_a_scope() -> None:
    html = render("| a | b | c |\n|---|--:|:-:|\n| 1 | 2 | 3 |").html
    assert '<th scope="col">a</th>' in html
    assert '<th align="right" scope="col">b</th>' in html
    assert '<td align="center">3</td>' in html
    assert "style" not in html


def test_a_reference_mark_makes_a_note() -> None:
    body = render("Text ※ inside\n\n※ Only in *Korean*\n\n- ※ in a list")
    assert '<p class="note">※ Only in <em>Korean</em></p>' in body.html
    assert body.html.count("class=") == 1


def test_footnotes_carry_the_articles_key_and_a_visible_number() -> None:
    body = render("One[^a] two[^a] three^[inline].\n\n[^a]: The *note*.", key="expo")
    assert body.problems == ()
    assert '<sup class="footnote-ref"><a href="#fn-expo-1" id="fnref-expo-1" name="fnref-expo-1"' in body.html
    assert 'id="fnref-expo-1-2" name="fnref-expo-1-2"' in body.html
    assert '<div class="footnotes">' in body.html
    assert "<section" not in body.html
    assert body.text == "One[1] two[1] three[2]. [1] The note. [2] inline"
    ids = re.findall(r' id="([^"]+)"', body.html)
    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in body.links} <= set(ids)


def test_footnotes_of_two_articles_do_not_collide_by_their_keys() -> None:
    def ids(key: str) -> set[str]:
        return set(re.findall(r' id="([^"]+)"', render("a[^1]\n\n[^1]: b", key=key).html))

    keys = ["expo", "expo-2", "행사", "교통", 'x" onclick="', "a b"]
    found = [ids(key) for key in keys]
    assert all(len(one) == 2 for one in found)
    assert len(set.union(*found)) == 2 * len(keys)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", anchor) for one in found for anchor in one)


def test_footnote_labels_are_spoken_in_the_articles_language() -> None:
    text = "a[^1]\n\n[^1]: b"
    assert 'aria-label="Footnote 1"' in render(text, language="en-GB").html
    assert 'aria-label="각주 1"' in render(text, language="ko").html
    assert "aria-label" not in render(text, language="eo").html


def test_a_footnote_that_begins_with_a_list_shows_its_number() -> None:
    body = render("a[^1]\n\n[^1]:\n    - x\n    - y")
    assert body.text == "a[1] [1] x y"


@pytest.mark.parametrize(
    ("markdown", "line", "words"),
    [
        ("x\n\n[^a]: lost words", 3, "[^a] is defined but never used"),
        ("x[^a]\n\n[^a]: one\n\n[^a]: two", 5, "[^a] is defined twice"),
        ("x[^a][^b]\n\n[^a]: [^b]: two", 3, "[^b] is defined inside another"),
    ],
)
def test_footnotes_that_would_vanish_are_named(markdown: str, line: int, words: str) -> None:
    (problem,) = render(markdown).problems
    assert (problem.path, problem.line) == ("story", line)
    assert words in problem.message
    assert problem.hint


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "&#x6A;avascript:alert(1)",
        "data:text/html;base64,PHNjcmlwdD4=",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example/x",
        "/relative",
        "page.html",
        "#top",
        "https:",
        "https:/evil.example",
        "http://[::1",
        "<>",
    ],
)
def test_an_address_no_mail_can_carry_is_taken_out_and_named(address: str) -> None:
    body = render(f"first\n\nsecond\n[words]({address}) end")
    assert body.links == ()
    assert "<a" not in body.html
    assert body.text == "first second words end"
    (problem,) = body.problems
    assert problem.line == 4
    assert problem.message.startswith("The link to ")


def test_a_link_without_words_is_taken_out_and_named() -> None:
    body = render("a [](https://example.org/) b")
    assert body.html == "<p>a  b</p>"
    assert "no words" in body.problems[0].message


@pytest.mark.parametrize(
    "address", ["https://example.org/", "http://example.org/", "mailto:a@example.org", "tel:+82212345678"]
)
def test_addresses_that_mails_can_carry_stay(address: str) -> None:
    assert render(f"[words]({address})").links == (address,)
    assert render(f"[words]({address})").problems == ()


def test_an_image_in_a_body_is_named_and_its_words_stay() -> None:
    body = render("a\n\n![The map](map.png)")
    assert "<img" not in body.html
    assert body.text == "a The map"
    assert body.problems[0].line == 3
    assert "map.png" in body.problems[0].message
    assert "image:" in body.problems[0].hint


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "</mj-text><mj-raw><script>alert(1)</script>",
        '"><mj-raw>',
        "<!-- [if mso]> x <![endif]-->",
        "<style>p{display:none}</style>",
        '<a href="https://example.org" style="x" onclick="y">z</a>',
        "<table><tr><td>",
        "]]><!DOCTYPE x [<!ENTITY y 'z'>]>&y;",
    ],
)
def test_tags_are_text(hostile: str) -> None:
    body = render(f"{hostile}\n\nend")
    tags = set(re.findall(r"<[^>]*>", body.html))
    assert tags <= {"<p>", "</p>"}
    assert hostile.replace("&y;", "")[:12] in body.text


@pytest.mark.parametrize("text", ["{{7*7}}", "{% raw %}", "{#x#}", "${7*7}", "@@R_0123456789abcdef_NAME@@", "%(name)s"])
def test_what_looks_like_a_template_or_a_slot_stays_as_written(text: str) -> None:
    assert render(f"a {text} b").text == f"a {text} b"


def test_a_line_break_between_two_tags_is_a_space() -> None:
    assert render("*a*\n**b**").html == "<p><em>a</em> <strong>b</strong></p>"
    assert render("*a*&#10;**b**").html == "<p><em>a</em> <strong>b</strong></p>"
    assert render("*a*  \n**b**").html == "<p><em>a</em><br><strong>b</strong></p>"


def test_control_characters_vanish_and_text_is_composed() -> None:
    body = render("a\x00b\x0bc\ufffed\ud800e\x85f e\u0301 e&#769; &#1;\r\nlast")
    assert body.text == "abcde f é é \ufffd last"
    body.html.encode("utf-8")


def test_titles_of_links_are_one_line() -> None:
    assert 'title="a b &quot;c"' in render('[x](https://example.org "a&#10;\tb &quot;c")').html


def test_forty_elements_deep_is_kept_whole() -> None:
    lists = "\n".join("  " * level + f"- item{level}" for level in range(MAX_DEPTH // 2))
    body = render(lists)
    depth = Depth()
    depth.feed(body.html)
    assert depth.most == MAX_DEPTH
    assert body.text.split() == [f"item{level}" for level in range(MAX_DEPTH // 2)]


@pytest.mark.parametrize(
    "deep",
    [
        "\n".join("  " * level + f"- item{level}" for level in range(MAX_DEPTH // 2 + 1)),
        "- " * 10_000 + "x",
        ">" * 10_000 + "x",
        "*a " * 10_000 + "b*" * 10_000,
        "x[^a]\n\n[^a]:\n" + "".join("    " * level + "- y\n" for level in range(1, 31)),
        "[^a]:\n" + "".join("    " * level + "- y\n" for level in range(1, 80)) + "\n[^a]",
        "^[" + "*a " * 50 + "b*" * 50 + "]",
    ],
    ids=[
        "one too many",
        "lists",
        "quotations",
        "emphasis",
        "footnote",
        "footnote that swallows its reference",
        "inline footnote",
    ],
)
def test_deeper_nesting_is_refused_with_the_limit(deep: str) -> None:
    with pytest.raises(ContentError, match=f"story is nested more than {MAX_DEPTH}") as refused:
        render(deep)
    assert refused.value.hint


def test_a_body_that_is_too_long_is_refused_with_the_limit() -> None:
    with pytest.raises(ContentError, match="100,001 characters; the limit is 100,000"):
        render("x" * (MAX_CHARACTERS + 1))


@pytest.mark.parametrize(
    "piece", ["[", "![", "^[", "*a_ ", "`", "<a ", "&", "\\", "[a](", "| a ", "~~", "- a\n", "> a\n", "```\n"]
)
def test_repeated_marks_lose_no_words(piece: str) -> None:
    body = render("begin " + piece * 2_000 + "\n\nend")
    assert body.text.startswith("begin")
    assert "end" in body.html
