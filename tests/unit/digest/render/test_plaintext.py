"""Bodies as plain text: complete, and in lines that fit however wide the script is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.articles.body import render_body
from digest.render.plaintext import cells, plain_body, wrap


def text_of(markdown: str) -> str:
    return plain_body(render_body(markdown, article_key="a", language="en").html)


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("One\ntwo  \nthree", "One two\nthree"),
        ("One\n\nTwo", "One\n\nTwo"),
        ("## Head\n\nText", "Head\n----\n\nText"),
        ("## 제목\n\nText", "제목\n----\n\nText"),
        ("- a\n  - b\n    1. c\n- d", "- a\n  - b\n    1. c\n- d"),
        ("3. a\n4. b", "3. a\n4. b"),
        ("- a\n\n  b", "- a\n  b"),
        ("> a\n>\n> - b", "> a\n>\n> - b"),
        ("```\nx  y\n\n  z\n```", "    x  y\n\n      z"),
        ("a\n\n---\n\nb", "a\n\n* * *\n\nb"),
        ("~~a~~ **b** `c`", "a b c"),
        ("| A | B |\n|--|--|\n| 서울 | 1 |\n| x | 22 |", "A    | B\n-----+---\n서울 | 1\nx    | 22"),
        ("a[^1] b[^1]\n\n[^1]: note", "a[1] b[1]\n\n---\n[1] note"),
        ("", ""),
        ("   \n", ""),
    ],
)
def test_structure_is_kept(markdown: str, expected: str) -> None:
    assert text_of(markdown) == expected


def test_addresses_are_numbered_and_listed_once() -> None:
    text = text_of("[a](https://a.example/1) [b](https://b.example) [c](https://a.example/1)")
    assert text == "a [1] b [2] c [1]\n\n[1] https://a.example/1\n[2] https://b.example"


def test_an_address_that_is_its_own_words_is_not_repeated() -> None:
    assert text_of("<https://a.example/x>") == "https://a.example/x"


def test_numbers_of_links_go_on_after_those_of_footnotes() -> None:
    text = text_of("a[^1] [b](https://b.example)\n\n[^1]: note with [c](mailto:c@example.org)")
    assert "a[1] b [2]" in text
    assert text.endswith("[2] https://b.example\n[3] mailto:c@example.org")


def test_a_table_that_is_too_wide_becomes_blocks() -> None:
    wide = "x" * 64
    text = text_of(f"| Name | What |\n|--|--|\n| one | {wide} |\n| two | [{wide}](https://a.example) |")
    assert text.startswith(f"- Name: one\n  What: {wide}\n\n- Name: two\n  What: {wide}\n  [1]")
    assert text.endswith("[1] https://a.example")


def test_a_table_of_heads_only_is_kept() -> None:
    assert text_of(f"| {'a' * 40} | {'b' * 40} |\n|--|--|") == f"- {'a' * 40}\n  {'b' * 40}"


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("한글", 4), ("Ａ", 2), ("e\u0301", 1), ("a\u200bb", 2), ("", 0)]
)
def test_cells_are_what_a_terminal_gives(text: str, width: int) -> None:
    assert cells(text) == width


def test_korean_is_wrapped_by_cells_and_not_by_characters() -> None:
    lines = wrap("가나다라 " * 30).split("\n")
    assert all(cells(line) <= 72 for line in lines)
    assert cells(lines[0]) > 60


def test_indents_hang() -> None:
    assert wrap("aaaa bbbb cccc dddd", 14, indent="   ", first="1. ") == "1. aaaa bbbb\n   cccc dddd"


def test_long_addresses_never_break_but_long_wide_words_do() -> None:
    address = "https://example.org/" + "a" * 100
    assert address in wrap(f"See {address} there").split("\n")
    assert all(cells(line) <= 72 for line in wrap("가" * 100).split("\n"))


@pytest.mark.parametrize(
    "html", ["<p>unclosed", "</p>", "<p><b>a</p>", "<!-- c -->", "<br>", "&#0;", "<table></table>"]
)
def test_broken_html_breaks_nothing(html: str) -> None:
    assert "<" not in plain_body(html)


def test_items_with_marks_of_their_own_need_no_dash() -> None:
    html = '<ul><li class="own">☑ a<ul><li class="own">☐ b</li></ul></li><li>c</li></ul>'
    assert plain_body(html) == "☑ a\n  ☐ b\n- c"


def test_powers_are_no_longer_numbers() -> None:
    assert plain_body("<p>10<sup>6</sup> m<sup>2</sup> H<sub>2</sub>O 1<sup>st</sup></p>") == "10⁶ m² H2O 1st"


def test_terms_and_their_definitions_stand_below_each_other() -> None:
    assert plain_body("<dl><dt>Q</dt><dd>A</dd><dt>R</dt><dd>B</dd></dl>") == "Q\n    A\n\nR\n    B"


words = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=12)
blocks = st.one_of(
    words,
    st.lists(words, min_size=1, max_size=20).map(" ".join),
    st.lists(words, min_size=1, max_size=4).map(lambda items: "\n".join(f"- {i}" for i in items)),
    words.map(lambda w: f"[{w}](https://example.org/{len(w)})"),
    words.map(lambda w: f"> {w}"),
    st.tuples(words, words).map(lambda pair: f"| {pair[0]} | h |\n|--|--|\n| {pair[1]} | c |"),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(blocks, min_size=1, max_size=6).map("\n\n".join))
def test_no_word_and_no_address_is_lost(markdown: str) -> None:
    body = render_body(markdown, article_key="a", language="en")
    text = plain_body(body.html)
    squeezed = "".join(text.split())
    assert all("".join(word.split()) in squeezed for word in body.text.split())
    assert all(link in text for link in body.links)
    assert all(cells(line) <= 72 for line in text.split("\n"))
