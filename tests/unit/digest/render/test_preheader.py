"""The line beside the subject, where nobody wrote one: whole sentences of the lead, never half a figure."""

from dataclasses import replace

import pytest

from digest.render.content import PREHEADER_CHARACTERS, _default_preheader
from tests.support.render_sample import article

FIRST = "The expo was held in Goyang from 8 to 10 September."
MORE = "and companies from many countries came to see what the exhibitors had brought along with them this year"


def preheader(summary: str) -> str:
    return _default_preheader(article("lead", summary=summary))


@pytest.mark.parametrize("summary", [FIRST, "x" * PREHEADER_CHARACTERS])
def test_a_summary_that_fits_is_taken_whole(summary: str) -> None:
    assert preheader(summary) == summary


@pytest.mark.parametrize(
    "whole",
    [
        FIRST,
        f"{FIRST} Who was there?",
        f"{FIRST} What an expo (the fifth)!",
        "제5회 월드 스마트시티 엑스포가 9월 8일부터 10일까지 고양 킨텍스에서 사흘 동안 열렸습니다.",
        "世界智慧城市博览会于九月八日至十日在高阳举行。" * 2,
    ],
)
def test_a_long_summary_ends_with_its_last_whole_sentence(whole: str) -> None:
    assert preheader(f"{whole} Investors {MORE}, {MORE}.") == whole


def test_a_first_sentence_that_says_too_little_is_not_alone() -> None:
    line = preheader(f"It is over. Investors {MORE}, {MORE}.")
    assert line.startswith("It is over. Investors and")
    assert line.endswith("…")
    assert len(line) <= PREHEADER_CHARACTERS


@pytest.mark.parametrize("point", ["the U.S. ", "on the 5. ", "the no. ", "3.5 "])
def test_a_full_stop_inside_a_sentence_is_not_its_end(point: str) -> None:
    line = preheader(f"Investors {MORE[:69]} {point}Goyang {MORE}, {MORE}.")
    assert line.endswith("…")
    assert line.removesuffix("…") in f"Investors {MORE[:69]} {point}Goyang {MORE}"


@pytest.mark.parametrize("figure", ["187 billion won", "1,870억 원", "12억 9천만 원"])
@pytest.mark.parametrize("room", range(108, 140))
def test_a_figure_is_shown_with_its_unit_or_not_at_all(figure: str, room: int) -> None:
    before = ("Investors " + "and companies " * 20)[:room].rpartition(" ")[0]
    line = preheader(f"{before} worth {figure} {MORE}")
    assert len(line) <= PREHEADER_CHARACTERS
    assert figure in line or not any(sign.isdigit() for sign in line)


def test_words_without_spaces_are_cut() -> None:
    assert preheader("字" * 200) == "字" * (PREHEADER_CHARACTERS - 1) + "…"


@pytest.mark.parametrize("summary", [" ", "The title of lead", " The title\nof lead "])
def test_the_subject_is_not_said_again(summary: str) -> None:
    assert preheader(summary) == ""
    assert _default_preheader(None) == ""


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("<p>Begins <em>here</em><sup><a href='#n'>[1]</a></sup>.</p><p>And goes on.</p>", "Begins here."),
        ("<h3>Head</h3><p> </p><p>After\nit.</p>", "After it."),
        ("<p>Hello <b>bold</b><br>next line, 10<sup>6</sup> times</p>", "Hello bold next line, 10⁶ times"),
        ("<ul><li>only a list</li></ul>", ""),
        ("", ""),
    ],
)
def test_without_a_summary_the_first_paragraph_is_taken(body: str, line: str) -> None:
    assert _default_preheader(replace(article("lead", summary=""), body_html=body)) == line
