"""An issue's texts belong to a language, and a language that the publication does not have is refused everywhere."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.samples import DRAFT, Samples
from tests.support.world import World, html_of, mails, text_of

pytestmark = pytest.mark.one_database


@pytest.fixture
def draft(samples: Samples, tmp_path: Path) -> Iterator[World]:
    with samples.world(tmp_path, DRAFT) as made:
        yield made


def test_texts_of_a_language_reach_only_its_editions(draft: World) -> None:
    (draft.folder / "intro.md").write_text("이번 호의 인사말입니다.")
    texts = ("--subject", "구월호 제목", "--preheader", "구월호 머리글", "--intro", "intro.md")
    shown = draft.json("issue", "edit", "21", "--language", "ko", *texts)
    assert shown["subject"].startswith("Smart City Newsletter No. 21")
    assert shown["subjects"] == {"en": shown["subject"], "ko": "구월호 제목"}
    draft.digest("issue", "approve", "21", "--by", "Ada")
    draft.digest("send", "21", "--yes")
    assert draft.json("issue", "show", "21")["subjects"] == shown["subjects"]
    rows = csv.DictReader(io.StringIO(draft.digest("subscribers", "export").lstrip("\ufeff")))
    languages = {row["email"]: row["language"] for row in rows}
    delivered = mails(draft.folder / "outbox")
    assert len(delivered) == 24
    for mail in delivered:
        korean = languages[mail["To"].addresses[0].addr_spec] == "ko"
        parts = (mail["Subject"], text_of(mail), html_of(mail) or text_of(mail))
        assert [("구월호" in part) for part in parts] == [korean] * 3
        assert [("이번 호의 인사말입니다." in part) for part in parts[1:]] == [korean] * 2


def test_a_text_for_all_stands_where_a_language_has_none(draft: World) -> None:
    draft.digest("issue", "edit", "21", "--subject", "For all")
    draft.digest("issue", "edit", "21", "--language", "ko", "--subject", "한국어")
    assert draft.json("issue", "show", "21")["subjects"] == {"en": "For all", "ko": "한국어"}
    draft.digest("issue", "edit", "21", "--language", "ko", "--subject", "")
    assert draft.json("issue", "show", "21")["subjects"] == {"en": "For all", "ko": "For all"}


REFUSED = [
    ("issue", "edit", "21", "--subject", "X"),
    ("issue", "edit", "21", "--date", "2021-09-29"),
    ("issue", "note", "21", "A note"),
    ("send", "21", "--to", "ada@example.org"),
    ("subscribers", "add", "ada@example.net"),
    ("subscribers", "form"),
]


@pytest.mark.parametrize("command", REFUSED, ids=" ".join)
@pytest.mark.parametrize("language", ["fr", "KO", "ko-KR", "en;ko"])
def test_an_unknown_language_is_refused_everywhere(draft: World, command: tuple[str, ...], language: str) -> None:
    ended = draft.call(*command, "--language", language)
    assert ended.returncode == 2
    assert f"The publication does not have the language {language!r}" in ended.stderr
    assert "Use one of: en, ko" in ended.stderr


def test_a_language_without_a_catalogue_is_refused_at_start(draft: World) -> None:
    config = draft.folder / "digest.toml"
    config.write_text(config.read_text().replace('language = "en" ', 'language = "de" '))
    for command in (("config", "check"), ("issue", "list"), ("serve",)):
        ended = draft.call(*command)
        assert ended.returncode == 2
        assert "publication.language" in ended.stderr
        assert "'de'" in ended.stderr


MARKS = {"en": ("[Test] ", "This is a test mail."), "ko": ("[시험] ", "시험용 메일입니다.")}


@pytest.mark.parametrize("language", MARKS)
def test_a_test_mail_says_so_and_no_other_mail_does(draft: World, tmp_path: Path, language: str) -> None:
    prefix, mark = MARKS[language]
    draft.digest("issue", "edit", "21", "--preheader", "Only this")
    to = ("--to", "ada@example.org", "--language", language, "--relay", f"maildir:{tmp_path / 'tests'}")
    draft.digest("send", "21", *to)
    (test,) = mails(tmp_path / "tests")
    assert test["Subject"].startswith(prefix)
    assert f"\nOnly this\n{mark}" in text_of(test).replace("\r\n", "\n")
    visible = html_of(test).partition("</head>")[2]
    assert visible.index("Only this") < visible.index(mark) < visible.index("/test/")
    draft.digest("issue", "approve", "21", "--by", "Ada")
    draft.digest("send", "21", "--yes")
    for mail in mails(draft.folder / "outbox"):
        for part in (mail["Subject"], text_of(mail), html_of(mail)):
            assert prefix not in part
            assert mark not in part


def test_editions_are_listed_by_what_they_are_for(draft: World) -> None:
    every = draft.json("editions", "21")["editions"]

    def listed(*options: str) -> list[int]:
        return [row["id"] for row in draft.json("editions", "21", *options)["editions"]]

    korean = [row["id"] for row in every if row["language"] == "ko"]
    assert korean
    assert listed("--language", "ko") == korean
    slug = every[0]["articles"][-1]
    of_article = listed("--article", slug)
    assert {row["id"] for row in every if slug in row["articles"]} <= {*of_article}
    assert listed("--article", slug, "--language", "ko") == [one for one in of_article if one in korean]
    safety = [row["id"] for row in every if any({"*", "safety"} & {*group} for group in row["interests"])]
    assert listed("--interest", "safety") == safety
    assert len(safety) < len(every)
    for wrong in (("--language", "xx"), ("--interest", "safty"), ("--article", "none")):
        draft.digest("editions", "21", *wrong, expect=2)
