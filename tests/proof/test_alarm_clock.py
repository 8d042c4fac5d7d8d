"""`digest schedule run` with nobody looking: its alarm rings when the month's step is due, long after it has started."""

import re
import signal

import pytest

from tests.support.world import WAIT_SECONDS, World, wait_until


@pytest.mark.one_database
def test_the_alarm_rings_after_start_up_and_the_issue_goes_out(sample: World) -> None:
    path = sample.folder / "digest.toml"
    path.write_text(re.sub(r"(?m)^required = .*$", "required = 0", path.read_text()))
    sample.set_now("2021-09-30T08:59:40+09:00")  # DIGEST_NOW moves the clock; the alarm rings by the machine's own
    scheduler = sample.start("schedule", "run")
    assert scheduler.stderr is not None
    assert scheduler.stderr.readline().startswith("Next: 2021-09 at 2021-09-30T09:00:00")  # it has begun before
    wait_until(lambda: [run["state"] for run in sample.json("schedule", "history")] == ["done"], scheduler)
    scheduler.send_signal(signal.SIGTERM)
    told = scheduler.communicate(timeout=WAIT_SECONDS)
    assert scheduler.returncode == 0, told
    assert sample.json("outbox", "status")["states"]["accepted"] > 20
