"""The desk on both databases: readers looked up, nothing changed."""

import html
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.testing import FrozenClock
from digest.web.app import preview_app
from subscribers.models import Subscriber
from tests.support import web_sample

BASE = "http://127.0.0.1:8026"


@pytest.fixture
def press(drafted_on_each: Publisher) -> Publisher:
    return drafted_on_each


@pytest.fixture
def client(press: Publisher, now: datetime) -> Iterator[TestClient]:
    with TestClient(preview_app(press, 21, FrozenClock(now)), base_url=BASE) as client:
        yield client


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page)))


def test_the_desk_lists_every_edition_with_readers_and_articles(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    words = text_of(page.text)
    for row in (
        "en 1 English everything 1 13 of 13",
        "en 2 English Mobility 1 10 of 13",
        "ko 2 Korean Mobility, Safety",
    ):
        assert row in words
    assert "Readers 6 Editions 6 Articles 13" in words


def test_a_reader_is_found_by_a_part_of_the_address(client: TestClient) -> None:
    answer = client.get("/reader", params={"address": "TOMAS"})
    assert "As Tomáš Novák" in answer.text
    assert "Edition en 2" in answer.text
    assert "Gets nothing now" not in answer.text


def test_several_readers_are_offered_to_choose_from(client: TestClient) -> None:
    answer = client.get("/reader", params={"address": "@example.org"}).text
    assert "Look up a reader</h1>" in answer
    assert "anna@example.org" in answer
    assert "library@example.org" in answer
    assert "tomas@example.com" not in answer


def test_who_gets_nothing_is_told_why(client: TestClient) -> None:
    pending = text_of(client.get("/reader", params={"address": "pending@example.org"}).text)
    assert "Gets nothing now. They have not confirmed their subscription yet." in pending
    gone = text_of(client.get("/reader", params={"address": "gone@example.org"}).text)
    assert "Gets nothing now. They have unsubscribed." in gone


def test_a_search_for_anything_is_answered(client: TestClient) -> None:
    for address in ("", " ", "%", "_", "'; DROP TABLE subscriber; --", "\0", "가" * 3000, "<script>"):
        answer = client.get("/reader", params={"address": address})
        assert answer.status_code == 200, address[:20]
        assert "@example" not in answer.text.replace(html.escape(address), "")


def test_looking_changes_nothing(client: TestClient, press: Publisher) -> None:
    before = web_sample.snapshot(press.engine)
    for path in ("/", "/edition?language=en&interests=*", "/frame?language=ko", "/reader?address=anna", "/slot/view"):
        for method in ("GET", "HEAD"):
            assert client.request(method, path).status_code == 200
        assert client.post(path).status_code == 405
    assert web_sample.snapshot(press.engine) == before


def test_without_an_issue_the_page_says_what_to_do(engine: Engine, tmp_path: Path, now: datetime) -> None:
    press = web_sample.press_on(engine, web_sample.workspace_in(tmp_path / "workspace"))
    with TestClient(preview_app(press, None, FrozenClock(now)), base_url=BASE) as client:
        answer = client.get("/")
    assert answer.status_code == 404
    assert "digest issue assemble" in answer.text


def test_an_equal_address_is_found_among_many_that_contain_it(
    client: TestClient, press: Publisher, now: datetime
) -> None:
    with session_scope(press.engine) as session:
        for number in range(30):
            address = f"0{number}.anna@example.org"
            row = Subscriber(ref=f"r{number}", address=address, address_key=address, language="en", created_at=now)
            session.add(row)
    assert "As Anna Lindqvist" in client.get("/reader", params={"address": "Anna@example.org"}).text
    several = client.get("/reader", params={"address": "anna@"}).text
    assert several.count("<li>") == 20
    assert "There are more." in several
