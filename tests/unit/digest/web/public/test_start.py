"""The start page: what the publication is, a short sign-up form, the latest issue, the day of the next."""

import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import Engine
from sqlmodel import select
from starlette.testclient import TestClient

from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.schedule import runs
from digest.schedule.month import MONTHLY
from digest.schedule.runs import RunState
from digest.testing import FrozenClock
from digest.web.archive.exporting import export
from subscribers.links import LinkSigner
from subscribers.models import ConsentEvent, Subscriber, Wording
from tests.support import web_sample
from tests.unit.digest.web.conftest import HOME


@pytest.fixture
def clock(now: datetime) -> FrozenClock:
    return FrozenClock(now)


@pytest.fixture
def client(press: Publisher, signer: LinkSigner, clock: FrozenClock) -> Iterator[TestClient]:
    app = web_sample.public(press, signer, clock)
    with TestClient(app, base_url=HOME, raise_server_exceptions=False) as client:
        yield client


def hidden_fields(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))


def test_it_shows_the_latest_issue_with_picture_and_headlines(client: TestClient) -> None:
    page = client.get("/?lang=en").text
    picture = re.search(r'<img class="picture" src="(/media/[^"]+)" width="\d+" height="\d+" alt="[^"]{20,}"', page)
    assert picture
    assert client.get(picture[1]).headers["content-type"] == "image/jpeg"
    lines = re.findall(r'<li><a href="/archive/21\?lang=en#([^"]+)">', page)
    assert lines == ["certified-cities", "smart-city-solutions", "ecuador-smart-city-policy"], (
        "the subject is the first"
    )


def test_an_address_alone_signs_up_for_everything(client: TestClient, press: Publisher, clock: FrozenClock) -> None:
    fields = hidden_fields(client.get("/?lang=ko").text)
    clock.move(seconds=5)
    assert client.post("/subscribe", data={**fields, "email": "new@example.org"}).status_code == 200
    person, agreed = signed_up(press)
    assert (person.interests, person.language, person.state) == ("*", "ko", "pending")
    assert agreed.startswith("이메일 주소 구독하기"), "what was agreed to are the words of this form"
    assert "공통 소식만" not in agreed


def test_ticked_topics_count(client: TestClient, press: Publisher, clock: FrozenClock) -> None:
    fields = hidden_fields(client.get("/?lang=en").text)
    clock.move(seconds=5)
    client.post("/subscribe", data={**fields, "email": "new@example.org", "interest": ["safety", "mobility"]})
    assert signed_up(press)[0].interests == "mobility;safety"


@pytest.mark.parametrize("asked", ['consent_text = "We keep it."', 'name = "required"'])
def test_what_it_does_not_ask_is_asked_next_without_blame(
    press: Publisher, signer: LinkSigner, clock: FrozenClock, asked: str
) -> None:
    workspace = press.settings.workspace
    with (workspace / "digest.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n[signup]\n{asked}\n")
    app = web_sample.public(web_sample.press_on(press.engine, workspace), signer, clock)
    with TestClient(app, base_url=HOME) as client:
        fields = hidden_fields(client.get("/?lang=en").text)
        clock.move(seconds=5)
        page = client.post("/subscribe", data={**fields, "email": "new@example.org", "interest": "safety"})
    assert page.status_code == 200
    assert 'role="alert"' not in page.text
    assert 'value="new@example.org"' in page.text
    assert re.search(r'value="safety" id="[\w-]+" checked', page.text)
    assert 'value="some" id="scope-some" checked' in page.text
    with session_scope(press.engine) as session:
        assert session.exec(select(Subscriber).where(Subscriber.address == "new@example.org")).first() is None


def signed_up(press: Publisher) -> tuple[Subscriber, str]:
    with session_scope(press.engine) as session:
        person = session.exec(select(Subscriber).where(Subscriber.address == "new@example.org")).one()
        event = session.exec(select(ConsentEvent).where(ConsentEvent.subscriber_id == person.id)).one()
        return person, session.get_one(Wording, event.wording).text


def test_the_next_issue_is_named_once_a_schedule_runs(client: TestClient, press: Publisher, now: datetime) -> None:
    assert "Next issue" not in client.get("/?lang=en").text, "nobody has started the schedule"
    with session_scope(press.engine) as session:
        runs.install(session, MONTHLY, now)
    assert "Next issue: October 31, 2021." in client.get("/?lang=en").text
    with session_scope(press.engine) as session:
        runs.record(session, MONTHLY, "2021-10", now, state=RunState.SKIPPED, why="", now=now)
    assert "다음 호: 2021년 11월 30일" in client.get("/?lang=ko").text


def test_before_the_first_issue_it_says_so(sqlite_engine: Engine, tmp_path: Path, signer: LinkSigner) -> None:
    press = web_sample.press_on(sqlite_engine, web_sample.workspace_in(tmp_path / "workspace"))
    with TestClient(
        web_sample.public(press, signer, FrozenClock(datetime(2021, 9, 1).astimezone())), base_url=HOME
    ) as new:
        assert "No issue has been published yet." in new.get("/?lang=en").text


def test_the_static_start_page_has_its_picture_and_no_form(press: Publisher, tmp_path: Path) -> None:
    export(press, tmp_path / "site")
    page = (tmp_path / "site" / "index.html").read_text("utf-8")
    source = re.search(r'<img class="picture" src="([^"]+)"', page)
    assert source
    assert (tmp_path / "site" / source[1]).is_file()
    assert "<form" not in page


def test_day_of_a_schedule_is_local(press: Publisher, now: datetime) -> None:
    with session_scope(press.engine) as session:
        runs.install(session, MONTHLY, now)
        assert runs.next_day(session, MONTHLY, press.settings, now) == date(2021, 10, 31)


def test_the_logo_stands_on_every_page_and_in_the_export(press: Publisher, signer: LinkSigner, tmp_path: Path) -> None:
    workspace = press.settings.workspace
    for name, side in (("logo.png", 24), ("night.png", 48)):
        Image.new("RGB", (side, side)).save(workspace / name)
    with (workspace / "digest.toml").open("a", encoding="utf-8") as file:
        file.write('\n[publication.logo]\nsrc = "logo.png"\ndark = "night.png"\nalt = "Town hall"\nwidth = 60\n')
    made = web_sample.press_on(press.engine, workspace)
    with TestClient(
        web_sample.public(made, signer, FrozenClock(datetime(2021, 9, 30).astimezone())), base_url=HOME
    ) as at:
        for path in ("/", "/subscribe", "/archive", "/nothing"):
            page = at.get(f"{path}?lang=en").text
            found = re.search(
                r'srcset="(/media/[^"]+)".*?src="(/media/[^"]+)" alt="Town hall" width="60" height="60"', page
            )
            assert found, path
            assert [at.get(address).status_code for address in found.groups()] == [200, 200]
        export(made, tmp_path / "site")
        page = (tmp_path / "site" / "index.html").read_text("utf-8")
        for address in re.findall(r'(?:srcset|src)="(media/[^"]+)"', page):
            assert (tmp_path / "site" / address).is_file()
        (workspace / "logo.png").unlink()
        assert 'class="logo"' not in at.get("/").text
