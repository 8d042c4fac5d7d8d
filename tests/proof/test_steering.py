"""An operator at the wheel while a worker runs: stopping by signals, holding, retrying, cancelling, and watching."""

import json
import re
import shlex
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.support.crowd import crowd
from tests.support.world import WAIT_SECONDS, World, arrived, free_port, mails, wait_until

READERS = 40
ARTICLE = "---\ntitle: News of October\ndate: 2021-10-12\nsummary: It is news.\n---\n\nBody.\n"


class Office:
    """A sample world with some more readers, and a relay that takes its time."""

    def __init__(self, world: World, port: int) -> None:
        self.world = world
        self.kept = world.folder / "kept"
        self.relay = f"smtp://127.0.0.1:{port}"

    def send(self) -> subprocess.Popen[str]:
        return self.world.start("send", "21", "--yes", "--relay", self.relay)

    @property
    def arrived(self) -> int:
        return arrived(self.kept)

    def status(self, number: str = "21") -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.world.call("outbox", "status", number, "--json").stdout)
        assert sum(status["states"].values()) == status["planned"]
        by_family = Counter[str]()
        for counts in status["families"].values():
            by_family.update(counts)
        assert by_family == Counter({state: count for state, count in status["states"].items() if count})
        return status

    def has(self, address: str) -> bool:
        """Whether a mail to the address is there; one may be moved while we look."""
        with suppress(FileNotFoundError):
            return any(address.encode() in path.read_bytes() for path in (self.kept / "new").iterdir())
        return False

    def copies(self) -> Counter[tuple[str, str]]:
        return Counter((m["To"].addresses[0].addr_spec, str(m["Subject"])) for m in mails(self.kept))


def readers(first: str) -> list[str]:
    """Somebody special, then readers at two providers."""
    return [f"{first}@example.org", *(f"r{n}@{('gmail.com', 'example.org')[n % 2]}" for n in range(READERS))]


@pytest.fixture
def office(approved: World, request: pytest.FixtureRequest) -> Iterator[Office]:
    first, delay = getattr(request, "param", ("tempfail", 0.1))
    approved.digest("subscribers", "import", str(crowd(approved.folder, readers(first))))
    port = free_port()
    arguments = ["sink", "--port", str(port), "--maildir", str(approved.folder / "kept"), "--no-http"]
    with approved.running(*arguments, "--delay", str(delay), "--slow", "900", port=port):
        yield Office(approved, port)


@pytest.mark.one_database
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_cleanly_and_what_it_says_goes_on(office: Office, signal_number: int) -> None:
    process = office.send()
    wait_until(lambda: office.arrived >= 10, process)
    process.send_signal(signal_number)
    _, told = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1, told
    status = office.status()
    states = status["states"]
    assert (states["started"], states["uncertain"]) == (0, 0)
    assert states["accepted"] == office.arrived
    assert "Stopping after " in told
    left = states["pending"] + states["deferred"]
    match = re.search(r"Stopped: ([\d,]+) accepted, .*?([\d,]+) left\. Nothing is lost; resume with: (.*)", told)
    assert match, told
    assert [int(text.replace(",", "")) for text in match.groups()[:2]] == [states["accepted"], left]
    assert left > 5
    again = shlex.split(match[3])
    assert again == ["digest", "send", "21", "--relay", office.relay, "--yes"]
    office.world.digest(*again[1:], expect=1)  # 1: somebody's server puts us off
    states = office.status()["states"]
    assert (states["pending"], states["deferred"]) == (0, 1)
    assert states["accepted"] == office.arrived
    assert max(office.copies().values()) == 1


@pytest.mark.one_database
@pytest.mark.parametrize("office", [("slow", 0.1)], indirect=True, ids=["slow"])
def test_a_second_ctrl_c_leaves_in_doubt_what_is_on_the_wire(office: Office) -> None:
    process = office.send()
    # the sink keeps that message before it lets its answer wait: only now nothing but this is in doubt
    wait_until(lambda: office.has("slow@example.org"), process)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):  # it waits for the answer to the message on the wire
        process.wait(1)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=WAIT_SECONDS)  # that answer would have taken a quarter of an hour
    assert process.returncode == 130, told
    [doubtful] = [row for row in office.world.json("outbox", "list", "21") if row["state"] == "uncertain"]
    assert doubtful["address"] == "slow@example.org"


def test_a_hold_stops_a_run_and_after_release_it_goes_on(office: Office) -> None:
    process = office.send()
    wait_until(lambda: office.arrived >= 10, process)
    office.world.digest("outbox", "hold", "21")
    _, told = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1, told
    status = office.status()
    assert status["states"]["started"] == 0
    assert status["states"]["pending"] > 5
    assert status["states"]["accepted"] == office.arrived
    assert status["waiting"] == [{"scope": "issue:21", "until": None, "why": "it is held: held by an operator"}]
    assert status["eta"] is None
    held_at = office.arrived
    office.world.digest("send", "21", "--yes", "--relay", office.relay, expect=1)
    assert office.arrived == held_at
    office.world.digest("outbox", "release", "21")
    office.world.digest("send", "21", "--yes", "--relay", office.relay, expect=1)
    assert office.status()["states"]["pending"] == 0
    assert max(office.copies().values()) == 1


@pytest.mark.one_database
@pytest.mark.parametrize("office", [("tempfail", 0.6)], indirect=True, ids=["long enough"])
def test_retry_makes_deferred_due_for_the_running_worker(office: Office) -> None:
    process = office.send()

    def tries() -> tuple[str, int]:
        for row in office.world.json("outbox", "list", "21"):
            if row["address"] == "tempfail@example.org":
                return row["state"], row["attempts"]
        return "", 0

    wait_until(lambda: tries() == ("deferred", 1), process)
    # a process, whose clock starts as late as that of the worker: "due now" is not ahead of it
    told = office.world.process("outbox", "retry", "--issue", "21", "--yes", "--json")
    assert json.loads(told)["due"] == 1
    _, told = process.communicate(timeout=WAIT_SECONDS)
    assert tries() == ("deferred", 2), told


def test_cancelling_ends_the_run_and_the_numbers_add_up(office: Office) -> None:
    process = office.send()
    wait_until(lambda: office.arrived >= 10, process)
    cancelled = office.world.json("outbox", "cancel", "--issue", "21", "--yes")["cancelled"]
    _, told = process.communicate(timeout=WAIT_SECONDS)
    states = office.status()["states"]
    assert states["cancelled"] >= cancelled > 0, told
    assert (states["pending"], states["started"]) == (0, 0)
    assert states["accepted"] == office.arrived


@pytest.mark.one_database
def test_one_worker_delivers_two_issues_side_by_side(office: Office) -> None:
    world = office.world
    for number, period in (("21", ""), ("22", "2021-10")):
        if period:
            (world.folder / "articles" / "october.md").write_text(ARTICLE)
            world.digest("articles", "import", "articles")
            world.set_now("2021-10-29T08:00:00+09:00")
            world.digest("issue", "assemble", "--period", period, "--number", number)
            world.digest("issue", "approve", number, "--by", "Ada")
        process = world.start("send", number, "--yes", "--relay", office.relay)
        wait_until(lambda number=number: office.status(number)["states"]["accepted"] > 0, process)  # type: ignore[misc]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_SECONDS)
    before = [office.status(number)["states"]["accepted"] for number in ("21", "22")]
    worker = world.start("worker", "--relay", office.relay)
    seen: list[dict[str, Any]] = []

    def both_have_gone_on() -> bool:
        seen[:] = [office.status(number) for number in ("21", "22")]
        return all(now["states"]["accepted"] > then for now, then in zip(seen, before, strict=True))

    wait_until(both_have_gone_on, worker)
    assert all(one["states"]["pending"] for one in seen)
    for one in seen:
        assert one["rate"] > 0
        assert one["eta"] is not None
        assert one["relays"][office.relay.removeprefix("smtp://")]["accepted"] > 0
        assert set(one["families"]) >= {"google", "others"}
        assert [worker["alive"] for worker in one["workers"]] == [True]
    _, told = worker.communicate(timeout=WAIT_SECONDS * 2)
    for number in ("21", "22"):
        status = office.status(number)
        assert (status["states"]["pending"], status["workers"]) == (0, []), told
    assert max(office.copies().values()) == 1
