"""Several worker processes on one machine: started, signalled, awaited, and their results added up.

Each is a worker with its own connections, journal and registration, as if somebody had started it. One that dies stops
no other. Each ends when this process does: its standard input closes then.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from digest.delivery.configured_pace import most_processes
from digest.delivery.worker.progress import DeliveryProgress
from digest.runtime.clock import Clock
from digest.runtime.errors import ConfigError, UsageError
from digest.runtime.signals import stopping_on_signals
from digest.settings.delivery import Relay
from digest.settings.root import Settings

AUTO = "auto"
SHARE = "DIGEST_WORKER_SHARE"
"""The variable that tells a process which of how many it is: 0/2, 1/2."""
MOST = 64
RECORD = "\x1e"
"""Marks a line of progress on a process's standard output (RFC 7464); the rest is its result."""
_CONNECTIONS_EACH = 4
_REPORT_SECONDS = 0.5
_ORDERLY = frozenset({0, 1})


@dataclass(frozen=True, slots=True)
class ProcessCount:
    """How many processes, and why."""

    count: int
    why: str


def choose(asked: str, settings: Settings, relays: Sequence[Relay], *, is_sqlite: bool) -> ProcessCount:
    """Return how many processes to start for `--processes`. `relays` are empty for a Maildir."""
    most = most_processes(settings, relays)
    if asked == AUTO:
        if is_sqlite or not relays:
            why = "SQLite allows one writer at a time" if is_sqlite else "a Maildir accepts one message at a time"
            return ProcessCount(1, f"{why}, so more processes would only wait for each other")
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        count = max(1, min(cores, most // _CONNECTIONS_EACH, MOST))
        return ProcessCount(
            count, f"{cores} processors, and at least {_CONNECTIONS_EACH} of {most} connections for each"
        )
    if not (asked.isascii() and asked.isdecimal() and 1 <= int(asked) <= MOST):
        raise UsageError(f"--processes {asked!r} is not valid", hint=f"Use a number up to {MOST}, or auto.")
    count = int(asked)
    if count > most:
        raise ConfigError(
            f"{count} processes cannot share {most} connections",
            hint="They share the smallest `connections` under [relay.limits] and [delivery.families].",
        )
    return ProcessCount(count, "as requested")


@dataclass
class _Child:
    process: "subprocess.Popen[str]"
    progress: Mapping[str, Any] = field(default_factory=dict)
    output: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the processes ended: their results, the worst exit code, and whether one died without being told to stop."""

    results: Sequence[Mapping[str, Any]]
    worst: int
    died: bool
    stopped: bool

    @property
    def outcomes(self) -> dict[str, int]:
        """The outcomes of all, by state."""
        total = Counter[str]()
        for result in self.results:
            total.update(result["outcomes"])
        return dict(total)

    @property
    def uncertain(self) -> int:
        """How many are uncertain, as the last of them counted."""
        return max((result["uncertain"] for result in self.results), default=0)

    @property
    def next_due(self) -> str | None:
        return min((result["next_due"] for result in self.results if result["next_due"]), default=None)


class WorkerProcesses:
    """Processes that run one command each, all at once."""

    def __init__(
        self,
        say: Callable[[str], None],
        progress: Callable[[DeliveryProgress], None],
        program: Sequence[str] = (sys.executable, "-m", "digest"),
    ) -> None:
        """`say` gets a line for each that dies, `progress` the counts of all together."""
        self._program = program
        self._say = say
        self._progress = progress
        self._children: list[_Child] = []
        self._stopping = False
        self._died = False
        self._lock = threading.Lock()

    def run(self, commands: Sequence[Sequence[str]]) -> Ended:
        """Run the commands (arguments of the program) to their ends; the first SIGTERM or SIGINT stops them all."""
        with stopping_on_signals(self._stop):
            for place, command in enumerate(commands):
                # a session of its own: Ctrl-C reaches it through us, and once
                process = subprocess.Popen(  # noqa: S603 - ourselves
                    [*self._program, *command],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, SHARE: f"{place}/{len(commands)}"},
                    text=True,
                    start_new_session=True,
                )
                self._children.append(_Child(process))
                if self._stopping:
                    process.terminate()
            listeners = [threading.Thread(target=self._listen, args=[child]) for child in self._children]
            for listener in listeners:
                listener.start()
            for listener in listeners:
                listener.join()
        results = [json.loads(child.output) for child in self._children if child.output.strip()]
        codes = [child.process.returncode for child in self._children]
        worst = max(code if code >= 0 else 1 for code in codes)
        return Ended(results, worst, self._died, self._stopping)

    def _stop(self) -> None:
        self._stopping = True
        for child in self._children:
            child.process.terminate()

    def _listen(self, child: _Child) -> None:
        process = child.process
        assert process.stdout  # noqa: S101 - a pipe
        with process:  # closes its pipes
            for line in process.stdout:
                if line.startswith(RECORD):
                    child.progress = json.loads(line[1:])
                    self._add_up()
                else:
                    child.output += line
        code = process.returncode
        if code not in _ORDERLY and not self._stopping:
            self._died = True
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            self._say(f"Worker process {process.pid} ended with {how}; the others continue.")

    def _add_up(self) -> None:
        total = DeliveryProgress(stopping=self._stopping)
        for child in self._children:
            total.states.update(child.progress.get("states", {}))
            total.skipped += child.progress.get("skipped", 0)
        with self._lock:
            self._progress(total)


class Reporter:
    """Reports progress to the process that started this one, twice a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reported = float("-inf")

    def __call__(self, progress: DeliveryProgress) -> None:
        moment = self._clock.monotonic()
        if moment - self._reported >= _REPORT_SECONDS:
            self._reported = moment
            report = json.dumps({"states": progress.states, "skipped": progress.skipped})
            sys.stdout.write(f"{RECORD}{report}\n")
            sys.stdout.flush()


def share_of_this() -> tuple[int, int] | None:
    """Return which of how many processes this is, counted from 0; None if it is the only one."""
    place, _, count = os.environ.get(SHARE, "").partition("/")
    return (int(place), int(count)) if place and count else None


def end_with_parent() -> None:
    """Stop this process, as SIGTERM does, when the one that started it is gone."""

    def wait() -> None:
        os.read(0, 1)  # not sys.stdin, whose lock would be held when we end
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
