"""Bodies: what Markdown becomes, and what hostile text does not become."""

import re
from html.parser import HTMLParser

import pytest

from digest.articles.body import MAX_CHARACTERS, MAX_DEPTH, BodyHtml, render_body
from digest.articles.embeds import ArticleImage
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
    assert '<th align="left" scope="col">a</th>' in html
    assert '<th align="right" scope="col">a</th>' in render("| a |\n|---|", language="ar").html
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
    assert 'aria-label="Footnote [1]"' in render(text, language="en-GB").html
    assert 'aria-label="각주 [1]"' in render(text, language="ko").html
    assert "aria-label" not in render(text, language="eo").html


def test_a_footnote_that_begins_with_a_list_shows_its_number() -> None:
    body = render("a[^1]\n\n[^1]:\n    - x\n    - y")
    assert body.text == "a[1] [1] x y"


@pytest.mark.parametrize(
    ("markdown", "line", "words"),
    [
        ("x\n\n[^a]: lost words", 3, "[^a] is defined but not used"),
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
        "https://exa|mple.org/",
        "https://example.org:port/",
        "https://a%00b/",
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
    assert "no link text" in body.problems[0].message


@pytest.mark.parametrize(
    "address", ["https://example.org/", "http://example.org/", "mailto:a@example.org", "tel:+82212345678"]
)
def test_addresses_that_mails_can_carry_stay(address: str) -> None:
    assert render(f"[words]({address})").links == (address,)
    assert render(f"[words]({address})").problems == ()


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("a\n\n![The *map*](map.png)\n\nb", "<p>a</p>FIGURE<p>b</p>"),
        ("a ![The map](map.png) b", "<p>a</p>FIGURE<p>b</p>"),
        ('<img src="map.png" alt="The map" width="9">', "FIGURE"),
        ("[![The map](map.png)](https://e.org/)", '<p><a href="https://e.org/">The map</a></p>FIGURE'),
        ("- ![The map](map.png)", "<ul><li>FIGURE</li></ul>"),
    ],
)
def test_a_picture_stands_between_paragraphs(markdown: str, html: str) -> None:
    body = render(markdown)
    assert re.sub(r"\n", "", body.html) == html.replace(
        "FIGURE", '<p class="figure"><img src="map.png" alt="The map"></p>'
    )
    assert body.problems == ()
    assert body.files == (ArticleImage("map.png", alt="The map", use="body"),)


def test_a_picture_without_words_is_refused() -> None:
    (problem,) = render("a\n\nb ![](map.png)").problems
    assert (problem.line, problem.message) == (3, "The picture map.png has no alternative text.")


def test_files_to_download_are_named_by_their_paths() -> None:
    body = render('[a](x/b%20c.PDF) [d](e.html) [f](https://e.org/g.pdf) ![h](i.png "Caption")')
    assert set(body.files) == {
        ArticleImage("x/b c.PDF", use="file"),
        ArticleImage("i.png", alt="h", caption="Caption", use="body"),
    }
    assert [problem.message.split(" is ")[0] for problem in body.problems] == ["The link to e.html"]


@pytest.mark.parametrize(
    ("hostile", "html", "note"),
    [
        ("<script>alert(1)</script>", "", "<script>alert(1)</script> is removed."),
        (
            "</mj-text><mj-raw><script>x</script>",
            "<p>&lt;/mj-text&gt;&lt;mj-raw&gt;</p>",
            "<mj-raw> is not an HTML tag",
        ),
        ('"><mj-raw>', '<p>"&gt;&lt;mj-raw&gt;</p>', "<mj-raw> is not an HTML tag"),
        ("<!-- [if mso]> x <![endif]-->", "", "<!-- [if mso]> x <![endif]--> is removed."),
        ("<style>p{display:none}</style>", "", "<style>p{display:none}</style> is removed."),
        ('<b onclick="y">z</b>', "<p><b>z</b></p>", '<b onclick="y"> loses everything except its name.'),
        ("a <script>b", "<p>a b</p>", "<script> is removed."),
        ('<a name="z">a</a>', "<p>a</p>", '<a name="z"> has no target and is removed'),
        ("a <!-- b", "<p>a &lt;!-- b</p>", "<!-- b is not recognized"),
        ("<table><tr><td>", "", "<table is never closed"),
        ("a<o:p></o:p>", "<p>a</p>", "<o:p> is removed"),
        ("<![if !supportLists]>a<![endif]>", "<p>a</p>", "<![if !supportLists]> is removed."),
        ("List<String> x", "<p>List&lt;String&gt; x</p>", "<String> is not an HTML tag; readers see it as written."),
    ],
)
def test_what_no_mail_shows_is_left_out_and_named(hostile: str, html: str, note: str) -> None:
    body = render(f"first\n\n{hostile}\n\nend")
    assert "".join(body.html.split("\n")).replace("<p>first</p>", "").replace("<p>end</p>", "").strip() in {
        html,
        '<table role="presentation"><tbody><tr><td></td></tr></tbody></table>' if "table" in hostile else html,
    }
    assert [found.line for found in body.notes if found.message.startswith(note)] == [3], body.notes


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


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("A<br>B, H<sub>2</sub>O, x<sup>2</sup>", "<p>A<br>B, H<sub>2</sub>O, x<sup>2</sup></p>"),
        ("<b>**a** b</b>", "<p><b><strong>a</strong> b</b></p>"),
        ('<abbr title="World">W</abbr> <kbd>Q</kbd>', '<p><abbr title="World">W</abbr> <kbd>Q</kbd></p>'),
        ("<div>one</div><div>two</div>", "<p>one</p><p>two</p>"),
        ("<h2>Head</h2>\ntext", "<h4>Head</h4><p>text</p>"),
        ('a <a href="https://example.org/x">b</a>', '<p>a <a href="https://example.org/x">b</a></p>'),
        ("<pre>\na  <b>b</b>\n</pre>", "<pre><code>a  b</code></pre>"),
        ("<ul><li>a</li><li>**b**</li></ul>", "<ul><li>a</li><li><strong>b</strong></li></ul>"),
        (
            "<table><tr><th>a</th></tr>\n\n<tr><td>b</td></tr></table>",
            '<table><tbody><tr><th align="left" scope="col">a</th></tr><tr><td>b</td></tr></tbody></table>',
        ),
        ("<details>\n<summary>Q</summary>\n\nA **b**\n\n</details>", "<p>Q</p><p>A <strong>b</strong></p>"),
        ("a <i>b\n\nc</i> d", "<p>a <i>b</i></p><p>c d</p>"),
    ],
)
def test_html_that_authors_mean_is_kept(markdown: str, html: str) -> None:
    assert re.sub(r"\n(?=<|$)", "", render(markdown).html) == html


def test_a_note_quotes_the_source_with_its_line_and_count() -> None:
    notes = render('a\n\n<span lang="x">b</span>\n<span lang="x">c</span>\n<!-- d\ne -->').notes
    assert [(note.line, note.message) for note in notes] == [
        (3, '<span lang="x"> is removed (2 times).'),
        (5, "<!-- d e --> is removed."),
    ]


@pytest.mark.parametrize(
    ("markdown", "links"),
    [
        ("https://example.org/a_b?c=1&d=2.", ["https://example.org/a_b?c=1&d=2"]),
        ("(www.example.org)", ["http://www.example.org"]),
        ("a.b@example.org", ["mailto:a.b@example.org"]),
        ("https://example.org/a에서 봅니다", ["https://example.org/a"]),
        ("https://example.org/文章。", ["https://example.org/%E6%96%87%E7%AB%A0"]),
        ("`https://example.org` x://y", []),
        ("xmpp:a@example.org", []),
        ("www.a.example|", []),
    ],
)
def test_bare_addresses_are_links(markdown: str, links: list[str]) -> None:
    body = render(markdown)
    assert list(body.links) == links
    assert body.problems == ()
    assert "".join(body.text.split()) == "".join(markdown.replace("`", "").replace("\\", "").split())


@pytest.mark.parametrize(
    "failed",
    [
        "[x](a b)",
        "[x](tel:+82 2 1)",
        "![x](a b.png)",
        "[x][nope]",
        "[x][]",
        "[^nope]",
        "[x](https://e.org/a_(b)",
        "[*x*](a b)",
    ],
)
def test_a_link_that_failed_is_refused_with_line_and_quote(failed: str) -> None:
    (problem,) = render(f"a\n\nb\nc {failed} d").problems
    assert problem.line == 4
    assert failed.replace("*", "") in problem.message.replace("*", "")


@pytest.mark.parametrize(
    "text", [r"\[x\](a b)", "`[x](a b)`", "[a] (b)", "see [12][13]", "[x](https://example.org/)", "- [ ] a"]
)
def test_brackets_that_are_meant_are_no_failed_links(text: str) -> None:
    assert render(text).problems == ()


def test_addresses_of_unused_references_are_named() -> None:
    notes = render("a [b]\n\n[b]: https://example.org/b\n[c]: https://example.org/c\n[b]: https://example.org/d").notes
    assert [note.line for note in notes] == [4, 5]
    assert "https://example.org/c" in notes[0].message
    assert "https://example.org/d" in notes[1].message


@pytest.mark.parametrize(
    ("markdown", "quote"),
    [
        ("a **b", "**b"),
        ("a ~~b", "~~b"),
        ("a ==b== c", "==b=="),
        ("__밑줄__이다", "__밑줄__"),
        ("H~2~O", "~2~"),
        ("| a | b |\n|---|\n| c | d |", "|---|"),
        ("see (here)[https://example.org/]", "(here)[https://example.org/]"),
        ("## Head {#id}", "{#id}"),
        ('{{< figure src="x" >}}', '{{< figure src="x" >}}'),
        ("%% internal remark %%", "%% internal remark %%"),
        ("a | b\n---|---|---\nc | d", "---|---|---"),
        ("Dear *|FNAME|*", "*|FNAME|*"),
        ("Dear {{ name }}", "{{ name }}"),
        ("%%unsubscribe%%", "%%unsubscribe%%"),
    ],
)
def test_what_readers_would_see_as_typed_is_noted(markdown: str, quote: str) -> None:
    assert [note.message.startswith(quote) for note in render(markdown).notes] == [True]


def test_a_row_longer_than_its_head_is_refused() -> None:
    (problem,) = render("x\n\n> | a | b |\n> |---|---|\n> | `c|d` | e |").problems
    assert problem.line == 5
    assert "3 cells" in problem.message
    assert "would be lost: e" in problem.message
    assert render("| a | b |\n|---|---|\n| `c\\|d` |").problems == ()


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("- [ ] a\n- [x] b", '<ul><li class="own">☐ a</li><li class="own">☑ b</li></ul>'),
        ("Head\n• a\n•\tb", "<p>Head</p><ul><li>a</li><li>b</li></ul>"),
        ("① a\n②b", '<ul><li class="own">①&nbsp;a</li><li class="own">②&nbsp;b</li></ul>'),
        ("1. ① a", "<ol><li>①&nbsp;a</li></ol>"),
        ("① a\\\n② b", "<p>①&nbsp;a<br>②&nbsp;b</p>"),
        ("\uf0b7\ta", "<ul><li>a</li></ul>"),
        ("– a", "<p>– a</p>"),
        ("```\n• a\n```", "<pre><code>• a</code></pre>"),
        ("Q\n: A", "<dl><dt>Q</dt><dd>A</dd></dl>"),
        ("~~취소(선)~~은", "<p><s>취소(선)</s>은</p>"),
        ("日本\n語、\n文 a\nb", "<p>日本語、文 a b</p>"),
        ("한국\n어", "<p>한국 어</p>"),
    ],
)
def test_lists_and_lines_are_what_they_look_like(markdown: str, html: str) -> None:
    assert re.sub(r"\n(?=<|$)", "", render(markdown).html) == html
