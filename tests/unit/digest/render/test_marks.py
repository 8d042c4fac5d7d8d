"""Who publishes, in which language an article is, and for whom the edition was made: small lines that must not go wrong."""

from dataclasses import replace

import pytest

from digest.articles.embeds import Citation
from digest.render.context import LeftOutView
from digest.render.edition import Rendered, render_edition
from digest.render.loader import Templates
from digest.render.markup import shown
from tests.support.render_sample import BASE, PUBLICATION, article, edition

ADDRESSES = [
    ("21 Sample-daero, Sejong", "Centre\n21 Sample-daero, Sejong"),
    ("Centre, 21 Sample-daero", "Centre,\n21 Sample-daero"),
    ("(00000) Sejong, Centre", "(00000) Sejong,\nCentre"),
    ("Room 2, Centre, Sejong", "Room 2, Centre, Sejong"),
    ("Centreville 5, Sejong", "Centreville 5, Sejong"),
]


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates()


@pytest.mark.parametrize(("address", "lines"), ADDRESSES)
def test_the_sender_is_named_once_above_or_below_the_address(templates: Templates, address: str, lines: str) -> None:
    rendered = render_edition(edition(publication=replace(PUBLICATION, postal_address=address)), templates)
    assert rendered.text.rstrip().endswith(f"\n\n{lines}")
    assert f">{lines.replace(chr(10), '<br>')}</p>" in rendered.html
    assert rendered.findings == ()


def test_the_masthead_names_the_publisher_unless_it_is_the_name(templates: Templates) -> None:
    above = shown(render_edition(edition(), templates).html).text
    assert "CentreSmartCityNewsletterNo.21·September30,2021·Onceamonth" in above
    same = replace(PUBLICATION, sender_name=PUBLICATION.name)
    assert (
        "NewsletterSmart" not in shown(render_edition(edition(publication=same), templates).html).text.split("Once")[0]
    )


def _foreign(templates: Templates) -> Rendered:
    paper = Citation(authors=("Kim Su-Ji",), journal="Journal")
    articles = [article("own"), article("paper", language="ko", citation=paper, kind="citation")]
    return render_edition(
        edition(*articles, left_out=(LeftOutView("Left out", f"{BASE}/archive/21#out", "Special", "ko"),)), templates
    )


def test_the_list_of_contents_marks_articles_in_another_language(templates: Templates) -> None:
    rendered = _foreign(templates)
    contents = rendered.text.partition("==== In this issue")[2].partition("\n====")[0]
    assert contents.count("Korean") == 1
    assert "The title of paper · Korean" in contents
    assert "Thetitleofown</a></li>" in "".join(rendered.html.split())
    assert "Thetitleofpaper(Korean)" in shown(rendered.html).text


def test_articles_left_out_name_their_section_below_their_title(templates: Templates) -> None:
    assert "Left out</a><br>" in _foreign(templates).html
    assert "LeftoutSpecial·Korean" in shown(_foreign(templates).html).text


def test_the_plain_text_begins_with_the_publications_own_lines(templates: Templates) -> None:
    rendered = render_edition(edition(), templates)
    assert rendered.text.startswith("Smart City Newsletter · No. 21\n")
    assert rendered.text.index("Once a month") < rendered.text.index("What September brought.")
    assert "You receive this edition because you follow:\n" in rendered.text
