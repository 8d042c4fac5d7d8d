"""The readers' pages under load, beside an empty page that makes one select: two processes of `digest serve`, by `wrk`.

Each round measures the empty page and ours, one after the other. Then ours are held under load for a minute, and no
error may come.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from audience import Bench
from databases import ROOT, Base, UnmeasurableError
from report import Bound, Row, Spread
from sqlalchemy import Engine, func, insert, select, update
from sqlmodel import col

from digest.app import open_app
from digest.runtime.db import make_engine, upgrade
from subscribers import suppression
from subscribers.links import LinkSigner, Purpose
from subscribers.models import ConsentEvent, Subscriber, Suppression

WORKERS = 2
CONNECTIONS = 64
SECONDS, SUSTAINED = 8, 60
READERS = 50_000
DIGEST = Path(sys.executable).parent / "digest"
# Each thread of wrk takes every other line of a file of paths, so that no two take the same one.
SCRIPT = """
local method, folder = "%(method)s", "%(paths)s"
local threads = 0
function setup(thread) thread:set("number", threads); threads = threads + 1 end
function init(args)
  paths, at = {}, 0
  local line_number = 0
  for line in io.lines(folder) do
    if line_number %% %(threads)d == number then paths[#paths + 1] = line end
    line_number = line_number + 1
  end
end
function request()
  at = at %% #paths + 1
  if method == "POST" then
    return wrk.format("POST", paths[at], {["Content-Type"] = "application/x-www-form-urlencoded"},
                      "List-Unsubscribe=One-Click")
  end
  return wrk.format("GET", paths[at])
end
"""


@dataclass(frozen=True)
class Load:
    """What wrk saw: answers a second, the slowest of 99 in a hundred (ms), answers in all, errors of any kind."""

    rate: float
    p99: float
    answers: int
    errors: int


class World:
    """A workspace with readers, and the links to them."""

    def __init__(self, folder: Path, base: Base, readers: int) -> None:
        self.base, self.folder = base, folder
        subprocess.run([DIGEST, "init", str(folder)], check=True, capture_output=True, env=environment(base))
        self.engine = make_engine(base.url)
        upgrade(self.engine)
        self.signer, secret = keys(folder, base)
        refs = [f"{number:032x}" for number in range(1, readers + 1)]
        fill(self.engine, refs, secret)
        now = datetime.now(UTC)
        self.paths = {
            "plain": self._file("plain", (f"/{number}" for number in range(1, readers + 1))),
            "preferences": self._file(
                "preferences", (f"/preferences/{self.signer.token(Purpose.PREFERENCES, r, now=now)}" for r in refs)
            ),
            "one-click": self._file(
                "one-click", (f"/unsubscribe/{self.signer.token(Purpose.UNSUBSCRIBE, ref)}" for ref in refs)
            ),
        }

    def _file(self, name: str, lines: Iterator[str]) -> Path:
        path = self.folder / f"{name}.paths"
        path.write_text("\n".join(lines) + "\n")
        return path

    def everybody_reads(self) -> None:
        """Undo every withdrawal, so that the next round's are all first ones."""
        with self.engine.begin() as connection:
            connection.execute(update(Subscriber).values(state="confirmed", unsubscribed_at=None))
            connection.execute(Suppression.__table__.delete())  # type: ignore[attr-defined]
            connection.execute(ConsentEvent.__table__.delete())  # type: ignore[attr-defined]
        self.engine.dispose()

    def left(self) -> int:
        """Return how many have left, each with the proof of it."""
        with self.engine.connect() as connection:
            events = select(func.count()).select_from(ConsentEvent).scalar_subquery()
            left = select(func.count()).where(col(Subscriber.state) == "unsubscribed").scalar_subquery()
            proofs, count = connection.execute(select(events, left)).one()
        self.engine.dispose()
        assert proofs == count, "a withdrawal without its proof"
        return int(count)


def environment(base: Base) -> dict[str, str]:
    """Return the environment of a `digest` that works on `base`."""
    return {**os.environ, "DIGEST_DATABASE__URL": base.url, "PYTHONPATH": str(ROOT)}


def keys(folder: Path, base: Base) -> tuple[LinkSigner, bytes]:
    """Return what signs the workspace's links, and its suppression key."""
    os.environ["DIGEST_DATABASE__URL"] = base.url
    works = open_app(folder)
    works.engine.dispose()
    return works.signer, works.settings.suppression_key


def fill(engine: Engine, refs: Sequence[str], secret: bytes) -> None:
    """Add one reader for each reference."""
    now = datetime.now(UTC)
    rows = [
        {
            "ref": ref,
            "address": f"reader{number}@example.org",
            "address_key": f"reader{number}@example.org",
            "suppression_key": suppression.key_of(f"reader{number}@example.org", secret),
            "name": "",
            "language": "en",
            "format": "html",
            "frequency": "every",
            "interests": "*",
            "state": "confirmed",
            "created_at": now,
            "confirmed_at": now,
        }
        for number, ref in enumerate(refs)
    ]
    with engine.begin() as connection:
        for start in range(0, len(rows), 5000):
            connection.execute(insert(Subscriber), rows[start : start + 5000])
    engine.dispose()


@contextmanager
def serving(command: Sequence[str | Path], port: int, env: Mapping[str, str], folder: Path) -> Iterator[None]:
    """Run a server until it is no longer needed."""
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, env=dict(env), cwd=folder, stderr=log, stdout=log)
        try:
            wait_for(port, process)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return when every process of the server has had time to answer."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                if connection.recv(10):
                    time.sleep(3)  # the other process
                    return
        except OSError:
            time.sleep(0.1)
    raise UnmeasurableError(f"the server on port {port} did not answer; see its server.log")


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def wrk(port: int, paths: Path, method: str, seconds: int) -> Load:
    """Load a server; raise UnmeasurableError where wrk is missing."""
    program = shutil.which("wrk")
    if program is None:
        raise UnmeasurableError("wrk is not installed: apt-get install wrk")
    script = paths.with_suffix(f".{method}.lua")
    script.write_text(SCRIPT % {"method": method, "paths": paths, "threads": WORKERS})
    command = [program, f"-t{WORKERS}", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "20s", "--latency", "-s"]
    told = subprocess.run(
        [*command, str(script), f"http://127.0.0.1:{port}"], check=True, capture_output=True, text=True
    ).stdout
    return read(told)


def read(told: str) -> Load:
    """Return what wrk's report says."""
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", told)[1])  # type: ignore[index]
    answers = int(re.search(r"(\d+) requests in", told)[1])  # type: ignore[index]
    p99, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", told).groups()  # type: ignore[union-attr]
    socket_errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", told)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    errors = sum(int(number) for number in (socket_errors.groups() if socket_errors else ()))
    return Load(rate, float(p99) * {"us": 0.001, "ms": 1, "s": 1000}[unit], answers, errors + int(bad[1] if bad else 0))


PAGES = (
    ("preferences", "preferences page, GET", "GET", False),
    ("one-click", "one-click, first POST", "POST", True),
    ("one-click", "one-click, repeated POST", "POST", False),
)


def measure(bench: Bench, kind: str) -> Iterator[Row]:
    """Yield a row for each page, with an empty page that makes one select in turn."""
    if shutil.which("wrk") is None:
        raise UnmeasurableError("wrk is not installed: apt-get install wrk")
    seconds, sustained = (1, 2) if bench.quick else (SECONDS, SUSTAINED)
    world = World(bench.place(), bench.base(kind), min(bench.sizes.readers, READERS))
    env, ports = environment(world.base), (free_port(), free_port())
    plain = [sys.executable, ROOT / "tests/benchmarks/plain_page.py", world.base.url, str(ports[0]), str(WORKERS)]
    ours = [DIGEST, "--workspace", world.folder, "serve", "--port", str(ports[1]), "--workers", str(WORKERS)]
    with serving(plain, ports[0], env, world.folder), serving(ours, ports[1], env, world.folder):
        wrk(ports[0], world.paths["plain"], "GET", 2)
        wrk(ports[1], world.paths["preferences"], "GET", 2)
        for name, what, method, first in PAGES:

            def mine(name: str = name, method: str = method, first: bool = first) -> Load:
                if first:
                    world.everybody_reads()
                load = wrk(ports[1], world.paths[name], method, seconds)
                if first:
                    assert world.left() >= min(load.answers, len(world.paths[name].read_text().split()))
                return load

            pairs = bench.rounds(mine, lambda: wrk(ports[0], world.paths["plain"], "GET", seconds))
            long = wrk(ports[1], world.paths[name], method, sustained)
            errors = sum(load.errors for pair in pairs for load in pair) + long.errors
            yield Row(
                f"{what.replace(', ', '-').replace(' ', '-')}-{kind}",
                f"{what} / an empty page with one select ({kind})",
                "/s",
                Spread.of([load.rate for load, _ in pairs]),
                Spread.of([load.rate for _, load in pairs]),
                Spread.of([load.rate / plain.rate for load, plain in pairs]),
                Bound(0.5),
                len(pairs),
                details={
                    f"errors, {sustained} s at {CONNECTIONS} connections included": Spread.of([errors]),
                    "answers in that time": Spread.of([long.answers]),
                    "99 % of them within, ms": Spread.of([long.p99]),
                },
            )


ROWS = {
    "web-sqlite": lambda bench: measure(bench, "sqlite"),
    "web-postgresql": lambda bench: measure(bench, "postgresql"),
}
