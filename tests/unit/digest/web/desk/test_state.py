"""The desk keeps up with the workspace: articles, configuration, templates; mistakes are shown, never fatal."""

import http.client
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient
from watchfiles import Change

from digest.articles import store as articles
from digest.articles.importing import ArticleImportReport
from digest.editions.segment import ReaderGroup
from digest.issues import store as issue_store
from digest.publish import lifecycle
from digest.publish.approval import Approver
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.testing import FrozenClock
from digest.web.app import preview_app
from digest.web.desk.file_changes import WorkspaceFilter, stamp
from digest.web.desk.state import Desk
from subscribers.models import Subscriber
from tests.support import web_sample
from tests.support.served import served

BASE = "http://127.0.0.1:8026"


class Imports:
    """The caller's callback, counted."""

    def __init__(self, press: Publisher, now: datetime) -> None:
        self.press, self.now, self.count = press, now, 0

    def __call__(self) -> ArticleImportReport:
        self.count += 1
        return web_sample.import_into(self.press, self.now)


@pytest.fixture
def workspace(drafted: Publisher) -> Path:
    return drafted.settings.workspace


@pytest.fixture
def press(drafted: Publisher) -> Publisher:
    return drafted


@pytest.fixture
def imports(press: Publisher, now: datetime) -> Imports:
    return Imports(press, now)


@pytest.fixture
def client(press: Publisher, imports: Imports, workspace: Path, now: datetime) -> Iterator[TestClient]:
    def reload() -> Publisher:
        return web_sample.press_on(press.engine, workspace)

    app = preview_app(press, 21, FrozenClock(now), reimport=imports, reload=reload)
    with TestClient(app, base_url=BASE) as client:
        yield client


def test_a_saved_article_is_shown_at_the_next_look(client: TestClient, workspace: Path) -> None:
    assert "Drones over Goyang" not in client.get("/").text
    article = workspace / "articles" / "wsce-2021.md"
    old = "World Smart City Expo 2021 closes in Goyang"
    assert old in article.read_text("utf-8")
    article.write_text(article.read_text("utf-8").replace(old, "Drones over Goyang"), encoding="utf-8")
    assert "Drones over Goyang" in client.get("/").text
    assert "Drones over Goyang" in client.get("/frame?language=en&interests=*").text


def test_one_edition_comes_without_a_build_and_equals_the_builds(press: Publisher, now: datetime) -> None:
    desk, group = Desk(press, 21, FrozenClock(now)), ReaderGroup("en", "mobility")

    def compared() -> str:
        alone = desk.one_edition(lambda one: one.edition_for(group))
        built = desk.look().edition_for(group)
        assert alone
        assert built
        assert (alone.rendered.html, alone.rendered.text) == (built.rendered.html, built.rendered.text)
        return alone.rendered.html

    before = compared()
    with session_scope(press.engine) as session:
        article = articles.get(session, "truck-platooning")
        article.title, article.content_hash = "Lorries again", "0" * 64
        session.add(article)
    assert "Lorries again" in compared() != before


def test_an_approval_that_a_change_voids_is_not_shown_as_one(
    client: TestClient, press: Publisher, workspace: Path, now: datetime
) -> None:
    client.get("/")  # imports what was written before
    with session_scope(press.engine) as session:
        assert lifecycle.approve(press, session, issue_store.find(session, 21), Approver("Ada"), now)
    assert "<strong>approved</strong>" in client.get("/").text
    article = workspace / "articles" / "wsce-2021.md"
    article.write_text(article.read_text("utf-8").replace("closes", "ends"), encoding="utf-8")
    said = "approved, but its approval is no longer valid: article wsce-2021 changed"
    for path in ("/", "/edition?language=en&interests=*"):
        assert said in re.sub(r"<[^>]*>", "", client.get(path).text)


def test_what_did_not_change_is_not_imported_again(client: TestClient, imports: Imports) -> None:
    for _ in range(3):
        client.get("/")
    assert imports.count == 1


def test_a_mistake_is_shown_with_file_line_and_what_to_do(client: TestClient, workspace: Path) -> None:
    (workspace / "articles" / "new.md").write_text("---\ntitle: A\nsumary: b\n---\n", encoding="utf-8")
    page = client.get("/").text
    assert "<code>articles/new.md:3</code>" in page
    assert "summary" in page[page.index("new.md:3") :][:600]
    (workspace / "articles" / "new.md").unlink()
    assert "new.md" not in client.get("/").text


def test_an_article_changed_on_both_sides_is_shown_as_a_diff(
    client: TestClient, workspace: Path, press: Publisher, now: datetime
) -> None:
    article = workspace / "articles" / "wsce-2021.md"
    text = article.read_text("utf-8")
    web_sample.change_in_database(press, "wsce-2021", "Changed in the database")
    article.write_text(text.replace("closes in Goyang", "closes in the file"), encoding="utf-8")
    page = client.get("/").text
    assert "changed both in its file and in the database" in page
    assert 'class="diff"' in page


def test_a_new_configuration_is_used_at_once(client: TestClient, workspace: Path) -> None:
    config = workspace / "digest.toml"
    text = config.read_text("utf-8")
    assert "Smart City Newsletter" in text
    config.write_text(text.replace("Smart City Newsletter", "City Letter"), encoding="utf-8")
    assert "City Letter</a>" in client.get("/").text


def test_a_broken_configuration_is_told_and_the_last_good_stays(client: TestClient, workspace: Path) -> None:
    config = workspace / "digest.toml"
    text = config.read_text("utf-8")
    config.write_text(text + "\n[publication\n", encoding="utf-8")
    page = client.get("/")
    assert page.status_code == 200
    assert "not valid TOML" in page.text
    assert "The last valid configuration stays in use." in page.text
    config.write_text(text, encoding="utf-8")
    assert "not valid TOML" not in client.get("/").text


def test_a_broken_template_is_told_by_line_until_it_is_mended(client: TestClient, workspace: Path) -> None:
    override = workspace / "templates" / "email" / "components" / "footer.mjml.j2"
    override.parent.mkdir(parents=True)
    override.write_text(
        "{% macro issue_footer(edition, slots) %}\n{{ nobody.knows }}\n{% endmacro %}", encoding="utf-8"
    )
    page = client.get("/")
    assert page.status_code == 500
    assert "footer.mjml.j2, line 2" in page.text
    assert "/assets/preview.js" in page.text, "the page renews itself when the template is saved"
    assert "footer.mjml.j2, line 2" in client.get("/frame").text
    override.unlink()
    assert client.get("/").status_code == 200


def test_a_broken_page_of_the_desk_is_told_on_our_own(client: TestClient, workspace: Path) -> None:
    override = workspace / "templates" / "web" / "desk_base.html.j2"
    override.parent.mkdir(parents=True)
    override.write_text("\n{{ 'x' * 10**9 }}", encoding="utf-8")
    page = client.get("/")
    assert page.status_code == 500
    assert "desk_base.html.j2, line 2: it needs more than" in page.text
    override.unlink()
    assert client.get("/").status_code == 200


def test_a_new_theme_is_seen_in_the_frames(client: TestClient, workspace: Path) -> None:
    assert "#7a1f3d" not in client.get("/frame").text
    (workspace / "templates" / "theme.toml").write_text('[light]\naccent = "#7a1f3d"\n', encoding="utf-8")
    assert "#7a1f3d" in client.get("/frame").text


def test_a_new_reader_counts_at_once(client: TestClient, press: Publisher, now: datetime) -> None:
    assert "<dt>Readers</dt><dd>6</dd>" in client.get("/").text
    with session_scope(press.engine) as session:
        session.add(
            Subscriber(ref="new", address="n@example.org", address_key="n@example.org", language="en",
                       state="confirmed", created_at=now, confirmed_at=now)
        )  # fmt: skip
    assert "<dt>Readers</dt><dd>7</dd>" in client.get("/").text


def test_only_what_an_issue_is_made_from_counts_as_a_change(tmp_path: Path) -> None:
    concerns = WorkspaceFilter(tmp_path)
    for path in ("articles/a.md", "articles/images/x.jpg", "templates/theme.toml", "digest.toml"):
        assert concerns(Change.modified, str(tmp_path / path)), path
    for path in (
        "digest.db-wal",
        "outbox/new/1",
        "articles/.a.md.swp",
        "articles/a.md~",
        "../digest.toml",
        "secrets.toml",
    ):
        assert not concerns(Change.modified, str((tmp_path / path).resolve())), path


def test_a_stamp_differs_after_every_kind_of_change(tmp_path: Path) -> None:
    file = tmp_path / "articles" / "a.md"
    seen = [stamp(tmp_path / "articles")]
    file.parent.mkdir()
    file.write_text("a", encoding="utf-8")
    seen.append(stamp(tmp_path / "articles"))
    file.write_text("ab", encoding="utf-8")
    seen.append(stamp(tmp_path / "articles"))
    file.rename(file.with_name("b.md"))
    seen.append(stamp(tmp_path / "articles"))
    assert len(set(seen)) == 4
    assert stamp(tmp_path / "articles") == seen[-1]


def test_open_pages_hear_of_a_saved_file_and_hold_no_server_up(
    press: Publisher, workspace: Path, now: datetime
) -> None:
    with served(preview_app(press, 21, FrozenClock(now))) as address:
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
        connection.request("GET", "/changes")
        stream = connection.getresponse()
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert stream.readline() == b": watching\n"
        while stream.readline() != b": still here\n":
            pass  # now the watcher runs; a change before that is not promised to be noticed
        (workspace / "articles" / "wsce-2021.md").touch()
        lines = iter(stream.readline, b"")
        assert any(line == b"event: changed\n" for line in lines)
    connection.close()
