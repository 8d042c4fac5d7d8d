"""What happens between two steps: somebody edits, leaves, or skips the month."""

import pytest
from sqlmodel import select

from digest import app
from digest.outbox.models import Notice
from digest.runtime.db import session_scope
from digest.runtime.errors import RefusedError
from digest.send import start
from tests.support.world import World

pytestmark = pytest.mark.one_database


def works_of(world: World, monkeypatch: pytest.MonkeyPatch) -> app.App:
    monkeypatch.setenv("DIGEST_DATABASE__URL", world.environment["DIGEST_DATABASE__URL"])
    return app.open_app(world.folder)


def test_an_edit_while_the_confirmation_waits_is_refused(approved: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = approved
    works = works_of(sample, monkeypatch)
    ready = start.prepare_send(works, 21)
    sample.digest("issue", "edit", "21", "--subject", "Another")
    with pytest.raises(RefusedError, match="not approved"):
        ready.run(lambda _settled: None)
    works.engine.dispose()
    assert sample.json("outbox", "status", "21")["planned"] == 0


def test_a_notice_to_somebody_erased_is_skipped_not_failed(sample: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sample.digest("subscribers", "add", "new@example.org")
    sample.digest("subscribers", "erase", "new@example.org", "--yes")
    assert sample.json("worker")["outcomes"]["rejected"] == 0
    works = works_of(sample, monkeypatch)
    with session_scope(works.engine, read_only=True) as session:
        [notice] = session.exec(select(Notice)).all()
    works.engine.dispose()
    assert (notice.state, notice.address, notice.context) == ("skipped", "", {})


def test_a_skipped_period_is_neither_run_nor_reported(sample: World) -> None:
    sample.set_now("2021-09-29T12:00:00+09:00")
    sample.digest("tick")
    sample.digest("schedule", "skip", "2021-09")
    forecast = {entry["period"]: entry["reason"] for entry in sample.json("schedule", "next", "--count", "2")}
    assert forecast["2021-09"] == "skipped by an operator"
    for day in ("2021-09-30", "2021-10-20"):
        sample.set_now(f"{day}T12:00:00+09:00")
        assert sample.json("tick") == []
    sample.digest("schedule", "skip", "2021-09", expect=3)
