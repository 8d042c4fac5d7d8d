"""Public pages: nothing personal, nothing leaked, errors that help."""

import logging
import re
from dataclasses import replace
from datetime import datetime
from urllib.request import urlopen

import pytest
from fastapi import APIRouter
from starlette.testclient import TestClient

from digest.publish.publisher import Publisher
from digest.render.loader import Templates
from digest.runtime.db import make_engine
from digest.testing import FrozenClock
from digest.web.app import public_app
from subscribers.links import LinkSigner, Purpose
from tests.support.published import editions, set_state, view_url
from tests.support.served import served
from tests.support.web_sample import HOME
from tests.unit.digest.web.conftest import KEY


def test_the_start_page_names_publication_and_latest_issue(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "Smart City Newsletter" in page.text
    assert 'href="/archive/21?lang=en"' in page.text
    assert 'href="/subscribe?lang=en"' in page.text


def test_an_archived_issue_is_the_stored_mail_below_navigation(client: TestClient) -> None:
    page = client.get("/archive/21?lang=ko").text
    assert page.count("<main>") == page.count("</main>") == 1
    assert page.index('class="dp-bar"') < page.index("<main>") < page.index("<h1")
    assert page.lower().startswith("<!doctype html")
    assert 'hreflang="en"' in page


def test_nothing_of_a_reader_is_on_a_public_page(client: TestClient, press: Publisher, signer: LinkSigner) -> None:
    pages = ["/archive/21", "/archive/21?lang=ko", "/archive/21?format=text", view_url(press, signer)]
    for path in [*pages, view_url(press, signer) + "?format=text"]:
        shown = client.get(path).text
        assert "@@R_" not in shown
        assert "unsubscribe" not in shown.lower(), path
        assert "you follow" not in shown.replace("that you follow", ""), path
        assert "http://127.0.0.1:8025/subscribe" in shown


@pytest.mark.parametrize("language", ["en", "ko"])
def test_links_between_pages_keep_the_language(
    client: TestClient, press: Publisher, signer: LinkSigner, language: str
) -> None:
    unstable = re.compile(r"(?:http://127\.0\.0\.1:8025)?/(?:(?:archive|subscribe)\b[^\s\"<]*|(?=\"))")
    pages = [f"{path}?lang={language}" for path in ("/", "/archive", "/archive/21", "/archive/search", "/subscribe")]
    mails = [text for one in editions(press) if one.language == language for text in (one.html, one.text)]
    texts = [client.get(path).text for path in [*pages, f"{pages[2]}&format=text", f"/nothing?lang={language}"]]
    assert any("/archive/" in mail for mail in mails)
    other = "ko" if language == "en" else "en"
    for text in [*texts, *mails]:
        links = [link for link in unstable.findall(text) if "archive/search" not in link]
        assert links or text in mails
        assert not [link for link in links if f"lang={language}" not in link and f"lang={other}" not in link], links
    assert not [link for mail in mails for link in unstable.findall(mail) if f"lang={other}" in link]


def test_the_text_is_text(client: TestClient, press: Publisher, signer: LinkSigner) -> None:
    answer = client.get(view_url(press, signer) + "?format=text")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "World Smart City Expo 2021 closes in Goyang" in answer.text


def test_tokens_not_made_for_viewing_are_all_the_same_404(
    client: TestClient, press: Publisher, signer: LinkSigner
) -> None:
    edition = editions(press)[0]
    good = signer.token(Purpose.VIEW, edition.content_hash)
    flipped = good[:-1] + ("A" if good[-1] != "A" else "B")
    other = signer.token(Purpose.UNSUBSCRIBE, edition.content_hash)
    strange = LinkSigner(["another key of some length"], "http://x").token(Purpose.VIEW, edition.content_hash)
    unknown = signer.token(Purpose.VIEW, "0" * 64)
    answers = [
        client.get(f"/view/{token}") for token in (flipped, other, strange, unknown, "x", "%00", "가", "a" * 5000)
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1


@pytest.mark.parametrize("state", ["draft", "approved", "frozen"])
def test_what_is_not_published_does_not_exist(client: TestClient, press: Publisher, state: str) -> None:
    missing = client.get("/archive/22").text
    set_state(press, state)
    answer = client.get("/archive/21")
    assert answer.status_code == 404
    assert answer.text == missing


# What search engines may keep.
FOR_EVERYBODY = {"/", "/archive", "/archive/21"}


def test_every_page_has_headers_that_keep_tokens_and_readers(
    client: TestClient, press: Publisher, signer: LinkSigner
) -> None:
    for path in (
        "/",
        "/archive",
        "/archive/21",
        view_url(press, signer),
        "/nothing",
        "/archive/21?format=pdf",
        "/archive/search?q=smart",
        "/subscribe",
        "/healthz",
    ):
        answer = client.get(path)
        assert answer.headers["referrer-policy"] == "no-referrer", path
        indexed = path in FOR_EVERYBODY
        assert answer.headers["cache-control"] == ("public, max-age=300" if indexed else "no-store"), path
        indexed = indexed or path == "/subscribe"  # found by search engines, but never kept: it says when it was shown
        assert answer.headers["x-robots-tag"] == ("all" if indexed else "noindex"), path
        assert ('name="robots"' in answer.text) is (not indexed and "/view/" not in path and path != "/healthz"), path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "set-cookie" not in answer.headers


def test_inline_styles_are_allowed_only_where_a_mail_is_shown(client: TestClient) -> None:
    assert "style-src 'unsafe-inline'" in client.get("/archive/21").headers["content-security-policy"]
    assert "unsafe-inline" not in client.get("/archive").headers["content-security-policy"]


def test_strict_transport_is_told_only_where_there_is_https(press: Publisher, now: datetime) -> None:
    publication = press.settings.publication.model_copy(update={"base_url": "https://news.example.org"})
    secure = Publisher(press.settings.model_copy(update={"publication": publication}), press.engine, press.templates)
    signer = LinkSigner([KEY], "https://news.example.org")
    app = public_app(secure, pages_router=APIRouter(), signer=signer, clock=FrozenClock(now))
    headers = TestClient(app, base_url=HOME).get("/archive/21").headers
    assert "max-age=" in headers["strict-transport-security"]
    assert "img-src 'self' https://news.example.org;" in headers["content-security-policy"]


def test_robots_are_kept_from_tokens(client: TestClient) -> None:
    robots = client.get("/robots.txt").text
    assert all(f"\nDisallow: /{path}/\n" in robots for path in ("view", "address", "data", "erase", "undo", "keep"))


def test_a_database_that_is_away_is_told_without_its_address(
    press: Publisher, signer: LinkSigner, now: datetime
) -> None:
    away = make_engine("postgresql://secret-user:secret-word@127.0.0.1:1/secret-name")
    lost = Publisher(press.settings, away, press.templates)
    app = public_app(lost, pages_router=APIRouter(), signer=signer, clock=FrozenClock(now))
    with TestClient(app, base_url=HOME, raise_server_exceptions=False) as client:
        ready, page, picture = client.get("/readyz"), client.get("/archive"), client.get(f"/media/{'0' * 64}.jpg")
    assert {ready.status_code, page.status_code, picture.status_code} == {503}
    assert page.headers["retry-after"] == "60"
    assert ready.json() == {"status": "unavailable"}
    assert "secret" not in ready.text + page.text + picture.text
    assert "127.0.0.1:1" not in page.text.replace("127.0.0.1:8025", "")


def test_our_own_fault_is_a_page_with_headers_and_no_traceback(
    press: Publisher, signer: LinkSigner, now: datetime
) -> None:
    router = APIRouter()

    @router.get("/broken")
    def broken() -> None:
        raise RuntimeError("a secret detail")

    app = public_app(press, pages_router=router, signer=signer, clock=FrozenClock(now))
    answer = TestClient(app, base_url=HOME, raise_server_exceptions=False).get("/broken")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_an_own_template_without_end_holds_no_request(
    press: Publisher, signer: LinkSigner, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.render.sandbox.process.CPU_SECONDS", 0.3)
    own = press.settings.workspace / "templates" / "web" / "base.html.j2"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}")
    broken = replace(press, templates=Templates(press.settings.workspace / "templates"))
    app = public_app(broken, pages_router=APIRouter(), signer=signer, clock=FrozenClock(now))
    client = TestClient(app, base_url=HOME, raise_server_exceptions=False)
    first, again = client.get("/archive"), client.get("/archive")
    assert (first.status_code, again.status_code) == (500, 500)
    assert "</html>" in first.text, "the error has our page, as theirs does not work"
    own.unlink()
    assert client.get("/archive").status_code == 200


def test_no_log_has_a_token(
    press: Publisher,
    signer: LinkSigner,
    now: datetime,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    link = view_url(press, signer)
    caplog.set_level(logging.DEBUG)
    app = public_app(press, pages_router=APIRouter(), signer=signer, clock=FrozenClock(now))
    with served(app) as address, urlopen(address + link) as answer:
        assert answer.status == 200
        assert "server" not in answer.headers
    token = link.rpartition("/")[2]
    written = capfd.readouterr()
    assert token[:20] not in caplog.text + written.out + written.err
