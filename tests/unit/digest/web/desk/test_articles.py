"""The article editor: checked as files are, nobody overwritten unseen, pictures, history, files and database one."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from digest.accounts.models import Role
from digest.articles import store
from digest.articles.exporting import export
from digest.articles.media import MAX_BYTES
from digest.articles.models import Article
from digest.publish.import_articles import import_articles
from digest.runtime.db import session_scope
from tests.support.desk_office import SignedOffice, token_in
from tests.support.editor import picture

pytestmark = pytest.mark.one_database

NEW = {"title": "New trams", "lang": "en", "body": "Trams **run** again.", "topics": "mobility"}


def post(browser: TestClient, path: str, files: Mapping[str, Any] | None = None, **fields: Any) -> Any:
    form = token_in(browser.get("/desk/account").text)
    return browser.post(f"/desk/articles/{path}", data={"form": form, **fields}, files=files)


def article(office: SignedOffice, slug: str) -> Article:
    with session_scope(office.app.engine, read_only=True) as session:
        return store.get(session, slug)


@pytest.fixture
def kim(office: SignedOffice) -> TestClient:
    return office.signed_in("kim", Role.EDITOR)


def test_an_article_is_written_found_and_translated(office: SignedOffice, kim: TestClient) -> None:
    answer = post(kim, "new", **NEW)
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk/articles/new-trams?done=saved")
    kept = article(office, "new-trams")
    assert (kept.title, kept.topics, kept.imported_hash, kept.source_path) == ("New trams", ["mobility"], None, None)
    assert office.acts()[0] == ("kim", "write article", "desk")
    assert "New trams" in kim.get("/desk/articles?q=new%20tr").text
    assert "not in ko" in kim.get("/desk/articles?q=trams").text
    page = kim.get("/desk/articles/new?translation_of=new-trams&language=ko").text
    assert 'value="mobility" checked' in page
    values = {**NEW, "title": "새 전차", "lang": "ko", "translation_of": "new-trams"}
    assert post(kim, "new", **values).status_code == 303
    assert article(office, "새-전차").group == "new-trams"
    assert "already has a text in ko" in post(kim, "new", **{**values, "title": "또 하나"}).text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"title": " "}, "no title"),
        ({"title": "x" * 301}, "limit is 300"),
        ({"date": "soon"}, "soon is not a date"),
        ({"link": "javascript:alert(1)"}, "link: the address"),
        ({"topics": "trams"}, "Unknown topic trams"),
        ({"kind": "video"}, "needs a video"),
        ({"body": "![]()"}, ""),
        ({"body": "![A tram](missing.jpg)"}, "missing.jpg does not exist"),
        ({"image_src": "../../etc/passwd", "image_alt": "x"}, "outside"),
        ({"title": "Smart City Convergence Alliance seeks new members", "slug": "alliance-members"}, "already used"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_is_kept(kim: TestClient, wrong: dict[str, str], said: str) -> None:
    blank = {"image_caption": "", "image_credit": ""} if "image_src" in wrong else {}
    answer = post(kim, "new", **{**NEW, **wrong, **blank})
    if said:
        assert answer.status_code == 400
        assert said in answer.text
    assert answer.status_code in {303, 400}
    assert "Trams **run** again." in answer.text or "body" in wrong


def test_two_tabs_never_overwrite_each_other_unseen(office: SignedOffice, kim: TestClient) -> None:
    lee = office.signed_in("lee", Role.EDITOR)
    post(kim, "new", **NEW)
    base, values = article(office, "new-trams").content_hash, {**NEW, "slug": "new-trams"}
    assert post(lee, "new-trams", **{**values, "body": "Lee’s words."}, base=base).status_code == 303
    refused = post(kim, "new-trams", **{**values, "body": "Kim’s words."}, base=base)
    assert refused.status_code == 409
    assert "<del>-Lee’s words.</del>" in refused.text
    assert "<ins>+Kim’s words.</ins>" in refused.text
    assert "Kim’s words.</textarea>" in refused.text, "nothing that was typed is lost"
    assert article(office, "new-trams").body == "Lee’s words."
    now = article(office, "new-trams").content_hash
    assert f'name="base" value="{now}"' in refused.text, "a second save is a decision"
    assert post(kim, "new-trams", **{**values, "body": "Kim’s words."}, base=now).status_code == 303
    assert post(kim, "new-trams", **{**values, "body": "Kim’s words."}, base="").status_code == 409


def test_an_earlier_text_is_shown_and_comes_back(office: SignedOffice, kim: TestClient) -> None:
    post(kim, "new", **NEW)
    base = article(office, "new-trams").content_hash
    post(kim, "new-trams", **{**NEW, "slug": "new-trams", "body": "Worse."}, base=base)
    page = kim.get("/desk/articles/new-trams/history").text
    assert "<ins>+Trams **run** again.</ins>" in page
    version = page.split('name="version" value="')[1].split('"')[0]
    assert post(kim, "new-trams/restore", version=version, base=base).status_code == 409, "it changed meanwhile"
    now = article(office, "new-trams").content_hash
    assert post(kim, "new-trams/restore", version=version, base=now).status_code == 303
    assert article(office, "new-trams").body == "Trams **run** again."
    assert post(kim, "alliance-members/restore", version=version, base=now).status_code == 404, "another's text"


def test_pictures_are_checked_kept_ordered_and_removed(office: SignedOffice, kim: TestClient) -> None:
    files = {"upload": ("tram.png", picture("red", (40, 30)))}
    assert post(kim, "new", files=files, upload_alt="A tram", **NEW).status_code == 303
    first = article(office, "new-trams")
    assert [(one["alt"], one["width"]) for one in first.images] == [("A tram", 40)]
    src = first.images[0]["src"]
    thumbnail = re.search(r'<img src="([^"]+)"', kim.get("/desk/articles/new-trams").text)
    assert thumbnail
    assert kim.get(thumbnail[1]).headers["content-type"] == "image/png"
    shown = {**NEW, "slug": "new-trams", "image_src": src, "image_alt": "Red", "image_caption": "", "image_credit": ""}
    files = {"upload": ("bus.png", picture("blue", (40, 30)))}
    assert post(kim, "new-trams", files=files, upload_alt="A bus", base=first.content_hash, **shown).status_code == 303
    second = article(office, "new-trams")
    assert [one["alt"] for one in second.images] == ["Red", "A bus"]
    sources = [one["src"] for one in second.images]
    rows = {"image_src": sources, "image_alt": ["Red", "A bus"], "image_caption": ["", ""], "image_credit": ["", ""]}
    swapped = {**NEW, "slug": "new-trams", **rows, "image_place": ["2", "1"]}
    assert post(kim, "new-trams", base=second.content_hash, **swapped).status_code == 303
    assert [one["alt"] for one in article(office, "new-trams").images] == ["A bus", "Red"]
    base = article(office, "new-trams").content_hash
    assert post(kim, "new-trams", base=base, **{**swapped, "image_remove": ["0", "1"]}).status_code == 303
    assert article(office, "new-trams").images == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("tram.jpg", b"#!/bin/sh\nrm -rf /\n", "is not supported in mail"),
        ("tram.svg", b"<svg onload='alert(1)'/>", "is not supported in mail"),
        ("cut.png", picture("red", (40, 30))[:60], "damaged"),
        ("huge.jpg", b"\xff\xd8\xff" + b"x" * MAX_BYTES, "the limit is"),
        ("bomb.png", picture("red", (7000, 7000)), "more than 40,000,000 pixels"),
    ],
    ids=["script", "svg", "cut", "huge", "bomb"],
)
def test_a_file_that_is_no_picture_is_refused(
    office: SignedOffice, kim: TestClient, name: str, content: bytes, said: str
) -> None:
    answer = post(kim, "new", files={"upload": (name, content)}, **NEW)
    assert (answer.status_code, said in answer.text) == (409, True)
    assert "Trams **run** again." in answer.text
    with session_scope(office.app.engine, read_only=True) as session:
        assert store.find(session, "new-trams") is None


def test_files_and_database_stay_one(office: SignedOffice, kim: TestClient, tmp_path: Path) -> None:
    post(kim, "new", files={"upload": ("tram.png", picture("red", (40, 30)))}, upload_alt="A tram", **NEW)
    folder, app = tmp_path / "out", office.app
    with session_scope(app.engine) as session:
        assert "new-trams.md" in export(session, folder).written
    report = import_articles(app.publisher, [folder / "new-trams.md"], now=office.clock.now())
    assert (report.unchanged, report.problems) == (["new-trams"], [])
    base = article(office, "new-trams").content_hash
    src = article(office, "new-trams").images[0]["src"]
    row = {"image_src": src, "image_alt": "A tram", "image_caption": "", "image_credit": ""}
    post(kim, "new-trams", **{**NEW, **row, "slug": "new-trams", "body": "At the desk."}, base=base)
    assert import_articles(app.publisher, [folder], now=office.clock.now()).kept == ["new-trams"]
    file = folder / "new-trams.md"
    file.write_text(file.read_text("utf-8").replace("again", "in the file"), "utf-8")
    report = import_articles(app.publisher, [folder], now=office.clock.now())
    assert [one.slug for one in report.conflicts] == ["new-trams"]


def test_only_what_no_issue_carries_is_removed(office: SignedOffice, kim: TestClient) -> None:
    post(kim, "new", **NEW)
    assert post(kim, "new-trams/remove").status_code == 303, "without the box nothing happens"
    assert article(office, "new-trams").title == "New trams"
    assert post(kim, "new-trams/remove", sure="yes").status_code == 303
    assert kim.get("/desk/articles/new-trams").status_code == 404
    assert post(kim, "alliance-members/remove", sure="yes").status_code == 409
