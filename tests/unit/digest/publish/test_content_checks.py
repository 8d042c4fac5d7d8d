"""Findings on an issue's articles and texts name the file, the line and the words."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from digest.articles.models import Article
from digest.articles.placeholders import STARTER_ARTICLE
from digest.issues.models import Issue
from digest.publish.content_checks import content_findings, is_file_name, untranslated
from digest.publish.publisher import Publisher
from digest.render.checks import Finding, Severity
from digest.render.checks.addresses import is_shortened, tracking_marks
from digest.render.content import IssueContent
from tests.support.article_case import settings, templates

FILE = {"hash": "a" * 64, "extension": "png", "width": 9, "height": 9}
Checked = Callable[..., list[tuple[str, str, str]]]


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    (tmp_path / "articles").mkdir()
    own = settings().model_copy(update={"workspace": tmp_path})
    return Publisher(own, create_engine("sqlite://"), templates())


def content_with(now: datetime, *articles: dict[str, Any], **texts: dict[str, str]) -> IssueContent:
    issue = Issue(number=1, period="2026-11", date=date(2026, 11, 30), created_at=now, **texts)
    made: dict[str, dict[str, Article]] = {}
    for number, fields in enumerate(articles):
        slug = f"a{number}"
        values = {"group": slug, "language": "en", "title": f"Title {number}", "body": "Text.", "content_hash": ""}
        article = Article(slug=slug, created_at=now, updated_at=now, **{**values, **fields})
        made.setdefault(article.group, {})[article.language] = article
    return IssueContent(issue, dict.fromkeys(made, "issue"), made)


@pytest.fixture
def checked(publisher: Publisher, now: datetime) -> Checked:
    def check(*articles: dict[str, Any], **texts: dict[str, str]) -> list[tuple[str, str, str]]:
        found = content_findings(publisher, content_with(now, *articles, **texts))
        assert all(one.remedy for one in found)
        assert all((one.severity == Severity.BLOCK) == (one.id == "article-placeholder") for one in found)
        return [(one.id, one.where, one.message) for one in found]

    return check


def ids(found: list[tuple[str, str, str]]) -> list[str]:
    return [one for one, _, _ in found]


def test_a_clean_article_has_none(checked: Checked) -> None:
    link = "https://example.org/?page=2&lang=ko"
    assert checked({"body": f"A [report]({link}).", "apply_by": date(2026, 11, 30), "link": link}) == []


def test_a_placeholder_is_quoted_with_file_and_line(checked: Checked, publisher: Publisher) -> None:
    body = "Dear {{ .Subscriber.FirstName }},\n*|FNAME|*, %%unsubscribe%%"
    file = publisher.settings.workspace / "articles" / "sub" / "own.md"
    file.parent.mkdir()
    file.write_text(f"---\ntitle: T\n---\n{body}\n", "utf-8")
    found = checked({"body": body, "source_path": "sub/own.md"})
    assert [(one, where) for one, where, _ in found] == [
        ("placeholder", "articles/sub/own.md:4"), ("placeholder", "articles/sub/own.md:5"),
        ("placeholder", "articles/sub/own.md:5"),
    ]  # fmt: skip
    quotes = ("{{ .Subscriber.FirstName }}", "*|FNAME|*", "%%unsubscribe%%")
    assert [quote in message for quote, (_, _, message) in zip(quotes, found, strict=True)] == [True] * 3


def test_a_file_out_of_the_workspace_is_not_read(checked: Checked, publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("TODO")
    (publisher.settings.workspace / "articles" / "own.md").symlink_to("/etc/hostname")
    assert checked({"body": "TODO", "source_path": "own.md"})[0][1] == "own.md"
    assert checked({"body": "TODO", "source_path": None})[0][1] == "a0"


@pytest.mark.parametrize("name", ["subject", "preheader", "intro"])
def test_the_issues_own_texts_are_checked(checked: Checked, name: str) -> None:
    found = checked({}, **{name: {"*": "Hello *|FNAME|*", "ko": "{{ 이름 }} 안녕"}})
    assert [(one, where) for one, where, _ in found] == [("placeholder", name), ("placeholder", f"{name}, ko")]


@pytest.mark.parametrize("field", ["title", "summary", "sources", "caption"])
def test_every_text_of_an_article_is_checked(checked: Checked, field: str) -> None:
    image = {"src": "a.png", "alt": "A hall", "caption": "TODO"} | FILE
    value: Any = {"caption": [image], "sources": ["TODO"]}.get(field, "TODO")
    assert ids(checked({"images" if field == "caption" else field: value})) == ["placeholder"]


def test_the_starter_of_init_blocks(checked: Checked) -> None:
    body = STARTER_ARTICLE.partition("\n\n")[2]
    assert ids(checked({"title": "Your first article", "body": body}, {})) == ["article-placeholder"]


def test_a_date_to_apply_by_that_is_past(checked: Checked) -> None:
    (finding,) = checked({"apply_by": date(2026, 11, 29)})
    assert finding[0] == "apply-by-past"
    assert "2026-11-29" in finding[2]


def test_the_same_title_twice_in_a_language(checked: Checked) -> None:
    assert ids(checked({"title": "City  news!"}, {"title": "CITY NEWS"})) == ["title-repeated"]
    assert checked({"title": "News"}, {"title": "News", "language": "ko"}) == []


def test_nothing_but_a_title(checked: Checked) -> None:
    assert ids(checked({"body": "<!-- later -->\n"})) == ["article-title-only"]
    for more in (
        {"summary": "S"},
        {"link": "https://example.org/"},
        {"images": [{"src": "a.png", "alt": "x y"} | FILE]},
    ):
        assert checked({"body": "", **more}) == []


def test_addresses_that_hide_or_mark(checked: Checked) -> None:
    body = "[Report](https://bit.ly/3x) and <https://example.org/?utm_source=a&id=3>, [it][r].\n\n[r]: http://han.gl/x"
    found = checked({"body": body, "link": "https://t.co/x"}, intro={"*": "[More](https://tinyurl.com/q)"})
    assert ids(found) == ["link-shortened", "link-shortened", "link-tracking", "link-shortened", "link-shortened"]
    assert "utm_source" in found[2][2]
    assert "id," not in found[2][2]


def test_which_hosts_and_parameters() -> None:
    assert is_shortened("https://WWW.Bit.ly/x")
    assert not is_shortened("https://habit.ly.example/bit.ly")
    assert tracking_marks("https://a.example/?mc_eid=1&UTM_Medium=x&q=2#fbclid=3") == ["mc_eid", "UTM_Medium", "fbclid"]
    assert tracking_marks("https://a.example/?source=x&ref=y") == []


@pytest.mark.parametrize(
    ("alt", "is_name"),
    [("IMG_1234.JPG", True), ("IMG_1234", True), ("Screenshot 2026-11-30", True), ("hall", True), ("pics/hall.png", True),
     ("사진1", True), ("image", True), ("The hall", False), ("시청 건물", False), ("", False), ("Image of a hall", False)],
)  # fmt: skip
def test_a_text_for_a_picture_is_no_file_name(alt: str, *, is_name: bool) -> None:
    assert is_file_name(alt, "pics/hall.png") == is_name


def test_a_pictures_text_that_is_a_file_name_is_found(checked: Checked) -> None:
    video = {"url": "https://example.org/v", "title": "V", "poster": "p.png", "alt": "p.png"} | FILE
    image = {"src": "x.png", "alt": "DSC0001"} | FILE
    assert ids(checked({"images": [image], "videos": [video]})) == ["image-alt-name"] * 2


def test_what_an_editions_language_lacks(publisher: Publisher, now: datetime) -> None:
    content = content_with(now, {}, {}, {"group": "a1", "language": "ko"})
    assert list(untranslated(publisher, content, ["en"])) == []
    (finding,) = untranslated(publisher, content, ["en", "ko"])
    assert isinstance(finding, Finding)
    assert "1 of 2" in finding.message
    assert finding.message.endswith("a0")
