"""An edition is a pure function of its content, whole in both parts, and never larger than mail apps show."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from digest.render.checks import HTML_WARNING, html_bytes
from digest.render.context import EditionContext, LeftOutView, NoticeContext
from digest.render.edition import render_edition
from digest.render.event_view import EventView
from digest.render.loader import Templates
from digest.render.markup import shown
from digest.render.notice import render_notice
from digest.render.notice_kind import NoticeKind
from digest.render.parts import encode
from digest.render.slots import WORST_VALUES, SlotContext, fill
from digest.runtime.errors import ContentError
from tests.support.render_sample import BASE, PUBLICATION, article, edition, picture

PROGRAM = """
from digest.render.edition import render_edition
from digest.render.loader import Templates
from tests.support.render_sample import edition
print(ascii(render_edition(edition(), Templates())))
"""
LONG = "\n\n".join(["A paragraph of an article that is really long, as they are. " * 8] * 6)


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates()


def test_same_content_same_bytes_with_other_templates_objects(templates: Templates) -> None:
    assert render_edition(edition(), templates) == render_edition(edition(), Templates())


def test_same_content_same_bytes_whatever_the_hash_seed(repo_root: Path) -> None:
    def rendered(seed: str) -> bytes:
        environment = os.environ | {"PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, cwd=repo_root, env=environment, capture_output=True, check=True).stdout

    assert rendered("1") == rendered("2")


@pytest.mark.parametrize(
    "other", [edition(subject="Another"), edition(article("lead", "Other words.", lead=True)), edition(language="ko")]
)
def test_other_content_has_other_slots(templates: Templates, other: EditionContext) -> None:
    assert render_edition(other, templates).nonce != render_edition(edition(), templates).nonce


def test_every_word_and_address_of_the_articles_is_in_both_parts(templates: Templates) -> None:
    body = (
        "One *two*\nthree [four](https://a.example/4).\n\n- five\n  - six\n\n| h | i |\n|--|--|\n| j | k |\n\n> seven"
    )
    rendered = render_edition(edition(article("all", body)), templates)
    for part in (shown(rendered.html).text, "".join(rendered.text.split())):
        assert "Onetwothreefour" in part
        assert all(word in part for word in ("five", "six", "seven"))
    assert "https://a.example/4" in rendered.html
    assert "https://a.example/4" in rendered.text
    assert rendered.findings == ()


def test_a_short_issue_is_shown_in_full(templates: Templates) -> None:
    rendered = render_edition(edition(*(article(f"a{n}", LONG) for n in range(3))), templates)
    assert " ".join(rendered.text.split()).count("really long") == 3 * 48
    assert rendered.findings == ()


def test_summaries_begin_at_the_end_and_spare_the_lead(templates: Templates) -> None:
    articles = [article(f"a{n}", LONG, lead=n == 0) for n in range(30)]
    rendered = render_edition(edition(*articles), templates)
    whole = [a.slug for a in articles if f'id="{a.anchor}"' in rendered.html and _is_whole(rendered.html, a.slug)]
    assert whole == [f"a{n}" for n in range(len(whole))]
    assert len(whole) > 3
    assert html_bytes(rendered.html, rendered.nonce) <= HTML_WARNING


def test_the_lead_is_shortened_when_nothing_else_is_left(templates: Templates) -> None:
    huge = "\n\n".join(["Words and words. " * 20] * 280)
    rendered = render_edition(edition(article("a0", huge, lead=True), article("a1", LONG)), templates)
    assert not _is_whole(rendered.html, "a0")
    assert html_bytes(rendered.html, rendered.nonce) <= HTML_WARNING


def test_as_few_articles_as_possible_are_shortened(templates: Templates) -> None:
    articles = [article(f"a{n}", LONG) for n in range(30)]
    rendered = render_edition(edition(*articles), templates)
    count = sum(_is_whole(rendered.html, a.slug) for a in articles)
    kept = [replace(a, display="full" if n <= count else "summary") for n, a in enumerate(articles)]
    one_more = render_edition(edition(*kept), templates)
    assert html_bytes(one_more.html, one_more.nonce) > HTML_WARNING


def test_an_article_that_says_how_it_is_shown_is_left_so(templates: Templates) -> None:
    articles = [article(f"a{n}", LONG, display="full") for n in range(30)]
    rendered = render_edition(edition(*articles), templates)
    assert all(_is_whole(rendered.html, a.slug) for a in articles)
    assert "html-size" in {finding.id for finding in rendered.findings}


def test_an_article_without_summary_is_cut_to_its_sentences(templates: Templates) -> None:
    rendered = render_edition(edition(article("bare", LONG, summary="", display="summary")), templates)
    words = " ".join(rendered.text.split())
    assert "A paragraph of an article that is really long, as they are. A paragraph" in words
    assert words.count("really long") == 4


def test_an_edition_in_another_language_speaks_it(templates: Templates) -> None:
    rendered = render_edition(edition(article("a", "본문", language="ko"), language="ko"), templates)
    assert '<html lang="ko" dir="ltr"' in rendered.html
    assert "수신 거부" in rendered.text
    assert "2021년 9월 30일" in rendered.text


def test_an_edition_without_extras_renders(templates: Templates) -> None:
    bare = edition(article("a", "x", summary=""), preheader="", intro_html="", left_out=(), archive_url="")
    assert render_edition(bare, templates).findings == ()


@pytest.mark.parametrize("text", ["\x00\x08\x1f", "\ufffe", "\ud800", "]]>", "<!--", "-->", "&nbsp;&lt;", "a" * 5_000])
def test_hostile_texts_are_rendered_or_left_out_break_nothing(templates: Templates, text: str) -> None:
    strange = article(
        "strange", title=f"T {text}", summary=text, date=text, sources=(text,), images=(picture(alt=text),)
    )
    context = edition(strange, preheader=text, left_out=(LeftOutView(f"L {text}", f"{BASE}/x", text, "en"),))
    rendered = render_edition(context, templates)
    filled = fill(rendered.html, rendered.nonce, WORST_VALUES, SlotContext.HTML)
    assert filled.endswith("</html>")
    encode(rendered.html, rendered.text, rendered.nonce)


def test_the_theme_of_an_edition_goes_before_the_files(templates: Templates) -> None:
    rendered = render_edition(edition(theme={"light": {"accent": "#7a1f3d"}}), templates)
    assert "#7a1f3d" in rendered.html


def test_an_error_in_a_templates_markup_names_file_and_line(tmp_path: Path) -> None:
    override = tmp_path / "email" / "components" / "left_out.mjml.j2"
    override.parent.mkdir(parents=True)
    override.write_text(
        "{% macro left_out(edition) %}\n\n<mj-section>\n  <mj-colum></mj-colum>\n</mj-section>\n{% endmacro %}"
    )
    with pytest.raises(ContentError, match=r"^email/components/left_out\.mjml\.j2, line 4: .*<mj-colum>.*mj-column"):
        render_edition(edition(), Templates(tmp_path))


def test_markup_that_only_mrml_refuses_names_file_and_line(tmp_path: Path) -> None:
    override = tmp_path / "email" / "components" / "left_out.mjml.j2"
    override.parent.mkdir(parents=True)
    override.write_text(
        "{% macro left_out(edition) %}\n<mj-section></mj-section>\n<!--[if mso]>x<![endif]-->\n{% endmacro %}"
    )
    with pytest.raises(ContentError, match=r"^email/components/left_out\.mjml\.j2, line 2: The MJML renderer rejected"):
        render_edition(edition(), Templates(tmp_path))


@pytest.mark.parametrize("kind", NoticeKind)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_notices_are_whole_in_both_languages(templates: Templates, kind: NoticeKind, language: str) -> None:
    event = EventView(
        "Issue No. 21: assembled", "It was.", "by itself", (("planned", 24),), ("digest preview",), "today"
    )
    context = NoticeContext(PUBLICATION, expires_days=7, subscribe_url=f"{BASE}/subscribe", event=event)
    rendered = render_notice(kind, language, context, templates)
    assert rendered.findings == ()
    assert f'<html lang="{language}"' in rendered.html
    assert rendered == render_notice(kind, language, context, Templates())
    values = {slot: WORST_VALUES[slot] for slot in kind.spec.slots}
    assert encode(rendered.html, rendered.text, rendered.nonce).splice(values)


def _is_whole(html: str, slug: str) -> bool:
    _, _, after = html.partition(f'id="{slug}"')
    return "really long" in after.partition("<h3")[0] or "Words and words" in after.partition("<h3")[0]


@pytest.mark.parametrize(("language", "other"), [("en", "ar"), ("ar", "en")])
def test_each_article_has_the_direction_of_its_language(templates: Templates, language: str, other: str) -> None:
    foreign = article("foreign", "- a\n\n> b\n\n| c |\n|---|\n| d |", language=other)
    html = render_edition(edition(article("own", "> e", language=language), foreign, language=language), templates).html
    direction, side, back = ("rtl", "right", "left") if other == "ar" else ("ltr", "left", "right")
    entry = html.partition('href="#foreign"')[2].partition(">")[0]
    assert f'lang="{other}" dir="{direction}"' in entry
    _, _, after = html.partition('id="foreign"')
    assert f'lang="{other}" dir="{direction}"' in after.partition(">")[0]
    card = after.partition("</div></div>")[0]
    assert f"border-{side}:3px" in card
    assert f"border-{back}:3px" not in card
    assert f'<th align="{side}"' in card
    before = html[: html.index('id="foreign"')]
    assert f"text-align:{side}" in before[before.rindex("<div") :]
    assert f"text-align:{back}" in before[: before.rindex('id="own"')].rpartition("<div")[2] or language == "en"
