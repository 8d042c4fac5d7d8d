from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.issues.assemble import Candidate, ChosenArticle, SectionRule, assemble
from digest.issues.period import Period

SEPTEMBER = Period(2021, 9)
SECTIONS = [SectionRule("lead"), SectionRule("news", cap=2)]


def choose(*candidates: Candidate, carried: dict[str, int] | None = None, first: bool = False, kept=(), dropped=()):
    return assemble(
        candidates,
        SEPTEMBER,
        SECTIONS,
        carried=carried or {},
        first_issue=first,
        kept=kept,
        out=dict.fromkeys(dropped, "dropped by hand"),
    )


def slugs(result) -> list[str]:
    return [chosen.slug for chosen in result.chosen]


def why_not(result) -> dict[str, str]:
    return {entry.slug: entry.reason for entry in result.left_out}


def test_the_period_is_taken_the_month_after_is_not() -> None:
    result = choose(
        Candidate("in", None, date(2021, 9, 1)),
        Candidate("last", None, date(2021, 9, 30)),
        Candidate("after", None, date(2021, 10, 1)),
    )
    assert slugs(result) == ["last", "in"]
    assert "after 2021-09" in why_not(result)["after"]


def test_an_uncarried_article_of_the_month_before_is_late() -> None:
    result = choose(Candidate("late", None, date(2021, 8, 31)))
    assert slugs(result) == ["late"]
    assert result.chosen[0].reason.startswith("late")


def test_the_first_issue_takes_no_late_articles() -> None:
    result = choose(Candidate("late", None, date(2021, 8, 31)), first=True)
    assert slugs(result) == []
    assert "first issue" in why_not(result)["late"]


def test_two_months_ago_is_too_old() -> None:
    assert "more than one period" in why_not(choose(Candidate("old", None, date(2021, 7, 31))))["old"]


def test_undated_goes_into_the_next_issue_assembled() -> None:
    assert slugs(choose(Candidate("undated", None, None), first=True)) == ["undated"]


def test_once_published_never_again_not_even_by_hand() -> None:
    result = choose(
        Candidate("done", None, date(2021, 9, 3)),
        carried={"done": 20},
        kept=[ChosenArticle("done", "lead", "added by hand", 0)],
    )
    assert slugs(result) == []
    assert why_not(result)["done"] == "was in issue 20"


def test_order_is_section_pin_weight_date_slug() -> None:
    result = choose(
        Candidate("b", "lead", date(2021, 9, 2)),
        Candidate("a", "lead", date(2021, 9, 2)),
        Candidate("newer", "lead", date(2021, 9, 9)),
        Candidate("second", "lead", date(2021, 9, 1), weight=20),
        Candidate("first", "lead", date(2021, 9, 1), weight=10),
        Candidate("pinned", "lead", date(2021, 9, 1), pin=True),
    )
    assert slugs(result) == ["pinned", "first", "second", "newer", "a", "b"]


def test_an_article_without_a_section_goes_to_the_first() -> None:
    assert choose(Candidate("x", None, None)).chosen[0].section == "lead"


def test_a_full_section_leaves_the_rest_for_next_time() -> None:
    result = choose(*(Candidate(f"n{i}", "news", date(2021, 9, i)) for i in (1, 2, 3)))
    assert slugs(result) == ["n3", "n2"]
    assert "full (cap 2)" in why_not(result)["n1"]


def test_a_section_the_publication_does_not_have_is_explained() -> None:
    assert "no section 'gone'" in why_not(choose(Candidate("x", "gone", date(2021, 9, 1))))["x"]


def test_an_editors_place_survives_reassembly_and_beats_the_cap() -> None:
    candidates = [Candidate(f"n{i}", "news", date(2021, 9, i)) for i in (1, 2, 3)]
    result = choose(*candidates, kept=[ChosenArticle("n1", "news", "moved by hand", 0)])
    assert slugs(result) == ["n1", "n3"]
    assert "full" in why_not(result)["n2"]


def test_what_an_editor_dropped_stays_out() -> None:
    result = choose(Candidate("x", None, date(2021, 9, 1)), dropped=["x"])
    assert why_not(result) == {"x": "dropped by hand"}


@given(
    st.lists(
        st.builds(
            Candidate,
            slug=st.text("abc", min_size=1, max_size=3),
            section=st.sampled_from([None, "lead", "news", "gone"]),
            starts_on=st.none() | st.dates(date(2021, 6, 1), date(2021, 11, 30)),
            pin=st.booleans(),
            weight=st.integers(0, 3),
        ),
        unique_by=lambda c: c.slug,
    )
)
def test_nothing_is_both_in_and_out_and_the_near_is_explained(candidates: list[Candidate]) -> None:
    result = choose(*candidates)
    chosen, left_out = set(slugs(result)), set(why_not(result))
    assert not chosen & left_out
    assert chosen | left_out == {c.slug for c in candidates}
    assert choose(*reversed(candidates)) == result


@pytest.mark.parametrize(
    ("text", "good"), [("2021-09", True), ("2021-13", False), ("2021-9", False), ("", False), ("0000-01", False)]
)
def test_periods_are_read_strictly(text: str, good: bool) -> None:
    if good:
        assert str(Period.parse(text)) == text
    else:
        with pytest.raises(Exception, match="not a period"):
            Period.parse(text)
