"""A workspace of an older version, with a sent, a held and an approved issue, goes on after the upgrade."""

import json

import pytest
from alembic import command
from sqlalchemy import text

from digest.runtime.db import alembic_config, make_engine
from tests.support.world import World, mails

ARTICLE = "---\ntitle: In {month}\nsummary: Short.\ndate: {month}-05\nsection: news\ntopics: []\n---\nWords.\n"
VERSIONS = "versions of the renderers"


@pytest.fixture
def autumn(sent: World) -> World:
    """Issue 21 is sent, 22 is held before anybody got it, 23 is approved."""
    for number, month in (("22", "2021-10"), ("23", "2021-11")):
        (sent.folder / "articles" / f"{month}.md").write_text(ARTICLE.format(month=month))
        sent.digest("articles", "import", "articles")
        sent.digest("issue", "assemble", "--period", month, "--number", number)
        sent.digest("issue", "approve", number, "--by", "Ada")
        if number == "22":
            sent.environment["DIGEST_DELIVERY__PATIENCE"] = "0.1"
            sent.digest("send", "22", "--yes", "--relay", "smtp://127.0.0.1:1", expect=4)
            sent.digest("outbox", "hold", "22")
    return sent


def make_older(world: World, revision: str) -> None:
    """Make the database one of that revision, whose issue 23 an older version of the renderers was approved with."""
    engine = make_engine(world.database_url)
    with engine.begin() as connection:
        rows = connection.execute(text("SELECT id, approved_manifest FROM issue WHERE number = 23")).one()
        manifest = rows[1] if isinstance(rows[1], dict) else json.loads(rows[1])
        changed = {"m": json.dumps({**manifest, VERSIONS: "0" * 64}), "h": "0" * 64, "id": rows[0]}
        connection.execute(text("UPDATE issue SET approved_manifest = :m, approved_hash = :h WHERE id = :id"), changed)
        command.downgrade(alembic_config(connection), revision)
    engine.dispose()


@pytest.mark.parametrize("revision", ["0001", "0008"], ids=["the first revision", "0.1.0"])
def test_an_old_workspace_goes_on_and_voids_are_told(autumn: World, revision: str) -> None:
    make_older(autumn, revision)
    autumn.digest("db", "backup", "before-upgrade.backup")
    told = autumn.digest("db", "upgrade")
    assert f"Issue 23 is no longer what was approved: {VERSIONS} changed." in told
    assert 'digest issue approve 23 --by "YOUR NAME"' in told
    assert autumn.json("db", "upgrade")["void_approvals"] == [{"issue": 23, "changed": [f"{VERSIONS} changed"]}]
    states = {one["number"]: one["state"] for one in autumn.json("issue", "list")}
    assert states == {21: "sent", 22: "sending", 23: "approved"}
    autumn.digest("send", "23", "--yes", expect=3)
    autumn.digest("issue", "approve", "23", "--by", "Ada")
    assert autumn.json("db", "upgrade")["void_approvals"] == []
    autumn.digest("outbox", "release", "22")
    planned = [autumn.json("outbox", "status", "21")["planned"]]
    for number in ("22", "23"):
        status = autumn.json("send", number, "--yes")
        assert status["states"]["accepted"] == status["planned"] > 0
        planned.append(status["planned"])
    identifiers = [mail["Message-ID"] for mail in mails(autumn.folder / "outbox")]
    assert len(set(identifiers)) == len(identifiers) == sum(planned)
