"""`digest worker`, measured: each round delivers the planned issue afresh, and counts only if everything is right."""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from measure import Measured, Run
from sinks import Keeper, Sink
from world import World

WORKER = (sys.executable, "-m", "digest", "--json", "worker")


class WrongError(Exception):
    """A round did not do what it should: its figures would mean nothing."""


@dataclass(frozen=True)
class Delivered:
    """One round. `rate`: messages a second from the first take to the last settle; `whole`: of the process's life.

    `cpu` is in microseconds a message, `peak` in MiB of the biggest worker.
    """

    messages: int
    rate: float
    whole: float
    cpu: float
    peak: float
    growth: float


def deliver(
    world: World,
    sinks: Sequence[Callable[[], Sink]],
    *,
    connections: int = 10,
    extra: dict[str, str] | None = None,
    processes: int = 0,
) -> Delivered:
    """Deliver everything with one worker for each sink, all on one database; or one command with so many `processes`,
    which uses all the sinks.
    """
    world.restore()
    with ExitStack() as stack:
        opened = [stack.enter_context(sink()) for sink in sinks]
        ports = [sink.port for sink in opened]
        command = (*WORKER, "--processes", str(processes)) if processes else WORKER
        workers = [
            Measured(
                command,
                environment=world.relays(*some, connections=connections, **(extra or {})),
                folder=world.workspace,
            )
            for some in ([ports] if processes else [[port] for port in ports])
        ]
        for worker in workers:
            stack.callback(worker.stop)  # should another one fail
        runs = [worker.finish() for worker in workers]
    seconds = _checked(world, opened)
    return _delivered(world, runs, seconds)


def _delivered(world: World, runs: list[Run], seconds: float) -> Delivered:
    count = world.readers
    return Delivered(
        messages=count,
        rate=count / seconds,
        whole=count / max(run.seconds for run in runs),
        cpu=1e6 * sum(run.cpu for run in runs) / count,
        peak=max(run.peak for run in runs),
        growth=max(run.growth for run in runs),
    )


def _checked(world: World, sinks: Sequence[Sink]) -> float:
    """Return the seconds it took; raise WrongError unless every reader's delivery is accepted, once, on both sides."""
    facts = world.facts()
    got = [sink.got for sink in sinks]
    problems = []
    if facts["states"] != {"accepted": world.readers}:
        problems.append(f"the deliveries are {facts['states']}")
    if not facts["attempts"] == facts["attempted"] == world.readers:
        problems.append(f"{facts['attempts']} attempts at {facts['attempted']} deliveries")
    if sum(one.messages for one in got) != world.readers:
        problems.append(f"the sinks got {[one.messages for one in got]} messages")
    if any((one.most or 1) > 1 for one in got):
        problems.append("somebody got more than one")
    if problems:
        raise WrongError(f"{world.readers} readers, but " + "; ".join(problems))
    return float(facts["seconds"])


def on_the_wire(world: World, extra: dict[str, str] | None = None) -> list[bytes]:
    """Return the mails of a small world as a server gets them."""
    world.restore()
    with Keeper() as keeper:
        Measured(WORKER, environment=world.relays(keeper.port, **(extra or {})), folder=world.workspace).finish()
    return keeper.messages


def dkim_key(folder: Path) -> dict[str, str]:
    """Make an RSA-2048 key; return the settings that sign with it."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = folder / "bench-dkim.pem"
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return {"DIGEST_DKIM__SELECTOR": "bench", "DIGEST_DKIM__KEY_FILE": str(path)}
