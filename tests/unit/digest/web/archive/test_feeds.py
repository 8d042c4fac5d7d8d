"""Feeds of the archive: valid, stable, asked for cheaply, and about what is published only."""

from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime

from lxml import etree, html
from starlette.testclient import TestClient

from digest.issues import store as issue_store
from digest.publish import archive_notes
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.testing import FrozenClock
from digest.web.archive.feeds import ISSUES
from subscribers.links import LinkSigner
from tests.support import web_sample
from tests.support.atom_rules import ATOM, checked
from tests.support.published import draft, publish, publish_lines, set_state


def titles(client: TestClient, path: str) -> list[str]:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return [found.text or "" for found in checked(answer.content).findall(f"{ATOM}entry/{ATOM}title")]


def test_there_is_one_for_everything_and_one_for_each_interest(client: TestClient) -> None:
    english, korean = titles(client, "/feeds/en.xml"), titles(client, "/feeds/ko.xml")
    assert "World Smart City Expo 2021 closes in Goyang" in english
    assert "제5회 월드 스마트시티 엑스포, 고양에서 폐막" in korean
    mobility = titles(client, "/feeds/en/mobility.xml")
    assert mobility
    assert set(mobility) < set(english)
    assert (
        checked(client.get("/feeds/ko/mobility.xml").content).findtext(f"{ATOM}title") == "스마트시티 소식지: 모빌리티"
    )
    for path in ("/feeds/xx.xml", "/feeds/en/nothing.xml", "/feeds/en/*.xml", "/feeds/en/%00.xml", "/feeds/en.atom"):
        assert client.get(path).status_code == 404, path


def test_an_entry_leads_to_its_place_in_the_issue(client: TestClient) -> None:
    for language in ("en", "ko"):
        root = checked(client.get(f"/feeds/{language}.xml").content)
        links = [link.get("href") for link in root.findall(f"{ATOM}entry/{ATOM}link[@rel='alternate']")]
        assert len(links) > 5
        page = html.fromstring(client.get(f"/archive/21?lang={language}").text)
        for link in links:
            address, _, anchor = link.partition("#")
            assert address == f"http://127.0.0.1:8025/archive/21?lang={language}"
            assert page.xpath("//*[@id=$anchor]", anchor=anchor), link


def test_identifiers_hold_whatever_else_changes(press: Publisher, client: TestClient, now: datetime) -> None:
    def identifiers(client: TestClient) -> list[str | None]:
        root = checked(client.get("/feeds/en.xml").content)
        return [root.findtext(f"{ATOM}id"), *(found.text for found in root.findall(f"{ATOM}entry/{ATOM}id"))]

    before = identifiers(client)
    assert before[0] == "tag:smartcity.example.org,2021-09-30:feeds/en"
    moved = press.settings.publication.model_copy(update={"base_url": "https://elsewhere.example"})
    other = replace(press, settings=press.settings.model_copy(update={"publication": moved}))
    web_sample.change_in_database(press, "seoul-private-sites", "Another title")
    with TestClient(web_sample.public(other, LinkSigner(["k" * 20], moved.base_url), FrozenClock(now))) as elsewhere:
        assert identifiers(elsewhere) == before
        assert "http://127.0.0.1" not in elsewhere.get("/feeds/en.xml").text


def test_who_has_it_already_gets_304(client: TestClient, press: Publisher, now: datetime) -> None:
    first = client.get("/feeds/en.xml")
    assert first.headers["content-type"] == "application/atom+xml; charset=utf-8"
    assert first.headers["cache-control"] == "public, max-age=300"
    assert first.headers["x-robots-tag"] == "all"
    tag, modified = first.headers["etag"], first.headers["last-modified"]
    early = format_datetime(now - timedelta(days=1), usegmt=True)
    for headers in (
        {"If-None-Match": tag},
        {"If-None-Match": f'"other", W/{tag}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": modified},
        {"If-None-Match": tag, "If-Modified-Since": early},
    ):
        again = client.get("/feeds/en.xml", headers=headers)
        assert (again.status_code, again.content) == (304, b""), headers
        assert again.headers["etag"] == tag
    for headers in (
        {"If-None-Match": '"other"', "If-Modified-Since": modified},
        {"If-Modified-Since": early},
        {"If-Modified-Since": "yesterday"},
        {"If-Modified-Since": "\x01" * 50},
        {"If-None-Match": ""},
    ):
        assert client.get("/feeds/en.xml", headers=headers).content == first.content, headers
    publish(press, 30, [draft("new", "New")], now + timedelta(days=30))
    changed = client.get("/feeds/en.xml", headers={"If-Modified-Since": modified})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_nothing_is_said_of_what_is_not_public(client: TestClient, press: Publisher, now: datetime) -> None:
    for state in ("draft", "approved", "frozen", "withdrawn"):
        set_state(press, state)
        assert titles(client, "/feeds/en.xml") == [], state
        assert "/archive/21" not in client.get("/sitemap.xml").text
    set_state(press, "sent")
    with session_scope(press.engine) as session:
        archive_notes.set_kept_out(issue_store.find(session, 21), now + timedelta(hours=1), kept_out=True)
    assert titles(client, "/feeds/en.xml") == []
    answer = client.get("/feeds/en.xml")
    assert answer.headers["last-modified"] == format_datetime(now + timedelta(hours=1), usegmt=True), "it says less now"


def test_only_the_last_issues_are_in_a_feed(client: TestClient, press: Publisher, now: datetime) -> None:
    publish_lines(press, range(100, 100 + ISSUES - 1), now)
    assert titles(client, "/feeds/en.xml")
    publish_lines(press, range(200, 201), now)
    assert titles(client, "/feeds/en.xml") == []


def test_a_renamed_interest_leads_on(press: Publisher, signer: LinkSigner, now: datetime) -> None:
    interests = [
        i.model_copy(update={"was": ("traffic",)}) if i.slug == "mobility" else i for i in press.settings.interest
    ]
    renamed = Publisher(press.settings.model_copy(update={"interest": tuple(interests)}), press.engine, press.templates)
    with TestClient(web_sample.public(renamed, signer, FrozenClock(now)), follow_redirects=False) as client:
        answer = client.get("/feeds/en/traffic.xml")
        assert (answer.status_code, answer.headers["location"]) == (308, "/feeds/en/mobility.xml")


def test_pages_name_their_feed(client: TestClient) -> None:
    for path in ("/", "/archive", "/archive/21"):
        for language in ("en", "ko"):
            head = html.fromstring(client.get(f"{path}?lang={language}").text).find("head")
            links = head.xpath("//head//link[@rel='alternate'][@type='application/atom+xml']/@href")
            assert links == [f"/feeds/{language}.xml"], path
            assert client.get(links[0]).status_code == 200


def test_search_engines_find_every_page_of_the_archive(client: TestClient) -> None:
    robots = client.get("/robots.txt").text
    assert "Sitemap: http://127.0.0.1:8025/sitemap.xml" in robots
    places = etree.fromstring(client.get("/sitemap.xml").content).findall(".//{*}loc")
    paths = {place.text.removeprefix("http://127.0.0.1:8025") for place in places}
    assert paths == {"/archive?lang=en", "/archive?lang=ko", "/archive/21?lang=en", "/archive/21?lang=ko"}
    for path in paths:
        answer = client.get(path)
        assert answer.headers["x-robots-tag"] == "all"
        assert 'name="robots"' not in answer.text


def test_an_empty_archive_has_valid_feeds(press: Publisher, client: TestClient) -> None:
    with session_scope(press.engine) as session:
        issue = issue_store.find(session, 21)
        issue.state, issue.frozen_at = "draft", None
        session.add(issue)
    assert titles(client, "/feeds/en.xml") == []
