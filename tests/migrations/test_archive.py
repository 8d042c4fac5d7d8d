"""Issues that were published before the archive could be searched are found after the upgrade."""

from datetime import datetime
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from digest.editions.search_terms import fold
from digest.runtime.db import alembic_config, check_revision, upgrade
from tests.support import web_sample

ROWS = 'SELECT edition_id, position, "group", language, topics, title FROM archived_article ORDER BY 1, 2'


def test_what_was_published_before_is_searched_too(engine: Engine, tmp_path: Path, now: datetime) -> None:
    web_sample.send_out(web_sample.issue_21(engine, tmp_path / "workspace", now), now)
    with engine.connect() as connection:
        before = connection.execute(text(ROWS)).all()
    assert len(before) > 10
    revision = ScriptDirectory.from_config(alembic_config()).get_revision("0004")
    assert revision is not None
    assert isinstance(revision.down_revision, str)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), revision.down_revision)
    upgrade(engine)
    check_revision(engine)
    with engine.connect() as connection:
        assert connection.execute(text(ROWS)).all() == before
        for folded, title in connection.execute(text("SELECT folded, title FROM archived_article")).all():
            assert fold(title) in folded
            assert folded == fold(folded)
        told = connection.execute(text("SELECT kept_out, note, archive_changed_at FROM issue")).one()
    assert (bool(told.kept_out), told.archive_changed_at) == (False, None)
    assert told.note in ({}, "{}")
