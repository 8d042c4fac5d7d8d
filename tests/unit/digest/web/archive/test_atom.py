"""A feed is valid whatever the titles are."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.web.archive.atom import Entry, Feed, allowed_in_xml, atom, authority_of, tag_uri
from tests.support.atom_rules import ATOM, checked

NOON = datetime(2021, 9, 30, 12, tzinfo=timezone(timedelta(hours=9)))
FEED = Feed("tag:a.example,2021-09-30:feeds/en", "News & Views", "", "We", "en", "https://a.example/feeds/en.xml",
            "https://a.example/archive?lang=en", NOON)  # fmt: skip
HOSTILE = ["<script>alert(1)</script>", "]]>", "&amp; &lt; &#0;", '" onload="x', "a\0b", "\x0b", "\ufffe\uffff", "\ud800",
           "\u202etxet", "스마트시티 🚋", "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e;", "<![CDATA[", " x "]  # fmt: skip


def entry(title: str, key: str = "x", **values: object) -> Entry:
    page = "https://a.example/archive/1?lang=en"
    made = {"summary": title, "url": f"{page}#x", "issue_url": page, "issue_title": title, "published": NOON,
            "language": "en", "topics": [("t", title)]}  # fmt: skip
    return Entry(id=tag_uri("a.example", date(2021, 9, 30), key), title=title, **{**made, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize("title", HOSTILE)
def test_a_title_is_text_and_nothing_else(title: str) -> None:
    root = checked(atom(FEED, [entry(title)]))
    assert root.findtext(f"{ATOM}entry/{ATOM}title") == allowed_in_xml(title)
    assert root.findtext(f"{ATOM}entry/{ATOM}summary") == allowed_in_xml(title)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(min_size=1).filter(lambda text: allowed_in_xml(text).strip()), max_size=5))
def test_every_text_comes_back_as_it_was(titles: list[str]) -> None:
    entries = [entry(title, str(place)) for place, title in enumerate(titles)]
    content = atom(FEED, entries)
    shown = [found.text for found in checked(content).findall(f"{ATOM}entry/{ATOM}title")]
    # XML 1.0 section 2.11: a parser turns carriage returns into newlines unless they are references.
    assert shown == [allowed_in_xml(title) for title in titles]
    assert content == atom(FEED, entries)


def test_moments_are_in_utc() -> None:
    root = checked(atom(FEED, []))
    assert root.findtext(f"{ATOM}updated") == NOON.astimezone(UTC).strftime("%Y-%m-%dT03:00:00Z")


def test_an_entry_in_another_language_says_so() -> None:
    root = checked(atom(FEED, [entry("x", language="ko"), entry("y", "y")]))
    lang = "{http://www.w3.org/XML/1998/namespace}lang"
    assert [found.get(lang) for found in root.findall(f"{ATOM}entry")] == ["ko", None]


def test_an_identifier_is_made_of_what_a_tag_uri_may_hold() -> None:
    assert tag_uri("a.example", date(2021, 9, 30), "ko", "도시/a b#") == (
        "tag:a.example,2021-09-30:ko/%EB%8F%84%EC%8B%9C%2Fa%20b%23"
    )
    assert authority_of("News <news.example.org>", "Example.ORG") == "example.org"
    assert authority_of(None, "", "-x-") == "localhost"
