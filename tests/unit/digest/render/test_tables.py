"""Tables on small screens: which are records, and that nothing is lost or doubled for readers."""

import pytest

from digest.articles.body import render_body
from digest.render.plaintext import plain_body
from digest.render.tables import fit


def fitted(markdown: str, language: str = "en") -> str:
    return fit(render_body(markdown, article_key="a", language=language).html, language)


def table(*cells: str, heads: str = "abcdefgh") -> str:
    rows = (heads[: len(cells)], ["---"] * len(cells), cells)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


@pytest.mark.parametrize(
    ("cells", "shape"),
    [
        (("one", "two", "three"), "<table>"),
        (("one two three", "030 1234567", "four"), "<table>"),
        (("Neighbourhood", "Kindergarten", "office@example.org"), '<table class="records-480">'),
        (("Neighbourhood", "Kindergarten", "office@example.org", "Community"), '<table class="records-600">'),
        (("Neighbourhood", "Kindergarten") * 3, '<p class="record">'),
        (("https://example.org/" + "a" * 60, "b"), '<p class="record">'),
        (("스마트시티통합플랫폼", "한국토지주택공사"), '<table class="records-480">'),
    ],
)
def test_the_widest_words_decide_the_shape(cells: tuple[str, ...], shape: str) -> None:
    assert fitted(table(*cells)).startswith(shape)


def test_chinese_and_japanese_may_break_anywhere() -> None:
    assert fitted(table("長い文章" * 8, "文章"), "ja").startswith("<table>")


def test_labels_are_for_small_screens_only() -> None:
    markdown = table("Neighbourhood", "Kindergarten", "office@example.org", heads=["A & B", "[c](https://e.org/)", ""])
    html = fitted(markdown)
    assert '<td><span class="label">A &amp; B: </span>Neighbourhood</td>' in html
    assert '<td><span class="label">c: </span>Kindergarten</td>' in html
    assert html.count("https://e.org/") == 1
    plain = render_body(markdown, article_key="a", language="en").html
    assert plain_body(html) == plain_body(plain)


def test_records_keep_every_cell_and_the_links_of_heads() -> None:
    heads = ["[Where](https://e.org/)", "b", "", "d", "e", "f"]
    html = fitted(
        table("Neighbourhood", "**Kindergarten**", "x", "", "Standardisation", "Commercialisation", heads=heads)
    )
    assert '<b><a href="https://e.org/">Where</a>:</b> Neighbourhood<br><b>b:</b> <strong>Kindergarten</strong>' in html
    assert "<br>x<br><b>d:</b> <br>" in html
    assert "Where: Neighbourhood" in plain_body(html).replace(" [1]", "")


@pytest.mark.parametrize(
    "markdown",
    [
        "<table><tr><th>a</th><td>b</td></tr></table>",
        "<table><tr><th colspan=2>a</th></tr><tr><td>b</td><td>c</td></tr></table>",
        "<table><tr><th>a</th></tr><tr><td><ul><li>b</li></ul></td></tr></table>",
    ],
)
def test_tables_of_another_form_stay_and_may_break_words(markdown: str) -> None:
    html = render_body(markdown, article_key="a", language="en").html
    assert fit(html, "en") == html.replace("<table>", '<table class="loose">')
