"""A long edition shrinks from its end, by rule, and what an author chose stays."""

from datetime import date

import pytest

from digest.articles.embeds import Citation
from digest.render.context import ArticleView
from digest.render.edition import render_edition
from digest.render.loader import Templates
from digest.render.shortening import lengths_of, settled, shortened_findings, steps
from tests.support.render_sample import article, edition, picture

PAPER = Citation(("Kim",), "Journal")


@pytest.mark.parametrize(
    ("one", "wanted"),
    [
        (article("a"), ("summary", "title")),
        (article("a", lead=True), ("summary",)),
        (article("a", display="full"), ()),
        (article("a", display="summary"), ()),
        (article("a", display="summary", brief=True), ("title",)),
        (article("a", body_html=""), ("title",)),
        (article("a", citation=PAPER), ("title",)),
        (article("a", read_on_url=""), ()),
    ],
)
def test_how_short_an_article_may_become(one: ArticleView, wanted: tuple[str, ...]) -> None:
    assert lengths_of(one) == wanted


def test_the_last_shrinks_first_and_the_lead_last() -> None:
    articles = [article("lead", lead=True), article("own", display="full"), article("b"), article("c")]
    assert [*steps([(one.slug, lengths_of(one)) for one in articles])] == [
        *(("c", "summary"), ("b", "summary")),
        *(("c", "title"), ("b", "title")),
        ("lead", "summary"),
    ]
    assert [*steps([])] == []


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("Words.[^1]\n\nMore.\n\n[^1]: A note.", "Words."),
        ("- one\n- two " + "words " * 20, "one; two " + "words " * 19 + "words"),
        ("| Day | Place |\n|--|--|\n| Monday | Hall |", "Day | Place; Monday | Hall"),
        ("", ""),
    ],
)
def test_an_excerpt_is_sentences_or_items(body: str, wanted: str) -> None:
    assert settled(article("a", body, summary=""), "summary").summary == wanted


@pytest.mark.parametrize("citation", [None, PAPER])
def test_a_title_leads_on_and_keeps_its_date(citation: Citation | None) -> None:
    whole = article("a", images=(picture(),), citation=citation, apply_by=date(2021, 10, 15), language="ko")
    rendered = render_edition(edition(settled(whole, "title")), Templates())
    assert [finding.id for finding in rendered.findings] == []
    assert f'<a class="a" href="{whole.read_on_url}"' in rendered.html
    assert "Apply by October 15, 2021 · Korean" in rendered.html
    assert "The summary" not in rendered.html + rendered.text
    assert whole.read_on_url in rendered.text


def test_the_check_names_ten_at_most() -> None:
    articles = [(f"a{n}", f"T{n}") for n in range(12)]
    (many,) = shortened_findings({slug: "title" for slug, _ in articles}, articles)
    assert many.message.endswith(
        "as titles that lead to the archive: " + ", ".join(f"“T{n}”" for n in range(10)) + " and 2 more"
    )
    (one,) = shortened_findings({"a3": "summary"}, articles)
    assert one.message.endswith("1 article will be shown as a summary: “T3”")
    assert [*shortened_findings({}, articles)] == []
