"""Eight processes look at the clock at the same moment, month after month: one run each time, one mail for each reader."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from digest.issues.period import Period
from tests.acceptance.conftest import mails
from tests.proof.months import FIRST, HERE, Months

PROCESSES, READERS = 8, 3


@pytest.fixture
def rounds(slow: bool) -> int:
    return 100 if slow else 20


@pytest.fixture
def months(tmp_path: Path, database_url: str, rounds: int) -> Iterator[Months]:
    made = Months(tmp_path, database_url, months=rounds, readers=READERS, schedule='assemble_before = "1h"')
    yield made
    made.close()


@pytest.fixture
def tickers(months: Months) -> Iterator[list[subprocess.Popen[str]]]:
    before = months.due(FIRST) - timedelta(days=20)
    started = [months.start(moment=before, program=[str(HERE / "ticker.py")]) for _ in range(PROCESSES)]
    yield started
    for process in started:
        process.kill()
        process.communicate()


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return line


@pytest.mark.timeout(1_800)
def test_of_eight_at_once_one_has_each_month(months: Months, tickers: list[subprocess.Popen[str]], rounds: int) -> None:
    for process in tickers:
        assert heard(process) == "ready\n"
    say_to_all(tickers, months, (months.due(FIRST) - timedelta(days=20)).isoformat())  # installed
    period = FIRST
    for _ in range(rounds):
        moment = months.due(period).isoformat()
        looks = say_to_all(tickers, months, moment)
        if "done" not in states_of(period, looks):
            # others, who deliver whatever is due, had some of its mail on the way when it looked for the end
            assert "waiting" in states_of(period, looks), looks
            looks += say_to_all(tickers, months, moment)
        assert states_of(period, looks).count("done") == 1, looks
        period = period.next
    assert {run.state for run in months.runs().values()} == {"done"}
    assert len(months.runs()) == rounds == len(months.issues())
    assert [issue.period for issue in months.issues()] == sorted(months.runs())
    rows = list(months.deliveries())
    assert {row.state for row in rows} == {"accepted"}
    assert len(rows) == rounds * READERS
    got = Counter((mail["To"].addresses[0].addr_spec, mail["Subject"]) for mail in mails(months.folder / "outbox"))
    assert set(got.values()) == {1}
    assert len(got) == rounds * READERS


def states_of(period: Period, looks: list[list[list[str]]]) -> list[str]:
    """What became of the period's run, as each look that had it tells."""
    return [state for look in looks for told, state, _why in look if told == str(period)]


def say_to_all(tickers: list[subprocess.Popen[str]], months: Months, line: str) -> list[list[list[str]]]:
    for process in tickers:
        assert process.stdin is not None
        process.stdin.write(line + "\n")
    for process in tickers:
        assert process.stdin is not None
        process.stdin.flush()
    return [json.loads(heard(process)) for process in tickers]
