"""Each file in tests/cases/articles on its way to readers, held against the small file of the same name beside it.

A new case is a Markdown file and its expectations: `report` names what the import must say, `findings` what the checks
find in the mail; `[text]`, `[html]` (without
style, width, class) and `[raw]` (with them) what must stand there (`has`) and must not (`lacks`). Pictures that an
article names are drawn, in the sizes of `[pictures]`; other files have the texts of `[files]`.
"""

import re
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from tests.support.article_case import read
from tests.support.editor import Desk, picture

CASES = Path(__file__).with_name("articles")
NAMES = sorted(path.stem for path in CASES.glob("*.md"))
ABOUT_THE_CASE = {"link-http", "subject-long"}
NAMED_PICTURE = re.compile(r"[\w/.-]+\.(?:png|jpg)")


def put(desk: Desk, case: Path, expected: dict[str, Any]) -> Path:
    source = case.read_bytes()
    for name in set(NAMED_PICTURE.findall(source.decode())):
        if (CASES / name).exists():
            desk.put(name, (CASES / name).read_bytes())
        else:
            width, height = expected.get("pictures", {}).get(name, (1200, 675))
            kind = "PNG" if name.endswith("png") else "JPEG"
            # A colour of its own: equal pictures would be one.
            desk.put(name, picture(f"#{crc32(name.encode()) & 0xFFFFFF:06x}", (width, height), kind))
    for name, content in expected.get("files", {}).items():
        desk.put(name, content.encode())
    return desk.put(case.name, source)


def of_article(content: str) -> str:
    """A part without the frame around its article."""
    heading = content.find("<h3")
    if heading < 0:
        return content.partition("You get this edition")[0]
    return content[content.rfind("<div", 0, heading) :].partition("<!--[if mso")[0]


@pytest.mark.parametrize("name", NAMES)
def test_an_article_reaches_readers_as_it_was_meant(
    name: str, sqlite_engine: Engine, tmp_path: Path, now: datetime
) -> None:
    expected = tomllib.loads((CASES / f"{name}.toml").read_text("utf-8"))
    with Session(sqlite_engine, expire_on_commit=False) as session:
        desk = Desk(session, tmp_path / "articles", now)
        found = read(desk, put(desk, CASES / f"{name}.md", expected))
    assert bool(found.rendered) == expected.get("imported", True), found.said
    assert [part for part in expected.get("report", []) if part not in found.said] == [], found.said
    assert expected.get("report") or not found.said, found.said
    findings = found.rendered.findings if found.rendered else ()
    assert [one for one in findings if one.severity == "block" or one.id == "text-link-missing"] == []
    for part, whole in (("html", found.bare), ("raw", found.html), ("text", found.text)):
        rules, content = expected.get(part, {}), of_article(whole)
        assert [piece for piece in rules.get("has", []) if piece not in content] == [], content
        assert [piece for piece in rules.get("lacks", []) if piece in content] == [], content
    assert {one.id for one in findings} - ABOUT_THE_CASE == set(expected.get("findings", []))


def test_each_case_says_what_is_right() -> None:
    assert {path.stem for path in CASES.glob("*.toml")} == set(NAMES)
