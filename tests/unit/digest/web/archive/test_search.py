"""Searching the archive: the same answers on both databases, and nothing that somebody types does more than search."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from digest.publish.archive import Stored, fitting
from digest.publish.publisher import Publisher
from digest.web.archive.search import PAGE
from digest.web.http.request_limits import QUERY_OCTETS
from tests.support import web_sample
from tests.support.frozen import Frozen
from tests.support.published import draft, publish, publish_lines, set_state

ODD = "100%_sure / 50% \\ off"


@pytest.fixture
def press(frozen: Frozen, database_kind: str, tmp_path: Path, now: datetime) -> Iterator[Publisher]:
    folder = tmp_path / "workspace"
    with frozen.copy(database_kind, "searched", lambda engine, made: searched(engine, made, now), folder) as engine:
        yield web_sample.press_on(engine, folder)


def searched(engine: Engine, folder: Path, now: datetime) -> None:
    press = web_sample.press_on(engine, web_sample.workspace_in(folder))
    publish(
        press,
        1,
        [
            draft("tram", "A tram without a driver", "It **runs** in Straße 7, on the ﬁrst day.", topics=("mobility",)),
            draft(
                "tram-ko", "운전자 없는 트램", "스마트도시의 **트램**이 달립니다.", language="ko", translation_of="tram"
            ),
            draft("roof", "Roofs that cool", f"Offer: {ODD}", topics=("safety",), sources=("Ministry of Roofs",)),
            draft("all", "For everyone", "A word to all: tram.", summary="<b>not bold & more"),
        ],
        now,
    )
    publish(press, 2, [draft("bus", "A bus on demand", "It waits for you.", topics=("mobility", "safety"))], now)


def found(client: TestClient, q: str, interest: str = "", lang: str = "en") -> list[str]:
    answer = client.get(f"/archive/search?q={quote(q)}&interest={interest}&lang={lang}")
    assert answer.status_code == 200
    return re.findall(r'href="/archive/(\d+\?lang=\w+#[^"]+)"', answer.text)


def test_words_are_found_anywhere_and_lead_to_their_article(client: TestClient) -> None:
    assert found(client, "driver") == ["1?lang=en#tram"]
    assert found(client, "tram") == ["1?lang=en#tram", "1?lang=en#all"]
    assert found(client, "TRAM  Runs") == ["1?lang=en#tram"], "every word, any case, over emphasis"
    assert found(client, "ministry") == ["1?lang=en#roof"]
    assert found(client, "tram nowhere") == []


def test_korean_words_are_found_with_particles_and_in_compounds(client: TestClient) -> None:
    for word in ("도시", "스마트도시", "트램", "트램이"):
        assert found(client, word, lang="ko") == ["1?lang=ko#tram"], word
    assert found(client, "도시", lang="en") == ["1?lang=ko#tram"], "also by who reads the page in English"
    assert found(client, "tram", lang="ko") == ["1?lang=en#tram", "1?lang=ko#all"]


def test_an_article_in_two_languages_is_listed_once(client: TestClient) -> None:
    assert found(client, "", "mobility", "ko") == ["2?lang=ko#bus", "1?lang=ko#tram"]
    assert found(client, "", "mobility", "en") == ["2?lang=en#bus", "1?lang=en#tram"]


def test_characters_that_look_alike_are_alike(client: TestClient) -> None:
    assert found(client, "strasse") == found(client, "STRASSE") == ["1?lang=en#tram"]
    assert found(client, "first") == found(client, "ﬁrst") == ["1?lang=en#tram"]
    assert found(client, "ｄｒｉｖｅｒ") == ["1?lang=en#tram"]
    assert found(client, "dri\u00adver") == ["1?lang=en#tram"]
    decomposed = "\u1110\u1173\u1105\u1162\u11b7"  # 트램 as some systems type it
    assert found(client, decomposed, lang="ko") == ["1?lang=ko#tram"]


def test_an_interest_narrows_and_needs_no_word(client: TestClient) -> None:
    assert found(client, "", "safety") == ["2?lang=en#bus", "1?lang=en#roof"]
    assert found(client, "bus", "safety") == ["2?lang=en#bus"]
    assert found(client, "tram", "safety") == []
    assert found(client, "bus", "no-such-interest") == ["2?lang=en#bus"], "an interest of nobody narrows nothing"


def test_no_character_is_a_wildcard(client: TestClient) -> None:
    for wild in ("%", "_", "\\", "/", "100%", "%_", "a%b", "r_n", "[a-z]", "*", "?", "50% \\"):
        expected = ["1?lang=en#roof"] if all(word in ODD for word in wild.split()) else []
        assert found(client, wild) == expected, wild


HOSTILE = ["%00", "a%00b", "%ED%A0%80", "%F0%9F", "%C3", "'%3B+DROP+TABLE+issue%3B--", "%22%3E%3Cscript%3E", "%E2%80%AE",
           "x" * 4_000, "x" * 10_000, "a+" * 5_000, "%25" * 3_000, "%0D%0ASet-Cookie:+x=1", "{{7*7}}", "%5C%5C%27"]  # fmt: skip


def test_nothing_that_is_typed_does_more_than_search(client: TestClient, press: Publisher) -> None:
    before = web_sample.snapshot(press.engine)
    for q in HOSTILE:
        answer = client.get(f"/archive/search?q={q}")
        assert answer.status_code == (200 if len(q) < QUERY_OCTETS else 414), q[:50]
        assert "<script>" not in answer.text
        assert "set-cookie" not in answer.headers
        assert len(answer.text) < 12_000, "no long query is repeated"
    assert web_sample.snapshot(press.engine) == before


def test_pages_that_are_not_there_are_404(client: TestClient) -> None:
    for page in ("0", "-1", "2", "99999999999999999999999", "1.5", "x", "%00", "１", "1" * 5000, "'"):
        for address in (f"/archive?page={page}", f"/archive/search?q=tram&page={page}"):
            assert client.get(address).status_code == (404 if len(page) < QUERY_OCTETS else 414), page[:50]


def test_other_parameters_may_hold_anything(client: TestClient) -> None:
    for value in HOSTILE:
        for name in ("interest", "lang"):
            allowed = 200 if len(value) < QUERY_OCTETS else 414
            assert client.get(f"/archive/search?q=tram&{name}={value}").status_code == allowed
    assert client.get("/archive/search?q=tram&q=bus&page=1&page=1").status_code == 200


def test_what_was_found_is_shown_as_text_in_its_language(client: TestClient) -> None:
    page = client.get("/archive/search?q=everyone&lang=ko").text
    assert "&lt;b&gt;not bold &amp; more" in page
    assert '<h2 lang="en">' in page
    assert '<meta name="robots" content="noindex">' in page


def test_many_are_paged(client: TestClient, press: Publisher, now: datetime) -> None:
    publish(press, 3, [draft(f"many-{n}", f"Lamp {n}") for n in range(PAGE + 3)], now)
    first, second = client.get("/archive/search?q=lamp&lang=en"), client.get("/archive/search?q=lamp&lang=en&page=2")
    assert f"{PAGE + 3} articles found" in first.text
    assert (first.text.count("#many-"), second.text.count("#many-")) == (PAGE, 3)
    assert 'rel="next" href="/archive/search?lang=en&amp;q=lamp&amp;interest=&amp;page=2"' in first.text
    assert 'rel="prev" href="/archive/search?lang=en&amp;q=lamp&amp;interest="' in second.text


def test_a_long_list_of_issues_is_paged_newest_first(client: TestClient, press: Publisher, now: datetime) -> None:
    publish_lines(press, range(100, 150), now)
    pages = [client.get(f"/archive?lang=en&page={n}").text for n in (1, 2, 3)]
    numbers = [int(n) for page in pages for n in re.findall(r'<li value="(\d+)"', page)]
    assert numbers == [*range(149, 99, -1), 2, 1]
    assert "Page 2 of 3" in pages[1]


def test_nothing_of_an_issue_that_is_not_public_is_found(client: TestClient, press: Publisher, now: datetime) -> None:
    publish(press, 21, [draft("secret", "Zeppelin")], now)
    for state in ("draft", "approved", "frozen", "withdrawn"):
        set_state(press, state)
        assert found(client, "zeppelin") == []
        assert "zeppelin" not in client.get("/feeds/en.xml").text.lower()
    set_state(press, "sending")
    assert found(client, "zeppelin") == ["21?lang=en#secret"]


def test_what_an_article_became_later_is_not_found(client: TestClient, press: Publisher) -> None:
    web_sample.change_in_database(press, "bus", "A gondola on demand")
    assert found(client, "gondola") == []
    assert found(client, "bus") == ["2?lang=en#bus"]


def test_the_fullest_edition_without_what_is_kept_out_is_shown() -> None:
    whole, less, least = (Stored(n, "en", "", articles) for n, articles in enumerate((["a", "b"], ["a"], ["b"])))
    korean = Stored(9, "ko", "", ["a-ko", "b-ko"])
    stored = [whole, less, least, korean]
    assert fitting(stored, frozenset()) == {"en": whole, "ko": korean}
    assert fitting(stored, frozenset({"b", "b-ko"})) == {"en": less}
    assert fitting(stored, frozenset({"a"})) == {"en": least, "ko": korean}
    assert fitting(stored, frozenset({"a", "b"})) == {"ko": korean}
    assert fitting([less, Stored(7, "en", "", ["a"])], frozenset()) == {"en": less}, "of equals the first"
