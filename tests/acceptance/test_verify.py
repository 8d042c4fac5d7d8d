"""`digest issue verify`: equal in a fresh workspace; one changed byte is named, in text and as JSON."""

import pytest
from sqlalchemy import text

from digest.runtime.db import make_engine
from tests.support.world import World

pytestmark = pytest.mark.one_database


def execute(world: World, statement: str) -> None:
    engine = make_engine(world.database_url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_what_was_sent_is_equal_until_a_byte_changes(sent: World) -> None:
    assert "stored editions equal a new build" in sent.digest("issue", "verify", "21")
    assert sent.json("issue", "verify", "21") == {
        "issue": 21,
        "equal": True,
        "editions": 15,
        "changed": [],
        "differs": [],
    }
    assert sent.json("db", "check")["damage"] == []
    execute(sent, "UPDATE fragment SET content = replace(content, 'Goyang', 'Goyank') WHERE number = 1")
    told = sent.digest("issue", "verify", "21", expect=1)
    assert "Fragment 1 differs from what was frozen: its hash does not match (editions 1, " in told
    assert "digest db restore FILE" in told
    (one,) = sent.json("issue", "verify", "21", expect=1)["differs"]
    assert (one["what"], one["fragment"]) == ("fragment", 1)
    assert len(one["editions"]) > 3  # which have it in common
    (found,) = sent.json("db", "check", expect=1)["damage"]
    assert found["table"] == "fragment"
    differs = "fragment 1 differs from what was frozen: its hash does not match (editions 1, "
    assert found["message"].startswith(f"issue 21, {differs}")


def test_what_has_changed_since_the_approval_is_said(sent: World) -> None:
    article = sent.folder / "articles" / "wsce-2021.md"
    article.write_text(article.read_text().replace("closes in Goyang", "ends in Goyang"))
    sent.digest("articles", "import", "articles")
    told = sent.digest("issue", "verify", "21", expect=1)
    assert "The original editions cannot be rebuilt: article wsce-2021 changed" in told
    assert "No action is needed" in told
    found = sent.json("issue", "verify", "21", expect=1)
    assert found["changed"] == ["article wsce-2021 changed"]
    assert {one["what"] for one in found["differs"]} == {"sources"}


def test_a_draft_cannot_be_verified(sample: World) -> None:
    sample.digest("issue", "assemble", "--period", "2021-09", "--number", "21")
    assert "has no stored editions" in sample.call("issue", "verify", "21").stderr
    sample.digest("issue", "verify", "21", expect=3)
