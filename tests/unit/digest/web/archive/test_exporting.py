"""The archive as files: whole, the same twice, and with nobody's data in it."""

import json
import re
import threading
from datetime import datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from typer.testing import CliRunner

from digest.cli import app
from digest.issues import store as issue_store
from digest.publish import archive_notes
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.runtime.errors import UsageError
from digest.web.archive.exporting import Links, export
from digest.web.archive.folder import LIST
from tests.support import web_sample
from tests.support.atom_rules import checked
from tests.support.crawl import dead_links, links_of, outward, reached
from tests.support.published import draft, publish


@pytest.fixture
def press(sent: Publisher, now: datetime) -> Publisher:
    publish(
        sent, 20, [draft("older", "Older & <wiser>", "See [later](http://127.0.0.1:8025/archive/21#wsce-2021).")], now
    )
    return sent


def content(site: Path) -> dict[str, bytes]:
    return {str(path.relative_to(site)): path.read_bytes() for path in site.rglob("*") if path.is_file()}


def test_every_link_of_the_site_leads_somewhere(press: Publisher, tmp_path: Path) -> None:
    site = tmp_path / "site"
    report = export(press, site)
    assert (report.issues, report.left) == (2, [])
    assert dead_links(site) == []
    files = content(site).keys() - {LIST, "sitemap.xml"}
    assert len(files) > 20
    shared = {urlsplit(one).path.removeprefix("/") for page in site.rglob("*.html") for one in pictures_to_share(page)}
    assert shared
    assert files == reached(site) | shared, "nothing is in it that no page leads to"
    assert {
        "index.html",
        "ko.html",
        "archive/index.html",
        "archive/ko.html",
        "archive/21/index.html",
        "archive/21/ko.html",
        "archive/20/ko.html",
    } <= files
    assert "../21/index.html#wsce-2021" in links_of(site / "archive/20/index.html")


def pictures_to_share(page: Path) -> list[str]:
    return re.findall(r'<meta property="og:image" content="http://127\.0\.0\.1:8025([^"]+)"', page.read_text("utf-8"))


def test_the_same_archive_is_the_same_bytes(press: Publisher, tmp_path: Path) -> None:
    export(press, tmp_path / "one")
    export(press, tmp_path / "two")
    assert content(tmp_path / "one") == content(tmp_path / "two")
    again = export(press, tmp_path / "one")
    assert (again.written, again.removed, again.unchanged) == (0, 0, again.files)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_nothing_personal_is_in_it(press: Publisher, tmp_path: Path) -> None:
    export(press, tmp_path / "site")
    everything = "\n".join(text.decode("utf-8", "replace") for text in content(tmp_path / "site").values())
    for address, name, *_ in web_sample.READERS:
        assert address not in everything
        assert name not in everything
    assert "@@R_" not in everything
    assert not re.search(r"/(view|preferences|unsubscribe|confirm|undo|test)/", everything)
    addresses = outward(tmp_path / "site")
    ours = {address for address in addresses if address.startswith("http://127.0.0.1:8025")}
    kinds = {re.sub(r"[?#].*|\d+|/[a-z]+\.xml$", "", address.removeprefix("http://127.0.0.1:8025")) for address in ours}
    assert kinds <= {"/subscribe", "/archive", "/archive/", "/feeds", "/feeds/en", "/feeds/ko"}, kinds


def test_pages_have_no_search_and_ask_for_nothing_elsewhere(press: Publisher, tmp_path: Path) -> None:
    export(press, tmp_path / "site")
    for page in (tmp_path / "site").rglob("*.html"):
        text = page.read_text("utf-8")
        assert "<form" not in text
        assert set(re.findall(r"<script[^>]*", text)) <= {'<script type="application/ld+json"'}, "data only"
        assert not re.search(r'<(?:img|link rel="stylesheet")[^>]*(?:src|href)="(?:https?:|/)', text), page


def test_feeds_lead_to_live_pages_or_to_where_the_site_will_be(press: Publisher, tmp_path: Path) -> None:
    export(press, tmp_path / "live")
    assert "http://127.0.0.1:8025/archive/21?lang=ko#wsce-2021" in links_of(tmp_path / "live/feeds/ko.xml")
    export(press, tmp_path / "moved", base_url="https://archive.example.org/city/")
    for feed in (tmp_path / "moved/feeds").rglob("*.xml"):
        checked(feed.read_bytes())
    root = "https://archive.example.org/city"
    named = {link for path in (tmp_path / "moved").rglob("*.xml") for link in links_of(path)}
    assert f"{root}/archive/21/ko.html#wsce-2021" in named
    for link in named:
        path = link.partition("#")[0].removeprefix(f"{root}/")
        assert (tmp_path / "moved" / (f"{path}index.html" if path.endswith("/") or not path else path)).is_file(), link


def test_links_of_mails_find_their_pages_on_a_static_server(press: Publisher, tmp_path: Path) -> None:
    export(press, tmp_path / "site")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        for path, wanted in {"": "index.html", "/archive": "archive/index.html", "/archive/21": "archive/21/index.html",
                             "/archive/21?lang=ko": "archive/21/index.html", "/feeds/ko.xml": "feeds/ko.xml"}.items():  # fmt: skip
            with urlopen(address + path) as answer:
                assert answer.read() == (tmp_path / "site" / wanted).read_bytes()
                assert not path or answer.url.partition("?")[0].endswith(("/", ".xml")), "relative links need the slash"
        server.shutdown()


@pytest.mark.parametrize("wrong", ["archive.example.org", "ftp://x.example", "https://", "javascript:alert(1)"])
def test_an_address_that_is_none_is_refused(press: Publisher, tmp_path: Path, wrong: str) -> None:
    with pytest.raises(UsageError, match="base-url"):
        export(press, tmp_path / "site", base_url=wrong)
    assert not (tmp_path / "site").exists()


def test_what_left_the_archive_leaves_the_site(press: Publisher, tmp_path: Path, now: datetime) -> None:
    site = tmp_path / "site"
    export(press, site)
    with session_scope(press.engine) as session:
        archive_notes.set_kept_out(issue_store.find(session, 21), now, kept_out=True)
    report = export(press, site)
    assert report.removed > 10
    assert not (site / "archive/21").exists()
    assert not (site / "media").exists()
    assert dead_links(site) == []
    assert "/archive/21" not in (site / "sitemap.xml").read_text()
    text = (site / "archive/20/index.html").read_text("utf-8")
    assert 'href="http://127.0.0.1:8025/archive/21#wsce-2021"' in text, "only the live server can say why"


def test_an_empty_archive_is_a_site_too(press: Publisher, tmp_path: Path, now: datetime) -> None:
    with session_scope(press.engine) as session:
        for number in (20, 21):
            archive_notes.set_kept_out(issue_store.find(session, number), now, kept_out=True)
    assert export(press, tmp_path / "site").issues == 0
    assert dead_links(tmp_path / "site") == []
    assert "No issue has been published yet" in (tmp_path / "site/index.html").read_text("utf-8")


def test_links_are_turned_by_where_they_lead() -> None:
    links = Links("https://a.example/news", "en", [])
    for address, wanted in {
        "/news/archive?lang=ko": "../ko.html",
        "/news/archive": "../index.html",
        "/news/": "../../index.html",
        "/news/?lang=ko": "../../ko.html",
        "https://a.example/news": "../../index.html",
        "/news/media/x.jpg": "../../media/x.jpg",
        "https://a.example/news/media/x.jpg": "../../media/x.jpg",
        "/news/subscribe?lang=en": "https://a.example/news/subscribe?lang=en",
        "/news/archive/7": "https://a.example/news/archive/7",
        "https://a.example/newspaper": "https://a.example/newspaper",
        "/other": "/other",
        "//b.example/news/": "//b.example/news/",
        "#top": "#top",
        "mailto:a@b.example": "mailto:a@b.example",
        "https://b.example/?a=1&amp;b=2": "https://b.example/?a=1&amp;b=2",
    }.items():
        turned = links.turned(f'<a href="{address}">', "archive/21/index.html", "en")
        assert turned == f'<a href="{wanted}">', address


def test_the_command_tells_people_and_scripts(
    press: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, workspace = CliRunner(), str(press.settings.workspace)
    done = runner.invoke(app, ["--workspace", workspace, "--json", "archive", "export", str(tmp_path / "site")])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "directory": str(tmp_path / "site"), "issues": 2, "files": len(content(tmp_path / "site")) - 1,
        "bytes": sum(len(data) for path, data in content(tmp_path / "site").items() if path != LIST),
        "written": len(content(tmp_path / "site")) - 1, "unchanged": 0, "removed": 0, "left": [],
    }  # fmt: skip
    told = runner.invoke(app, ["--workspace", workspace, "archive", "export", str(tmp_path / "site")])
    assert "0 written" in told.stdout


def test_commands_keep_out_and_note(press: Publisher) -> None:
    runner, workspace = CliRunner(), str(press.settings.workspace)

    def told(*arguments: str) -> dict[str, object]:
        done = runner.invoke(app, ["--workspace", workspace, "--json", *arguments])
        assert done.exit_code == 0, done.output
        answer: dict[str, object] = json.loads(done.stdout)
        return answer

    assert told("issue", "archive", "21", "--keep-out") == {"issue": 21, "kept_out": True, "changed": True}
    assert told("issue", "archive", "21", "--show") == {"issue": 21, "kept_out": False, "changed": True}
    assert told("issue", "note", "21", "Corrected.")["note"] == {"*": "Corrected."}
    assert told("articles", "archive", "older", "--keep-out") == {"slug": "older", "kept_out": True, "renewed": []}
    renewed = told("articles", "archive", "wsce-2021", "--keep-out")["renewed"]
    assert renewed == [{"issue": 21, "changes": []}]
    form = str(told("subscribers", "form", "--language", "ko")["html"])
    assert form.startswith('<form action="http://127.0.0.1:8025/subscribe" method="post"')
    for wrong in (["issue", "archive", "21"], ["articles", "archive", "wsce-2021"], ["issue", "note", "21"]):
        assert runner.invoke(app, ["--workspace", workspace, *wrong]).exit_code == 2
