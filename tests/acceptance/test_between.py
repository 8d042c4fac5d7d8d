"""What happens between two steps: somebody edits, somebody else sends, the clock rings while nobody looks."""

import re
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select

from digest import bootstrap, sending
from digest.outbox.models import Notice
from digest.runtime.db import session_scope
from digest.runtime.errors import RefusedError
from tests.support.world import WAIT_SECONDS, World


def works_of(world: World, monkeypatch: pytest.MonkeyPatch) -> bootstrap.Works:
    monkeypatch.setenv("DIGEST_DATABASE__URL", world.environment["DIGEST_DATABASE__URL"])
    return bootstrap.build(world.folder)


def test_an_edit_while_the_confirmation_waits_is_refused_not_sent(
    sample: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample.approve_issue_21()
    works = works_of(sample, monkeypatch)
    ready = sending.prepare_send(works, 21)
    sample.digest("issue", "edit", "21", "--subject", "Another")
    with pytest.raises(RefusedError, match="not approved"):
        ready.run(lambda _settled: None)
    works.engine.dispose()
    assert sample.json("outbox", "status", "21")["planned"] == 0


def test_a_notice_to_somebody_who_is_erased_is_skipped_not_failed(
    sample: World, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_the_alarm_clock_rings_after_start_up_and_the_issue_goes_out(sample: World) -> None:
    """By the machine's own clock: the run is due at a full minute, when the scheduler has long started."""
    if sample.environment["DIGEST_DATABASE__URL"].startswith("postgresql"):
        pytest.skip("it waits for two minutes, and the clock rings the same on both databases")
    soon = (datetime.now(UTC) + timedelta(seconds=120)).replace(second=0, microsecond=0)
    path = sample.folder / "digest.toml"
    text = re.sub(r"(?m)^timezone = .*$", 'timezone = "UTC"', path.read_text())
    text = re.sub(r"(?m)^required = .*$", "required = 0", text)
    text = re.sub(r"(?m)^rule = .*$", f'rule = "{soon.day} or last day"', text)
    path.write_text(re.sub(r"(?m)^time = .*$", f'time = "{soon:%H:%M}"', text))
    # A little ahead: DIGEST_NOW is read a moment after it was written, and the alarm rings by the machine's clock.
    sample.set_now((datetime.now(UTC) + timedelta(seconds=20)).isoformat())
    article = sample.folder / "articles" / "now.md"
    article.write_text(f"---\ntitle: News of today\ndate: {soon:%Y-%m-%d}\nsummary: It is news.\n---\n\nBody.\n")
    sample.digest("articles", "import", "articles")
    scheduler = sample.start("schedule", "run")
    deadline = time.monotonic() + WAIT_SECONDS * 4
    while time.monotonic() < deadline and not [r for r in sample.json("schedule", "history") if r["state"] == "done"]:
        time.sleep(2)
    scheduler.send_signal(signal.SIGTERM)
    told = scheduler.communicate(timeout=WAIT_SECONDS)
    assert scheduler.returncode == 0, told
    [run] = sample.json("schedule", "history")
    assert run["state"] == "done", told
    assert sample.json("outbox", "status")["states"]["accepted"] > 20
