"""Counts have the right plural."""

import pytest

from digest.runtime.text import count_of, ended


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 readers"), (1, "1 reader"), (2, "2 readers"), (1_200, "1,200 readers")]
)
def test_a_noun_follows_its_count(count: int, words: str) -> None:
    assert count_of(count, "reader") == words


def test_an_irregular_plural_is_given() -> None:
    assert [count_of(count, "delivery", "deliveries") for count in (1, 3)] == ["1 delivery", "3 deliveries"]


@pytest.mark.parametrize(
    ("text", "whole"), [("Failed", "Failed."), ("Failed.", "Failed."), ("Did you mean 'a'?", "Did you mean 'a'?")]
)
def test_a_sentence_ends_with_one_mark(text: str, whole: str) -> None:
    assert ended(text) == whole
