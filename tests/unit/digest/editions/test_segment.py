from hypothesis import given
from hypothesis import strategies as st

from digest.editions.segment import EmptyRule, Item, ReaderGroup, SegmentRules, segment
from subscribers.interests import Catalogue

CATALOGUE = Catalogue(["mobility", "safety", "certification"], {"mobility": ["transport"]})
RULES = SegmentRules(EmptyRule.SKIP, omit_untranslated=False, languages=("en", "ko"))


def item(slug: str, *topics: str, ko: str = "", section: str = "news") -> Item:
    slugs = {"en": slug} | ({"ko": ko} if ko else {})
    return Item(slug, section, frozenset(topics), "en", slugs)


ITEMS = [item("lead", ko="lead-ko"), item("bus", "mobility"), item("fire", "safety"), item("its", "mobility", "safety")]


def shown(segmentation, language: str, interests: str) -> list[str]:
    selection = segmentation.selections[ReaderGroup(language, interests)]
    return [] if selection is None else [slug for slug, _ in selection.shown]


def test_a_reader_gets_what_is_for_all_and_their_interests_once() -> None:
    result = segment(
        ITEMS,
        [ReaderGroup("en", "mobility;safety"), ReaderGroup("en", "mobility"), ReaderGroup("en", "")],
        CATALOGUE,
        RULES,
    )
    assert shown(result, "en", "mobility;safety") == ["lead", "bus", "fire", "its"]
    assert shown(result, "en", "mobility") == ["lead", "bus", "its"]
    assert shown(result, "en", "") == ["lead"]


def test_equal_results_are_one_edition() -> None:
    readings = [
        ReaderGroup("en", "*"),
        ReaderGroup("en", "mobility;safety"),
        ReaderGroup("en", "certification"),
        ReaderGroup("en", ""),
    ]
    assert len(segment(ITEMS, readings, CATALOGUE, RULES).distinct) == 2


def test_a_renamed_interest_keeps_its_readers() -> None:
    assert shown(segment(ITEMS, [ReaderGroup("en", "transport")], CATALOGUE, RULES), "en", "transport") == [
        "lead",
        "bus",
        "its",
    ]


def test_a_missing_translation_shows_the_original_or_is_omitted() -> None:
    reading = ReaderGroup("ko", "mobility")
    assert shown(segment(ITEMS, [reading], CATALOGUE, RULES), "ko", "mobility") == ["lead-ko", "bus", "its"]
    omit = SegmentRules(EmptyRule.SKIP, omit_untranslated=True, languages=("en", "ko"))
    assert shown(segment(ITEMS, [reading], CATALOGUE, omit), "ko", "mobility") == ["lead-ko"]


def test_an_unpublished_language_gets_the_publications_own() -> None:
    result = segment(ITEMS, [ReaderGroup("fr", ""), ReaderGroup("ko-KR", "")], CATALOGUE, RULES)
    assert shown(result, "fr", "") == ["lead"]
    assert shown(result, "ko-KR", "") == ["lead-ko"]


def test_the_rule_for_empty_editions() -> None:
    only_mobility, reading = [item("bus", "mobility")], ReaderGroup("en", "safety")
    for rule, expected, unanswered in ((EmptyRule.SKIP, [], 0), (EmptyRule.FULL, ["bus"], 0), (EmptyRule.ASK, [], 1)):
        result = segment(
            only_mobility, [reading], CATALOGUE, SegmentRules(rule, omit_untranslated=False, languages=("en",))
        )
        assert shown(result, "en", "safety") == expected
        assert len(result.unanswered) == unanswered


SLUGS = st.sampled_from(["mobility", "safety", "certification"])


@given(st.lists(st.frozensets(SLUGS), max_size=8), st.frozensets(SLUGS))
def test_an_article_is_shown_or_named_as_left_out_and_never_both(
    topics: list[frozenset[str]], interests: frozenset[str]
) -> None:
    items = [
        Item(f"a{place}", "news", of, "en", {"en": f"a{place}"}) for place, of in enumerate([frozenset(), *topics])
    ]
    reading = ReaderGroup("en", CATALOGUE.canonical(interests))
    selection = segment(items, [reading], CATALOGUE, RULES).selections[reading]
    assert selection is not None
    assert [slug for slug, _ in selection.shown] == [i.group for i in items if not i.topics or i.topics & interests]
    assert {slug for slug, _ in selection.shown} | set(selection.left_out) == {i.group for i in items}
    assert not {slug for slug, _ in selection.shown} & set(selection.left_out)


@given(st.frozensets(SLUGS), st.frozensets(SLUGS))
def test_following_more_never_shows_less(some: frozenset[str], more: frozenset[str]) -> None:
    few, many = ReaderGroup("en", CATALOGUE.canonical(some)), ReaderGroup("en", CATALOGUE.canonical(some | more))
    result = segment(ITEMS, [few, many], CATALOGUE, RULES)
    assert set(shown(result, "en", few.interests)) <= set(shown(result, "en", many.interests))


def test_an_edition_that_stays_empty_is_asked_about_not_sent() -> None:
    """Nothing is translated into Korean: the whole issue would be an empty mail."""
    omit = SegmentRules(EmptyRule.FULL, omit_untranslated=True, languages=("en", "ko"))
    reading = ReaderGroup("ko", "mobility")
    result = segment([item("bus", "mobility")], [reading], CATALOGUE, omit)
    assert result.selections[reading] is None
    assert result.unanswered == (reading,)
    assert result.distinct == ()
