"""The canary: the first few readers get the issue, and what becomes of their mail decides about the rest."""

import re
from pathlib import Path

import pytest

from tests.support.crowd import crowd
from tests.support.world import World, free_port, mails

READERS, CANARY = 40, 10

pytestmark = pytest.mark.one_database


def prepared(world: World, relay_port: int, address: str) -> World:
    """Issue 21 for a crowd whose addresses are made by `address`, on the calendar, with a canary."""
    path = crowd(world.folder, [address.format(n) for n in range(READERS)])
    text = (world.folder / "digest.toml").read_text()
    text = re.sub(
        r'(?m)^transport = "maildir".*$',
        f'transport = "smtp"\ncanary = "{CANARY}"\ncanary_wait = "30m"\nbreaker_rejected = "100 %"',
        text,
    )
    text = re.sub(r"(?m)^required = .*$", "required = 0", text)
    (world.folder / "digest.toml").write_text(
        f'{text}\n[[relay]]\nhost = "127.0.0.1"\nport = {relay_port}\ntls = "none"\n'
    )
    world.digest("subscribers", "import", str(path))
    world.set_now("2021-09-29T12:00:00+09:00")
    world.digest("tick")
    return world


def monthly(world: World, now: str, *, expect: int = 0) -> dict[str, object]:
    world.set_now(now)
    [told] = [entry for entry in world.json("tick", expect=expect) if entry["period"] == "2021-09"]
    return dict(told)


def states(world: World) -> dict[str, int]:
    return {state: count for state, count in world.json("outbox", "status")["states"].items() if count}


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def test_a_canary_that_fares_well_lets_the_rest_go(sample: World, kept: Path) -> None:
    port = free_port()
    with sample.running("sink", "--port", str(port), "--maildir", str(kept), port=port):
        world = prepared(sample, port, "reader{}@example.org")
        told = monthly(world, "2021-09-30T09:00:01+09:00")
        assert (told["state"], told["step"]) == ("waiting", "canary")
        first = {m["To"].addresses[0].addr_spec for m in mails(kept)}
        planned = world.json("outbox", "status")["planned"]
        assert len(first) == CANARY < planned
        world.digest("worker")  # nobody else sends the rest before the verdict, also when its time has come
        assert monthly(world, "2021-09-30T09:29:00+09:00")["step"] == "canary"
        world.set_now("2021-09-30T09:45:00+09:00")
        world.digest("worker")
        assert len(mails(kept)) == CANARY
        assert monthly(world, "2021-09-30T09:46:00+09:00")["state"] == "done"
        addresses = [m["To"].addresses[0].addr_spec for m in mails(kept)]
        assert len(addresses) == len(set(addresses)) == planned


def test_planted_rejections_halt_it_and_a_release_lets_it_go(sample: World, kept: Path) -> None:
    port = free_port()
    with sample.running("sink", "--port", str(port), "--maildir", str(kept), port=port):
        world = prepared(sample, port, "550+{}@example.org")
        told = monthly(world, "2021-09-30T09:00:01+09:00", expect=1)
        assert (told["state"], told["step"]) == ("waiting", "canary")
        assert "rejected" in str(told["why"])
        assert world.json("outbox", "status")["held"]
        before = states(world)
        assert before["rejected"] <= CANARY
        assert "is held" in str(monthly(world, "2021-09-30T10:30:00+09:00", expect=1)["why"])
        assert states(world) == before
        world.digest("outbox", "release", str(world.json("issue", "list")[0]["number"]))
        done = monthly(world, "2021-09-30T10:31:00+09:00", expect=1)
        assert done["state"] == "done"  # and a person should look at those that were rejected
        assert "pending" not in states(world)


def test_by_hand_the_rest_waits_too(sample: World, kept: Path) -> None:
    port = free_port()
    with sample.running("sink", "--port", str(port), "--maildir", str(kept), port=port):
        world = prepared(sample, port, "reader{}@example.org")
        world.digest("issue", "approve", "--by", "Ada")
        data = world.json("send", "--yes", expect=1)
        assert data["canary"]["verdict"] == "wait"
        assert len(mails(kept)) == CANARY
        world.set_now("2021-09-29T12:45:00+09:00")
        world.json("send", "--yes")
        assert len(mails(kept)) == data["planned"]
