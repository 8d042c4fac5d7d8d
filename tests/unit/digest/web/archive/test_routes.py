"""Archive, view links, pictures and health on both databases; reading changes nothing."""

import html
import json
import re
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import select
from starlette.testclient import TestClient

from digest.articles.models import Media
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from subscribers.links import LinkSigner, Purpose
from tests.support import web_sample
from tests.support.published import draft, editions, publish, set_state, view_url


@pytest.fixture
def press(sent_on_each: Publisher) -> Publisher:
    return sent_on_each


def test_the_archive_lists_what_is_being_sent_or_was_sent(client: TestClient, press: Publisher) -> None:
    for state in ("sending", "sent"):
        set_state(press, state)
        assert "/archive/21?" in client.get("/archive").text
    for state in ("draft", "approved", "frozen", "withdrawn"):
        set_state(press, state)
        assert "/archive/21?" not in client.get("/archive").text
        assert "/archive/21?" not in client.get("/").text


def test_the_list_has_number_date_and_subject_in_a_language(client: TestClient) -> None:
    english = client.get("/archive?lang=en").text
    assert 'value="21"' in english
    assert 'datetime="2021-09-30"' in english
    assert "World Smart City Expo 2021 closes in Goyang" in english
    korean = client.get("/archive", headers={"Accept-Language": "ko-KR,ko;q=0.9"}).text
    assert '<html lang="ko"' in korean
    assert "스마트시티" in korean
    assert "2021년 9월 30일" in korean


def test_an_issue_is_whole_and_every_link_lands_at_its_article(client: TestClient, press: Publisher) -> None:
    page = client.get("/archive/21?lang=en").text
    wanted = {
        anchor
        for edition in editions(press)
        for anchor in re.findall(r'href="http://127\.0\.0\.1:8025/archive/21\?lang=\w+#([^"]+)"', edition.html)
    }
    assert len(wanted) > 3, "some editions leave articles out"
    targets = set(re.findall(r'\b(?:id|name)="([^"]+)"', page))
    assert wanted <= targets
    korean = client.get("/archive/21?lang=ko").text
    assert wanted <= set(re.findall(r'\b(?:id|name)="([^"]+)"', korean))


def test_a_view_link_shows_that_edition_and_no_other(client: TestClient, press: Publisher, signer: LinkSigner) -> None:
    for edition in editions(press):
        page = client.get(f"/view/{signer.token(Purpose.VIEW, edition.content_hash)}")
        assert page.status_code == 200
        assert f"<title>{html.escape(edition.subject, quote=False)}" in page.text.replace("&#39;", "'")
        shown = set(re.findall(r'\bid="([a-z0-9-]+)"', edition.html))
        assert shown <= set(re.findall(r'\bid="([a-z0-9-]+)"', page.text))


def test_a_withdrawn_issue_is_gone_everywhere(client: TestClient, press: Publisher, signer: LinkSigner) -> None:
    link = view_url(press, signer)
    set_state(press, "withdrawn")
    for path in ("/archive/21", link):
        answer = client.get(path, headers={"Accept-Language": "en"})
        assert answer.status_code == 410
        assert "withdrawn" in answer.text


NOWHERE = ["/archive/0", "/archive/-1", "/archive/021", "/archive/２１", "/archive/99999999999999999999", "/archive/21.5",
           "/archive/x", "/archive/%00", "/nothing", "/docs", "/redoc", "/openapi.json", "/archive/21/../../etc"]  # fmt: skip


def test_addresses_of_nothing_are_helpful_pages(client: TestClient) -> None:
    for path in NOWHERE:
        answer = client.get(path, headers={"Accept-Language": "ko"})
        assert answer.status_code == 404, path
        assert '<html lang="ko"' in answer.text
        assert "/archive?lang=ko" in answer.text


def test_a_picture_is_served_for_ever_under_exactly_its_name(client: TestClient, press: Publisher) -> None:
    with session_scope(press.engine) as session:
        picture = session.exec(select(Media)).first()
    assert picture is not None
    answer = client.get(f"/media/{picture.hash}.{picture.extension}")
    assert answer.content == picture.content
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = client.get(f"/media/{picture.hash}.{picture.extension}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for name in (
        f"{picture.hash}.png",
        f"{picture.hash}.jpg.exe",
        picture.hash,
        f"{picture.hash.upper()}.jpg",
        f"{'0' * 64}.jpg",
    ):
        assert client.get(f"/media/{name}").status_code == 404


def test_reading_changes_nothing_and_head_works(client: TestClient, press: Publisher, signer: LinkSigner) -> None:
    paths = ["/", "/archive", "/archive/21", view_url(press, signer), "/robots.txt", "/health", "/ready",
             "/archive/search?q=smart", "/feeds/en.xml", "/feeds/ko/mobility.xml", "/sitemap.xml"]  # fmt: skip
    before = web_sample.snapshot(press.engine)
    for path in paths:
        head, get = client.head(path), client.get(path)
        assert head.status_code == get.status_code == 200, path
        assert head.headers["content-type"] == get.headers["content-type"]
        assert client.options(path).status_code == 405
        refused = client.post(path)
        assert refused.status_code == 405
        assert "GET" in refused.headers["allow"]
    assert web_sample.snapshot(press.engine) == before


def test_ready_means_the_database_has_the_right_schema(
    client: TestClient, press: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    for path in ("/ready", "/readyz"):
        assert client.get(path).json() == {"status": "ok"}
    with press.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for path in ("/ready", "/readyz"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert answer.json() == {"status": "unavailable"}, "what is wrong is nobody's business but the log's"
        assert answer.headers["cache-control"] == "no-store"
    assert "made by a newer digestpress" in caplog.text
    for path in ("/health", "/healthz"):
        assert client.get(path).json() == {"status": "ok"}


def shared(page: str) -> tuple[dict[str, str], dict[str, Any]]:
    """What an issue's page says of itself to other sites."""
    head = page.partition("</head>")[0]
    named = dict(re.findall(r'<meta (?:property|name)="([\w:]+)" content="([^"]*)"', head))
    data = re.search(r'<script type="application/ld\+json">(.*?)</script>', head)
    assert data
    return named, json.loads(data[1])


def test_an_issue_tells_other_sites_what_it_is(client: TestClient) -> None:
    named, data = shared(client.get("/archive/21?lang=ko").text)
    assert named["og:title"] == data["name"]
    assert data["name"].startswith("스마트시티 소식지 제21호")
    assert named["og:url"] == data["url"] == "http://127.0.0.1:8025/archive/21?lang=ko"
    assert (data["issueNumber"], data["datePublished"], data["inLanguage"]) == ("21", "2021-09-30", "ko")
    assert len(data["hasPart"]) == 13
    assert data["hasPart"][0]["url"].endswith("?lang=ko#wsce-2021")
    assert "우수 스마트도시 5곳 인증" in named["og:description"]
    assert client.get(named["og:image"].removeprefix("http://127.0.0.1:8025")).status_code == 200


def test_words_of_an_article_cannot_leave_the_data(client: TestClient, press: Publisher, now: datetime) -> None:
    title = '</script><script>alert(1)</script> & <!-- "quoted" \u2028'
    publish(press, 90, [draft("odd", title)], now)
    page = client.get("/archive/90?lang=en").text
    _, data = shared(page)
    assert data["hasPart"][0]["headline"] == title
    assert page.count("<script") == 1
    assert page.count("</script") == 1


def test_an_issue_says_how_accessible_it_is(client: TestClient, press: Publisher) -> None:
    page = client.get("/archive/21?lang=en").text
    assert "The issue has 13 pictures." in page
    assert "Known problems" not in page
    assert "editors@example.org" in page.rpartition("<footer")[2]
    with session_scope(press.engine) as session:
        session.execute(text("UPDATE fragment SET content = replace(content, ' alt=', ' data-alt=')"))
    worse = client.get("/archive/21?lang=en").text
    assert "<li>text alternatives of pictures: 13</li>" in worse
    assert "<li>그림의 대체 텍스트: 13</li>" in client.get("/archive/21?lang=ko").text
