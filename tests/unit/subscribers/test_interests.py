"""Interests: their one text, and how topics meet them."""

import pytest

from subscribers.errors import InterestUnknownError
from subscribers.interests import ALL, Catalogue

CATALOGUE = Catalogue(["mobility", "safety", "certification"], {"certification": ["certificates", "cert"]})


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("safety;mobility", "mobility;safety"),
        (" safety ; safety;;", "safety"),
        ("*", "*"),
        ("mobility;*", "*"),
        ("", ""),
        (";", ""),
        ("certificates;cert;certification", "certification"),
    ],
)
def test_interests_have_one_text(text: str, canonical: str) -> None:
    assert CATALOGUE.canonical(CATALOGUE.choose(text)) == canonical


def test_an_unknown_interest_is_refused_with_the_nearest_known() -> None:
    with pytest.raises(InterestUnknownError, match="did you mean 'mobility'"):
        CATALOGUE.choose("mobilty")


def test_stored_interests_are_read_even_when_one_has_vanished() -> None:
    assert CATALOGUE.parse("gone;safety") == {"safety"}
    assert CATALOGUE.vanished("gone;safety;cert") == ("gone",)


@pytest.mark.parametrize(
    ("topics", "interests", "matches"),
    [
        ([], "", True),
        ([], "safety", True),
        (["safety"], "", False),
        (["safety"], "*", True),
        (["safety", "mobility"], "mobility", True),
        (["safety"], "mobility", False),
        (["cert"], "certification", True),
        (["unheard-of"], "*", True),
        (["unheard-of"], "mobility", False),
    ],
)
def test_an_article_meets_who_asked_for_one_of_its_topics(topics: list[str], interests: str, matches: bool) -> None:
    assert CATALOGUE.matches(topics, CATALOGUE.parse(interests)) is matches


def test_everything_is_more_than_all_there_is_now() -> None:
    assert CATALOGUE.parse("mobility;safety;certification") != ALL
