"""A rehearsal sends nothing, changes nothing, and says how long the real send will take: within 30 % of what it takes."""

import json
import re
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.proof.press import Relay
from tests.support.crowd import crowd
from tests.support.samples import DRAFT, Samples
from tests.support.world import World

MOST_OFF = 0.3

pytestmark = pytest.mark.one_database


@pytest.fixture
def readers(slow: bool) -> int:
    """How many there are beside the sample's own."""
    return 150 if slow else 60


@pytest.fixture
def crowded(samples: Samples, tmp_path: Path, readers: int) -> Iterator[World]:
    """A draft of issue 21 for readers of three providers."""
    hosts = ("example.org", "gmail.com", "naver.com")
    with samples.world(tmp_path, DRAFT) as world:
        addresses = [f"r{n}@{hosts[n % 3]}" for n in range(readers)]
        world.digest("subscribers", "import", str(crowd(world.folder, addresses)))
        yield world


def relayed(world: World, port: int, limits: str) -> None:
    text = re.sub(r'(?m)^transport = "maildir".*$', 'transport = "smtp"', (world.folder / "digest.toml").read_text())
    relay = f'[[relay]]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\n\n[relay.limits]\n{limits}\n'
    (world.folder / "digest.toml").write_text(f"{text}\n{relay}")


@pytest.mark.parametrize(
    ("delay", "limits"),
    [(0.25, "connections = 2"), (0.0, "connections = 2\nper_second = 8")],
    ids=["the relay is slow", "the pace is set"],
)
def test_it_predicts_how_long_the_real_send_takes(crowded: World, tmp_path: Path, delay: float, limits: str) -> None:
    sink = Relay(tmp_path, delay)
    sink.start()
    relayed(crowded, sink.port, limits)
    try:
        # both as processes: within one, the second would find templates that the first has loaded
        told = json.loads(crowded.process("send", "21", "--rehearse", "--relay", sink.url, "--json"))
        rehearsed = sink.taken()
        crowded.digest("issue", "approve", "21", "--by", "Ada")
        data = json.loads(crowded.process("send", "21", "--yes", "--json"))
    finally:
        sink.kill()
    assert rehearsed == told["planned"] == data["planned"] == sink.taken() - rehearsed
    issue = crowded.json("report", "21")
    took = datetime.fromisoformat(issue["sent_at"]) - datetime.fromisoformat(issue["frozen_at"])
    predicted = told["predicted"]["seconds"]
    assert predicted > 5
    assert abs(predicted - took.total_seconds()) <= MOST_OFF * took.total_seconds()


def test_it_changes_nothing_and_reports_volume_and_editions(crowded: World, readers: int) -> None:
    crowded.digest("issue", "approve", "21", "--by", "Ada")
    before = everything(crowded)
    told = crowded.json("send", "21", "--rehearse")
    assert everything(crowded) == before
    assert told["states"]["accepted"] == told["planned"] > readers
    assert told["domains"]["google"]["messages"] == told["domains"]["naver"]["messages"] == readers // 3
    assert sum(of["messages"] for of in told["domains"].values()) == told["planned"]
    assert sum(of["bytes"] for of in told["domains"].values()) == told["bytes"] > 20_000 * told["planned"]
    assert sum(edition["readers"] for edition in told["editions"]) == told["planned"]
    page = Path(told["report"]).read_text()
    assert "# Rehearsal of issue 21" in page
    assert "google" in page
    assert "@" not in page
    assert [path.name for path in (crowded.folder / ".state").iterdir() if path.name.startswith("rehearsal-")] == []
    assert not (crowded.folder / "outbox").exists()


def test_what_could_not_be_sent_is_refused(crowded: World) -> None:
    crowded.digest("send", "21", "--rehearse", "--relay", "smtp://relay.example.org:25", expect=2)
    crowded.digest("issue", "approve", "21", "--by", "Ada")
    crowded.digest("send", "21", "--yes")
    crowded.digest("send", "21", "--rehearse", expect=3)


def everything(world: World) -> object:
    """All that the database holds."""
    url = world.environment["DIGEST_DATABASE__URL"]
    if not url.startswith("sqlite"):
        return world.json("outbox", "status", "21"), world.json("issue", "show", "21")
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        return list(connection.iterdump())
