"""Laws of what is searched for: folding is stable, blind to case and to how characters were typed."""

from unicodedata import normalize

from hypothesis import given
from hypothesis import strategies as st

from digest.editions.search_terms import MAX_QUERY, MAX_WORDS, fold, shortened, words_of

ANY = st.text(st.characters(exclude_categories=()))  # lone surrogates and controls too


@given(ANY)
def test_what_is_folded_stays_as_it_is(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text("abcDEF가각스마트ßﬁé 1"))
def test_case_and_composition_do_not_matter(text: str) -> None:
    assert fold(text.upper()) == fold(text) == fold(normalize("NFD", text))


@given(ANY)
def test_a_database_can_hold_what_is_folded(text: str) -> None:
    folded = fold(text)
    assert "\0" not in folded
    folded.encode()


@given(ANY, ANY, ANY)
def test_a_word_is_found_in_every_text_that_has_it(before: str, word: str, after: str) -> None:
    # At the seam characters may combine to another one, so a blank stands there.
    text = fold(f"{before} {word} {after}")
    assert all(found in text for found in words_of(word))


@given(st.text(min_size=MAX_QUERY * 2))
def test_a_long_query_is_cut(text: str) -> None:
    assert len(shortened(text)) <= MAX_QUERY
    assert len(words_of(text)) <= MAX_WORDS
