"""The editors' desk over HTTP, with the sample issue: every edition, every reader, nothing changed."""

import html
import re
from collections.abc import Iterator
from datetime import datetime

import pytest
from starlette.testclient import TestClient

from digest.articles import store as article_store
from digest.issues import store
from digest.issues.models import Issue
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.testing import FrozenClock
from digest.web.app import preview_app
from digest.web.desk import edition_list, preview_views
from digest.web.desk.mail_clients import MailClient

BASE = "http://127.0.0.1:8026"


@pytest.fixture
def press(drafted: Publisher) -> Publisher:
    return drafted


@pytest.fixture
def client(press: Publisher, now: datetime) -> Iterator[TestClient]:
    with TestClient(preview_app(press, 21, FrozenClock(now)), base_url=BASE) as client:
        yield client


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page)))


def test_the_matrix_says_of_every_article_which_edition_has_it(client: TestClient, press: Publisher) -> None:
    with session_scope(press.engine) as session:
        session.delete(article_store.get(session, "ecuador-smart-city-policy-ko"))
    page = client.get("/").text
    row = page[page.index(">Five Korean cities certified as excellent smart cities<") :].partition("</tr>")[0]
    assert re.findall(r'class="c (\w+)"', row) == ["shown", "left", "left", "shown", "shown", "left"]
    row = page[page.index("Ecuador&#39;s smart city policy<") :].partition("</tr>")[0]
    assert re.findall(r'class="c (\w+)"', row) == ["shown"] * 4 + ["original"] * 2


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six editions are many."""
    monkeypatch.setattr(edition_list, "PAGE", 2)
    for module in (edition_list, preview_views):
        monkeypatch.setattr(module, "MOST_COLUMNS", 2)


def editions_in(page: str) -> list[str]:
    table = page.partition('<table class="editions">')[2].partition("</table>")[0]
    return re.findall(r"<th scope=\"row\"><a [^>]*>(\w+ \d+)</a>", table)


def test_many_editions_stand_on_pages_under_their_languages(client: TestClient, many: None) -> None:
    pages = [client.get("/", params={"page": number}).text for number in (1, 2, 3, 99)]
    assert list(map(editions_in, pages)) == [["en 1", "en 2"], ["en 3", "en 4"], ["ko 1", "ko 2"], ["ko 1", "ko 2"]]
    assert "English: 4 editions, 4 readers" in text_of(pages[1])
    assert "Page 2 of 3" in pages[1]
    follow = re.findall(r'<a href="([^"]+)" rel="(\w+)"', pages[1])
    assert follow == [("/?page=1#editions", "prev"), ("/?page=3#editions", "next")]
    assert re.findall(r'rel="(\w+)"', pages[0].partition("Pages of editions")[2])[:1] == ["next"]


def test_many_editions_are_filtered(client: TestClient, many: None) -> None:
    page = client.get("/", params={"language": "en", "interest": "mobility"}).text
    assert editions_in(page) == ["en 1", "en 2"]
    assert "of 6 editions" in page
    assert '<option value="mobility" selected>' in page
    assert "/?language=en&amp;page=2#editions" in client.get("/", params={"language": "en"}).text
    alone = client.get("/", params={"language": "ko", "article": "certified-cities"}).text
    assert editions_in(alone) == ["ko 1"]
    assert re.findall(r'class="c (\w+)"', alone)[:1] == ["shown"]  # few enough to be columns


def test_of_many_editions_the_matrix_has_numbers(client: TestClient, many: None) -> None:
    page = client.get("/").text
    row = page[page.index(">Five Korean cities certified as excellent smart cities</th>") :].partition("</tr>")[0]
    assert re.findall(r">(\d of \d)<", row) == ["2 of 4", "1 of 2"]
    address = html.unescape(re.findall(r'<a href="([^"]+)"', row)[0])
    assert editions_in(client.get(address).text) == ["en 1", "en 4"]


def test_an_edition_among_many_has_its_neighbours(client: TestClient, many: None) -> None:
    page = client.get("/edition?language=ko&interests=*").text
    crumbs = page.partition('<nav class="crumbs"')[2].partition("</nav>")[0]
    assert re.findall(r">([^<>]+)</a>", crumbs) == ["All 6 editions", "en 4", "ko 1"]
    assert 'aria-current="page"' in crumbs


def test_findings_in_many_editions_are_counted() -> None:
    names = [f"en {number}" for number in range(1, 21)]
    assert preview_views._heading(names, 99, str) == f"Editions {', '.join(names[:12])} and 8 more"
    found = {("size", "advise", "HTML", name): [name] for name in names} | {("link", "advise", "HTML", ""): names}
    kept, more = preview_views._most_frequent(found)
    assert (kept[0][0], len(kept), more) == ("link", 11, {"size": 10})


@pytest.mark.parametrize("query", ["language=xx", "interest=nothing", "article=nothing"])
def test_a_filter_that_names_nothing_is_refused(client: TestClient, query: str) -> None:
    assert client.get(f"/?{query}").status_code in {400, 404}


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


def test_any_choice_of_interests_can_be_looked_at_with_no_reader(client: TestClient) -> None:
    page = client.get("/edition?language=ko&interests=certification")
    assert page.status_code == 200
    assert "An edition without readers now" in page.text


def test_unknown_interests_are_no_error(client: TestClient) -> None:
    page = client.get("/edition?interests=<script>&interests=mobility")
    assert page.status_code == 200
    assert "Edition en 2" in page.text
    assert "<script>" not in page.text


@pytest.mark.parametrize("path", ["/edition", "/frame"])
def test_a_language_that_is_not_published_is_refused(client: TestClient, path: str) -> None:
    page = client.get(f"{path}?language=xx&interests=*")
    assert page.status_code == 400
    assert "The publication does not have the language 'xx'" in html.unescape(page.text)
    assert "Use one of: en, ko." in page.text


def test_the_whole_issue_is_shown_as_the_archive_will_have_it(client: TestClient) -> None:
    page = client.get("/edition?language=en&whole=1")
    assert "The whole issue, as in the archive" in page.text


def test_a_reader_of_plain_text_is_shown_plain_text(client: TestClient) -> None:
    page = client.get("/reader/library").text
    assert "plain text only" in page
    assert "view=text" in re.findall(r"<iframe[^>]*>", page)[0]


def test_a_readers_name_is_text(client: TestClient) -> None:
    page = client.get("/reader/office").text
    assert "<b>Sons</b>" not in page
    assert "O&#39;Brien &amp; &lt;b&gt;Sons" in page


@pytest.mark.parametrize("path", ["/reader/nobody", "/assets/base.html.j2", "/assets/..%2ftheme.toml", "/media/x.png"])
def test_what_does_not_exist_is_a_page_that_says_so(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "<h1>Not found</h1>" in answer.text


def test_a_broken_query_is_a_page_that_says_so(client: TestClient) -> None:
    answer = client.get("/edition?view=pdf")
    assert answer.status_code == 400
    assert "doesn’t recognize" in answer.text


def test_only_a_loopback_name_is_answered(client: TestClient) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:8026"):
        assert client.get("/", headers={"Host": host}).status_code == 421
    for host in ("localhost:8026", "[::1]:8026", "127.0.0.1"):
        assert client.get("/", headers={"Host": host}).status_code == 200


def test_a_desk_page_asks_nobody_else_and_no_cookie_is_set(client: TestClient) -> None:
    answer = client.get("/")
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text)


def test_a_korean_mail_says_interests_in_korean(client: TestClient) -> None:
    assert "모빌리티" in client.get("/frame?language=ko&interests=mobility&interests=safety").text
    assert "Mobility" not in client.get("/frame?language=ko&interests=mobility&interests=safety&view=text").text


def test_the_findings_of_the_issue_are_shown_and_why_some_stand(client: TestClient, press: Publisher) -> None:
    with session_scope(press.engine) as session:
        issue = store.find(session, 21, lock=True)
        issue.subject = {"*": "Re: *|FNAME|*"}
        issue.waivers = [
            {"id": "subject-reply", "where": "subject", "reason": "It is its title"}
            | {"message": "The subject looks like a reply or a forwarded mail, which mailbox providers forbid"}
        ]
        session.add(issue)
    page = text_of(client.get("/").text)
    assert "*|FNAME|* looks like a placeholder" in page
    assert "It stands because: It is its title" in page
    assert "blocking" not in page
    assert "It stands because: It is its title" in text_of(client.get("/edition", params={"language": "en"}).text)


def test_two_editions_are_compared_by_article(client: TestClient) -> None:
    page = client.get("/", params={"a": "en 1", "b": "ko 2"}).text
    shown = text_of(page.partition('id="compare"')[2].partition("</section>")[0])
    only_a, only_b, both = (int(found) for found in re.findall(r"(?:Only in \w+ \d|In both): (\d+)", shown))
    assert (only_a > 0, only_b, both > 0) == (True, 0, True), "everything against less: translations count as one"
    assert "There is no edition “&lt;b&gt;”" in client.get("/", params={"a": "<b>", "b": "en 1"}).text


def test_gaps_and_repeats_are_named(client: TestClient, press: Publisher, now: datetime) -> None:
    assert "Every reader gets something." in client.get("/").text
    with session_scope(press.engine) as session:
        issue = store.find(session, 21)
        earlier = Issue(number=20, period="2021-08", date=now.date(), state="sent", created_at=now)
        session.add(earlier)
        session.flush()
        item, article = store.items_of(session, issue)[0]
        copied = item.model_dump(exclude={"id", "issue_id"})
        session.add(type(item)(**copied, issue_id=earlier.id))
        title = article.title
    said = text_of(client.get("/").text.partition('id="gaps"')[2].partition("</ul>")[0])
    assert f"Carried again from issue 20: {title}" in said


def test_the_preview_speaks_korean_where_a_browser_asks(client: TestClient) -> None:
    page = client.get("/edition?language=en&interests=mobility", headers={"Accept-Language": "ko"}).text
    assert '<html lang="ko"' in page
    assert "en 2 판" in page
    assert "Readers" not in text_of(page.partition("<main")[2].partition('<div class="two">')[0])
    assert '<html lang="en"' in client.get("/?lang=en", headers={"Accept-Language": "ko"}).text


def test_each_mail_app_takes_something_away(client: TestClient) -> None:
    query = {"language": "en", "interests": "*"}
    left = {one: client.get("/frame", params={**query, "client": one.value}).text for one in MailClient}
    assert "<style" not in left[MailClient.NO_STYLE]
    assert not re.search(r"<img[^>]*\ssrc=", left[MailClient.NO_IMAGES])
    assert "data-ogsc=" in left[MailClient.OUTLOOK_DARK]
    assert "[data-ogsc]" not in left[MailClient.GMAIL]
    assert "max-width" in left[MailClient.GMAIL]
    assert client.get("/edition", params={**query, "client": "lotus"}).status_code == 400


def test_the_inbox_line_is_cut_where_windows_end(client: TestClient) -> None:
    page = client.get("/edition", params={"language": "ko", "interests": "*", "view": "inbox"}).text
    assert "<iframe" not in page
    assert page.count('<div class="letter">') == 3
