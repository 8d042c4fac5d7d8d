"""The editors' desk over HTTP, with the sample issue: every edition, every reader, nothing changed."""

import html
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, MetaData, select
from starlette.testclient import TestClient

from digest.pipeline import Press
from digest.testing import FrozenClock
from digest.web.app import preview_app
from tests.unit.digest.web import sample

BASE = "http://127.0.0.1:8026"


@pytest.fixture
def press(engine: Engine, tmp_path: Path, now: datetime) -> Press:
    return sample.issue_21(engine, tmp_path / "workspace", now)


@pytest.fixture
def client(press: Press, now: datetime) -> Iterator[TestClient]:
    with TestClient(preview_app(press, 21, FrozenClock(now)), base_url=BASE) as client:
        yield client


def snapshot(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    metadata = MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for name, table in metadata.tables.items()
        }


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page)))


def test_the_desk_lists_every_edition_with_its_readers_and_articles(client: TestClient) -> None:
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


def test_the_matrix_says_of_every_article_which_edition_has_it(client: TestClient) -> None:
    page = client.get("/").text
    row = page[page.index(">Five Korean cities certified as excellent smart cities<") :].partition("</tr>")[0]
    assert re.findall(r'class="c (\w+)"', row) == ["shown", "left", "left", "shown", "shown", "left"]
    row = page[page.index("Ecuador&#39;s smart city policy<") :].partition("</tr>")[0]
    assert re.findall(r'class="c (\w+)"', row) == ["shown"] * 4 + ["original"] * 2


def test_an_edition_stands_in_four_sandboxed_frames(client: TestClient) -> None:
    page = client.get("/edition", params={"language": "en", "interests": "mobility"}).text
    frames = re.findall(r"<iframe[^>]*>", page)
    assert len(frames) == 4
    assert all('sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame for frame in frames)


def test_a_frame_has_the_editions_articles_and_no_others(client: TestClient) -> None:
    frame = client.get("/frame", params={"language": "en", "interests": "mobility"}).text
    assert 'id="k-uam-operation-concept"' in frame or 'name="k-uam-operation-concept"' in frame
    assert 'id="seoul-private-sites"' not in frame
    assert "sandbox" in client.get("/frame").headers["content-security-policy"]


def test_no_slot_is_left_open_and_no_personal_link_is_signed(client: TestClient) -> None:
    for view in ("html", "text", "source"):
        frame = client.get("/frame", params={"language": "ko", "interests": "*", "view": view}).text
        assert "@@R_" not in frame
        assert "/slot/unsubscribe" in frame
    assert "leads to" in client.get("/slot/unsubscribe").text


def test_pictures_come_from_the_preview(client: TestClient) -> None:
    frame = client.get("/frame", params={"language": "en", "interests": "*"}).text
    sources = re.findall(r'<img[^>]*\bsrc="([^"]+)"', frame)
    assert sources
    assert all(source.startswith("/media/") for source in sources)
    picture = client.get(sources[0])
    assert picture.status_code == 200
    assert picture.headers["content-type"].startswith("image/")


def test_dark_is_forced_in_one_frame_and_off_in_the_other(client: TestClient) -> None:
    query = {"language": "en", "interests": "*"}
    dark = client.get("/frame", params={**query, "scheme": "dark"}).text
    light = client.get("/frame", params={**query, "scheme": "light"}).text
    assert "prefers-color-scheme" not in dark + light
    assert "@media all{" in dark
    assert "@media not all{" in light


def test_any_choice_of_interests_can_be_looked_at_even_without_readers(client: TestClient) -> None:
    page = client.get("/edition?language=ko&interests=certification")
    assert page.status_code == 200
    assert "An edition that nobody gets now" in page.text


def test_unknown_interests_and_languages_are_no_error(client: TestClient) -> None:
    page = client.get("/edition?language=xx&interests=<script>&interests=mobility")
    assert page.status_code == 200
    assert "Edition en 2" in page.text
    assert "<script>" not in page.text


def test_the_whole_issue_is_shown_as_the_archive_will_have_it(client: TestClient) -> None:
    page = client.get("/edition?language=en&whole=1")
    assert "The whole issue, as in the archive" in page.text


def test_a_reader_is_found_by_a_part_of_the_address(client: TestClient) -> None:
    answer = client.get("/reader", params={"address": "TOMAS"})
    assert "As Tomáš Novák" in answer.text
    assert "Edition en 2" in answer.text
    assert "Gets nothing now" not in answer.text


def test_several_readers_are_offered_to_choose_from(client: TestClient) -> None:
    answer = client.get("/reader", params={"address": "@example.org"}).text
    assert "anna@example.org" in answer
    assert "library@example.org" in answer
    assert "tomas@example.com" not in answer


def test_who_gets_nothing_is_told_why(client: TestClient) -> None:
    pending = text_of(client.get("/reader", params={"address": "pending@example.org"}).text)
    assert "Gets nothing now. They have not confirmed their subscription yet." in pending
    gone = text_of(client.get("/reader", params={"address": "gone@example.org"}).text)
    assert "Gets nothing now. They have unsubscribed." in gone


def test_a_reader_of_plain_text_is_shown_plain_text(client: TestClient) -> None:
    page = client.get("/reader/library").text
    assert "plain text only" in page
    assert "view=text" in re.findall(r"<iframe[^>]*>", page)[0]


def test_a_readers_name_is_text(client: TestClient) -> None:
    page = client.get("/reader/office").text
    assert "<b>Sons</b>" not in page
    assert "O&#39;Brien &amp; &lt;b&gt;Sons" in page


@pytest.mark.parametrize("address", ["", " ", "%", "_", "'; DROP TABLE subscriber; --", "\0", "가" * 3000, "<script>"])
def test_a_search_for_anything_is_answered(client: TestClient, address: str) -> None:
    answer = client.get("/reader", params={"address": address})
    assert answer.status_code == 200
    assert "@example" not in answer.text.replace(html.escape(address), "")


@pytest.mark.parametrize("path", ["/reader/nobody", "/assets/base.html.j2", "/assets/..%2ftheme.toml", "/media/x.png"])
def test_what_does_not_exist_is_a_page_that_says_so(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "<h1>Not found</h1>" in answer.text


def test_a_broken_query_is_a_page_that_says_so(client: TestClient) -> None:
    answer = client.get("/edition?view=pdf")
    assert answer.status_code == 400
    assert "does not understand" in answer.text


def test_only_a_loopback_name_is_answered(client: TestClient) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:8026"):
        assert client.get("/", headers={"Host": host}).status_code == 421
    for host in ("localhost:8026", "[::1]:8026", "127.0.0.1"):
        assert client.get("/", headers={"Host": host}).status_code == 200


def test_looking_changes_nothing(client: TestClient, press: Press) -> None:
    before = snapshot(press.engine)
    for path in ("/", "/edition?language=en&interests=*", "/frame?language=ko", "/reader?address=anna", "/slot/view"):
        for method in ("GET", "HEAD"):
            assert client.request(method, path).status_code == 200
        assert client.post(path).status_code == 405
    assert snapshot(press.engine) == before


def test_without_an_issue_the_page_says_what_to_do(engine: Engine, tmp_path: Path, now: datetime) -> None:
    press = sample.press_on(engine, sample.workspace_in(tmp_path / "workspace"))
    with TestClient(preview_app(press, None, FrozenClock(now)), base_url=BASE) as client:
        answer = client.get("/")
    assert answer.status_code == 404
    assert "digest issue assemble" in answer.text


def test_a_desk_page_asks_nobody_else_and_no_cookie_is_set(client: TestClient) -> None:
    answer = client.get("/")
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text)
