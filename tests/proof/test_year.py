"""More than a year that runs by itself: twelve issues reach their readers, with outages and late approvals in between; one
more is withdrawn, and one month is skipped. At the end every month and every reader is accounted for, and the forecast of
the beginning is what happened.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from digest.issues.period import Period
from tests.support.world import World, free_port, mails

START = "2021-09-01T09:00:00+09:00"
RELAY_DOWN, WITHDRAWN, ASLEEP, DATABASE_AWAY = "2021-11", "2022-02", "2022-03", "2022-05"
LATE_APPROVALS = {"2021-12": timedelta(days=2), "2022-08": timedelta(hours=3)}
SKIPPED = "2022-06"
LEAVES, LEAVER, JOINS, JOINER = "2022-01", "anna.lindqvist@example.org", "2022-04", "joan@example.org"
ISSUES = 12
MONTHS = ISSUES + len({WITHDRAWN, SKIPPED})


class Year:
    """The sample's publication with an article for each month, a relay, and looks at the clock."""

    def __init__(self, world: World, kept: Path) -> None:
        self.world, self.kept, self.port = world, kept, free_port()
        text = (world.folder / "digest.toml").read_text()
        text = re.sub(r'(?m)^transport = "maildir".*$', 'transport = "smtp"\npatience = 1', text)
        text = re.sub(r"(?m)^rule = .*$", 'rule = "last working day"\nholidays = "KR"', text)
        relay = f'[[relay]]\nhost = "127.0.0.1"\nport = {self.port}\ntls = "none"\n'
        (world.folder / "digest.toml").write_text(f"{text}\n{relay}")
        month = Period.parse(START[:7])
        for _ in range(1, MONTHS):
            month = month.next
            article = f"---\ntitle: News of {month}\ndate: {month}-05\nsummary: It is news.\n---\n\nOf {month}.\n"
            (world.folder / "articles" / f"news-{month}.md").write_text(article)
        world.digest("articles", "import", "articles")
        self._relay = ExitStack()

    def relay_up(self) -> None:
        arguments = ("sink", "--port", str(self.port), "--maildir", str(self.kept))
        self._relay.enter_context(self.world.running(*arguments, port=self.port))

    def relay_down(self) -> None:
        self._relay.close()

    def look(self, moment: datetime, *, expect: int | None = None) -> dict[str, dict[str, Any]]:
        """One look at the clock; what it told, by period."""
        self.world.set_now(moment.isoformat())
        done = self.world.call("tick", "--json")
        assert done.returncode in ({0, 1} if expect is None else {expect}), done
        return {entry["period"]: entry for entry in json.loads(done.stdout)} if done.stdout.strip() else {}


@pytest.fixture
def year(sample: World, tmp_path: Path) -> Iterator[Year]:
    made = Year(sample, tmp_path / "kept")
    made.relay_up()
    yield made
    made.relay_down()


@pytest.mark.one_database
@pytest.mark.timeout(1_800)
def test_a_year_by_itself(year: Year) -> None:
    world = year.world
    world.set_now(START)
    forecast = world.json("schedule", "next", "--count", str(MONTHS))
    year.look(datetime.fromisoformat(START))  # installed
    for entry in forecast:
        month(year, entry["period"], {step["step"]: datetime.fromisoformat(step["at"]) for step in entry["steps"]})
    account(year, forecast)


def month(year: Year, period: str, at: dict[str, datetime]) -> None:
    """One month as it happens: looks at each step, an editor who approves, and what goes wrong in this one."""
    world, send_at = year.world, at["send"]
    if period == SKIPPED:
        world.digest("schedule", "skip", period)
        assert period not in year.look(send_at)
        return
    told = year.look(at["assemble"], expect=0)[period]
    assert (told["state"], told["step"]) == ("waiting", "approve"), told
    number = next(issue["number"] for issue in world.json("issue", "list") if issue["period"] == period)
    if period == WITHDRAWN:
        world.digest("issue", "withdraw", str(number), "--yes")
        assert year.look(send_at)[period]["state"] == "done"
        return
    if period in LATE_APPROVALS:
        assert year.look(send_at, expect=1)[period]["step"] == "approve"
        send_at += LATE_APPROVALS[period]
    if period == LEAVES:  # between the draft and the send
        world.digest("suppress", "add", LEAVER)
    if period == JOINS:
        rows = f"email,interests,language,status,confirmed_at,consent_source\n{JOINER},*,en,confirmed,2022-03-30,fair\n"
        (world.folder / "joins.csv").write_text(rows)
        world.digest("subscribers", "import", "joins.csv")
    world.set_now((send_at - timedelta(minutes=5)).isoformat())
    world.digest("issue", "approve", str(number), "--by", "Ada")
    if period == RELAY_DOWN:
        year.relay_down()
        assert year.look(send_at, expect=1)[period]["step"] == "deliver"
        year.relay_up()
        send_at += timedelta(hours=1)
    if period == DATABASE_AWAY:
        url = world.environment["DIGEST_DATABASE__URL"]
        broken = url.replace("sqlite:///", "sqlite:////nowhere") if url.startswith("sqlite") else f"{url}_away"
        world.environment["DIGEST_DATABASE__URL"] = broken
        year.look(send_at, expect=4)
        world.environment["DIGEST_DATABASE__URL"] = url
        send_at += timedelta(minutes=10)
    if period == ASLEEP:  # the machine was off over the day and the weekend
        send_at += timedelta(days=3)
    done = year.look(send_at)[period]
    assert done["state"] == "done", done


def account(year: Year, forecast: list[dict[str, Any]]) -> None:
    report = year.world.json("report")
    runs = {run["period"]: run for run in report["runs"]}
    assert list(runs) == [entry["period"] for entry in forecast]
    for entry in forecast:
        assert datetime.fromisoformat(runs[entry["period"]]["due_at"]) == datetime.fromisoformat(entry["at"])
    assert {period for period, run in runs.items() if run["state"] == "skipped"} == {SKIPPED}
    assert all(run["state"] == "done" for period, run in runs.items() if period != SKIPPED)
    assert "withdrawn" in runs[WITHDRAWN]["why"]
    assert runs[ASLEEP]["late"]
    issues = {issue["period"]: issue for issue in report["issues"]}
    assert issues.keys() == runs.keys() - {SKIPPED}
    assert len(issues.keys() - {WITHDRAWN}) == ISSUES
    arrived: dict[int, Counter[str]] = defaultdict(Counter)
    for mail in mails(year.kept):
        found = re.search(r"No\. (\d+)|제(\d+)호", mail["Subject"])
        assert found, mail["Subject"]
        arrived[int(found[1] or found[2])][mail["To"].addresses[0].addr_spec] += 1
    for period, issue in issues.items():
        assert sum(issue["states"].values()) == issue["planned"]
        if period == WITHDRAWN:
            assert issue["planned"] == 0
            assert issue["issue"] not in arrived
            continue
        assert issue["states"]["accepted"] == issue["planned"] > 20
        readers = arrived[issue["issue"]]
        assert set(readers.values()) == {1}
        assert len(readers) == issue["planned"]
        run = runs[period]
        assert run["report"]["planned"] == issue["planned"]
        assert run["approved_by"] == "Ada"
        first, now = runs[START[:7]]["report"], run["report"]
        assert now["planned"] + now["excluded"] == first["planned"] + first["excluded"] + (period >= JOINS)
        assert (LEAVER in readers) == (period < LEAVES)
        assert (JOINER in readers) == (period >= JOINS)
