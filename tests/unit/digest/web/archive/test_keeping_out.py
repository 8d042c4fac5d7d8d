"""What is kept out of the archive is in no list, page, search, feed or export; mails and their view links stay."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from digest.app import App
from digest.articles import store as article_store
from digest.editions.models import ArchivedArticle
from digest.issues import store as issue_store
from digest.publish import archive_notes, build
from digest.publish.import_articles import import_articles
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.runtime.errors import UsageError
from digest.testing import FrozenClock
from digest.web.archive.exporting import export
from subscribers.links import LinkSigner
from tests.support import web_sample
from tests.support.published import editions, set_state, view_url

SLUG, TITLE = "seoul-private-sites", "Seoul brings smart safety to private building sites"
LEAD = "wsce-2021"


one_database = pytest.mark.one_database


@pytest.fixture
def press(sent_on_each: Publisher) -> Publisher:
    return sent_on_each


def keep_out(press: Publisher, slug: str, now: datetime, *, kept_out: bool = True) -> list[archive_notes.Renewed]:
    with session_scope(press.engine) as session:
        return archive_notes.keep_article_out(press, session, slug, now, kept_out=kept_out)


def everywhere(client: TestClient, press: Publisher, folder: Path) -> dict[str, str]:
    """Every place where the archive could name an article."""
    paths = ["/", "/archive", "/archive/21?lang=en", "/archive/21?lang=ko", "/archive/21?format=text", "/feeds/en.xml",
             "/feeds/ko.xml", "/feeds/en/safety.xml", "/archive/search?q=building+sites", "/sitemap.xml"]  # fmt: skip
    export(press, folder)
    files = {str(path): path.read_text("utf-8") for path in folder.rglob("*.*ml")}
    return {path: client.get(path).text for path in paths} | files


def test_an_article_is_kept_out_after_it_went_out_and_back_again(
    client: TestClient, press: Publisher, signer: LinkSigner, now: datetime, tmp_path: Path
) -> None:
    before = everywhere(client, press, tmp_path / "site")
    stored = [edition.html for edition in editions(press, archive=True)]
    mails = [edition.html for edition in editions(press)]
    viewed = client.get(view_url(press, signer)).text
    assert sum(SLUG in text for text in before.values()) >= 8

    renewed = keep_out(press, SLUG, now + timedelta(days=1))
    assert [(one.number, one.changes) for one in renewed] == [(21, ())]
    after = everywhere(client, press, tmp_path / "site")
    assert [place for place, text in after.items() if SLUG in text or TITLE in text] == []
    assert all("wsce-2021" in after[f"/archive/21?lang={language}"] for language in ("en", "ko")), "the rest is there"
    assert [edition.html for edition in editions(press, archive=True)][: len(stored)] == stored, "bytes never change"
    assert [edition.html for edition in editions(press)] == mails
    assert client.get(view_url(press, signer)).text == viewed, "whoever got the mail may read it on the web"

    assert keep_out(press, SLUG, now + timedelta(days=2), kept_out=False) == []
    again = everywhere(client, press, tmp_path / "site")
    moments = re.compile(r'<updated>.*?</updated>|<lastmod>.*?</lastmod>|"dateModified": ?"[^"]*"')
    assert {place: moments.sub("", text) for place, text in again.items()} == {
        place: moments.sub("", text) for place, text in before.items()
    }


@one_database
def test_the_lead_leaves_subject_and_preheader_too(client: TestClient, press: Publisher, now: datetime) -> None:
    assert "World Smart City Expo" in client.get("/archive").text
    keep_out(press, LEAD, now)
    for path in ("/", "/archive", "/archive/21?lang=en", "/feeds/en.xml"):
        assert "World Smart City Expo 2021 closes" not in client.get(path).text, path


def test_doing_it_twice_makes_nothing_new(press: Publisher, now: datetime) -> None:
    keep_out(press, SLUG, now)
    known = len(editions(press, archive=True))
    assert keep_out(press, SLUG, now) == []
    keep_out(press, SLUG, now, kept_out=False)
    assert keep_out(press, SLUG, now) == []
    assert len(editions(press, archive=True)) == known


@one_database
def test_what_changed_in_between_is_told(press: Publisher, now: datetime) -> None:
    web_sample.change_in_database(press, LEAD, "The Expo, corrected")
    (renewed,) = keep_out(press, SLUG, now)
    assert renewed.changes == (f"article {LEAD} changed",)


@one_database
def test_an_issue_of_nothing_else_is_not_in_the_archive(client: TestClient, press: Publisher, now: datetime) -> None:
    with session_scope(press.engine) as session:
        groups = [item.group for item, _ in issue_store.items_of(session, issue_store.find(session, 21))]
    for group in groups:
        keep_out(press, group, now)
    assert "/archive/21" not in client.get("/archive").text
    assert client.get("/archive/21").status_code == 404


@one_database
def test_a_translation_is_not_kept_out_alone(press: Publisher, now: datetime) -> None:
    with pytest.raises(UsageError, match="translation"):
        keep_out(press, f"{LEAD}-ko", now)


def test_kept_out_before_approval_it_is_in_the_mail_only(
    drafted: Publisher, now: datetime, signer_key: LinkSigner
) -> None:
    plain, engine = drafted, drafted.engine
    with session_scope(engine) as session:
        before = build.build(plain, session, issue_store.find(session, 21), now)
    path = plain.settings.workspace / "articles" / f"{SLUG}.md"
    path.write_text(path.read_text("utf-8").replace("---\n", "---\narchive: false\n", 1), "utf-8")
    import_articles(
        App(plain.settings, engine, FrozenClock(now)).publisher, [plain.settings.workspace / "articles"], now=now
    )
    with session_scope(engine) as session:
        made = build.build(plain, session, issue_store.find(session, 21), now)
    assert [edition.rendered.html for edition in made.editions] == [
        edition.rendered.html for edition in before.editions
    ]
    assert [finding.where for finding in made.findings if finding.id == "kept-out-of-archive"] == [SLUG]
    web_sample.send_out(plain, now)
    assert any(SLUG in edition.articles for edition in editions(plain))
    assert not any(SLUG in edition.articles for edition in editions(plain, archive=True))
    with TestClient(web_sample.public(plain, signer_key, FrozenClock(now))) as client:
        assert TITLE not in client.get("/archive/21?lang=en").text


@pytest.fixture
def signer_key() -> LinkSigner:
    return LinkSigner(["a key for links, long enough"], "http://127.0.0.1:8025")


@one_database
def test_front_matter_keeps_out_what_was_published_already(client: TestClient, press: Publisher, now: datetime) -> None:
    path = press.settings.workspace / "articles" / f"{SLUG}.md"
    text = path.read_text("utf-8")
    path.write_text(text.replace("---\n", "---\narchive: false\n", 1), "utf-8")
    works = App(press.settings, press.engine, FrozenClock(now))
    assert import_articles(works.publisher, [press.settings.workspace / "articles"], now=now).updated == [SLUG]
    assert SLUG not in client.get("/archive/21?lang=en").text
    assert "World Smart City Expo" in client.get("/archive/21?lang=en").text
    path.write_text(text, "utf-8")
    assert import_articles(works.publisher, [press.settings.workspace / "articles"], now=now).updated == [SLUG]
    assert SLUG in client.get("/archive/21?lang=en").text


@one_database
def test_articles_that_say_nothing_of_it_keep_their_hashes(press: Publisher) -> None:
    with session_scope(press.engine) as session:
        article = article_store.get(session, SLUG)
        assert "archive" not in article_store.content_of(article, group=article.group)


@one_database
def test_an_issue_can_be_kept_out_whole(
    client: TestClient, press: Publisher, signer: LinkSigner, now: datetime, tmp_path: Path
) -> None:
    with session_scope(press.engine) as session:
        issue = issue_store.find(session, 21)
        assert archive_notes.set_kept_out(issue, now, kept_out=True)
        assert not archive_notes.set_kept_out(issue, now, kept_out=True)
        session.add(issue)
    texts = everywhere(client, press, tmp_path / "site")
    assert [place for place, text in texts.items() if "archive/21" in place and SLUG in text] == []
    assert [place for place, text in texts.items() if "/archive/21?" in text or TITLE in text] == []
    answer = client.get("/archive/21", headers={"Accept-Language": "en"})
    assert answer.status_code == 404
    assert "It was sent to subscribers only" in answer.text
    assert client.get(view_url(press, signer)).status_code == 200
    set_state(press, "withdrawn")
    assert client.get("/archive/21").status_code == 410


@one_database
def test_a_note_stands_over_the_issue_as_text(client: TestClient, press: Publisher, now: datetime) -> None:
    def put(text: str, language: str = "*") -> None:
        with session_scope(press.engine) as session:
            issue = issue_store.find(session, 21)
            archive_notes.set_note(issue, language, text, now)
            session.add(issue)

    plain = client.get("/archive/21?lang=en").text
    put("A figure is corrected in <No. 22> & later.")
    assert "corrected in &lt;No. 22&gt; &amp; later." in client.get("/archive/21?lang=en").text
    put("제22호에서 바로잡았습니다.", "ko")
    assert "바로잡았습니다" in client.get("/archive/21?lang=ko").text
    assert "바로잡았습니다" not in client.get("/archive/21?lang=en").text
    put("")
    assert client.get("/archive/21?lang=en").text == plain
    for bad in ("x" * 2000, "two\nlines", "a\0b"):
        with pytest.raises(UsageError):
            put(bad)


def test_each_archive_edition_is_known_article_by_article(press: Publisher) -> None:
    with session_scope(press.engine) as session:
        for edition in editions(press, archive=True):
            query = select(ArchivedArticle).where(ArchivedArticle.edition_id == edition.id)
            rows = session.exec(query.order_by("position")).all()
            assert len(rows) == len(edition.articles)
            assert all(f'id="{row.group}"' in edition.html for row in rows)
