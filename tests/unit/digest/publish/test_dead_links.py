"""Dead links: each is named with file and line, once asked for, and never a part of what is approved."""

from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from digest.publish import dead_links
from digest.publish.dead_links import check_links_of
from digest.publish.publisher import Publisher
from digest.runtime.link_probe import NO_SUCH_NAME, Answer, LinkState
from tests.support.article_case import settings, templates
from tests.unit.digest.publish.test_content_checks import content_with


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    (tmp_path / "articles").mkdir()
    (tmp_path / "articles" / "own.md").write_text("---\ntitle: T\n---\nText, [old](https://old.example/a#b).\n")
    return Publisher(settings().model_copy(update={"workspace": tmp_path}), create_engine("sqlite://"), templates())


def answers(monkeypatch: pytest.MonkeyPatch, **known: Answer) -> list[str]:
    """Let the network answer for each host by its first name; anything else comes too late."""
    asked: list[str] = []

    def probe_all(addresses: list[str], **_: object) -> dict[str, Answer]:
        asked.extend(addresses)
        named = {address: known.get(address.split("/")[2].split(".")[0]) for address in addresses}
        return {address: answer for address, answer in named.items() if answer}

    monkeypatch.setattr(dead_links, "probe_all", probe_all)
    return asked


def test_a_dead_link_is_named_at_each_place(
    publisher: Publisher, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, unsure = Answer(LinkState.DEAD, "gone"), Answer(LinkState.UNSURE, "403")
    asked = answers(monkeypatch, old=dead, shy=unsure, good=Answer(LinkState.FOUND))
    content = content_with(
        now,
        {"body": "Text, [old](https://old.example/a#b).", "source_path": "own.md", "link": "https://shy.example/"},
        {"body": "[old](https://old.example/a) [m](mailto:a@b.c) [good](https://good.example/)"},
        {"videos": [{"url": "https://slow.example/v", "title": "V", "alt": "", "summary": ""}]},
        intro={"*": "See https://old.example/a"},
    )
    report = check_links_of(publisher, content, seconds=1)
    assert asked == ["https://old.example/a", "https://shy.example/", "https://good.example/", "https://slow.example/v"]
    assert [(one.id, one.where) for one in report.dead] == [
        ("link-dead", "intro"),
        ("link-dead", "articles/own.md:4"),
        ("link-dead", "a1"),
    ]
    assert (report.links, report.dead_links, report.unchecked) == (4, 1, 1)
    assert report.unsure == {"https://shy.example/": "403"}


def test_a_machine_without_the_internet_blames_no_link(
    publisher: Publisher, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, one=Answer(LinkState.DEAD, NO_SUCH_NAME), two=Answer(LinkState.DEAD, NO_SUCH_NAME))
    report = check_links_of(
        publisher, content_with(now, {"body": "https://one.example/ https://two.example/"}), seconds=1
    )
    assert not report.dead
    assert "is this machine online?" in report.unsure["https://one.example/"]
    assert check_links_of(publisher, content_with(now), seconds=1).links == 0
