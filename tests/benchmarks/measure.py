"""One process, measured from outside: how long it lived, what CPU it took, how big it was."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SAMPLE_SECONDS = 0.1
MIB = 1024  # /proc and getrusage count kilobytes


class FailedError(Exception):
    """A process that was to be measured failed; the message has its last words."""


@dataclass(frozen=True)
class Run:
    """What a process took: seconds of the wall, seconds of CPU, MiB at its peak, and what it printed.

    `first` are the seconds until it printed anything. `sizes` are its resident MiB, sampled evenly over its life; empty where the system does not tell.
    """

    seconds: float
    cpu: float
    peak: float
    output: str = field(repr=False)
    first: float
    sizes: tuple[float, ...] = field(repr=False)

    @property
    def growth(self) -> float:
        """How much bigger it was at most in its last quarter than in its second one: 1 is flat."""
        quarter = len(self.sizes) // 4
        return max(self.sizes[-quarter:]) / max(self.sizes[quarter : 2 * quarter]) if quarter else 1.0


class Measured:
    """A process under way; `finish` waits for it. Its children's CPU counts, other processes' does not."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str] | None = None, folder: Path) -> None:
        self.command = command
        self._began = time.perf_counter()
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder
        )
        self._errors: list[str] = []
        self._sizes: list[float] = []
        self._peak = 0.0
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._watch), threading.Thread(target=self._listen)]
        for thread in self._threads:
            thread.start()

    def finish(self) -> Run:
        """Wait, and return what it took. Raises FailedError unless it ended well."""
        assert self._process.stdout
        output = self._process.stdout.read(1)
        first = time.perf_counter() - self._began
        output += self._process.stdout.read()
        _, status, usage = os.wait4(self._process.pid, 0)
        seconds = time.perf_counter() - self._began
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._process.stdout.close()
        if self._process.returncode:
            words = ("".join(self._errors) or output)[-800:]
            raise FailedError(f"{' '.join(self.command)} exited {self._process.returncode}: {words}")
        # Without /proc there is only getrusage, whose peak is never below that of the process that started it.
        peak = self._peak or usage.ru_maxrss / MIB
        return Run(seconds, usage.ru_utime + usage.ru_stime, peak, output, first, tuple(self._sizes))

    def stop(self) -> None:
        """End it, if it has not ended."""
        if self._process.returncode is None:
            self._process.terminate()
            self._process.wait()
            self._ended.set()

    def _listen(self) -> None:
        assert self._process.stderr
        with self._process.stderr as stream:
            self._errors.append(stream.read())

    def _watch(self) -> None:
        status = Path(f"/proc/{self._process.pid}/status")
        while not self._ended.wait(SAMPLE_SECONDS):
            try:
                fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            except OSError:
                return
            if "VmHWM" in fields:  # not any more once it has ended
                self._peak = max(self._peak, int(fields["VmHWM"].split()[0]) / MIB)
                self._sizes.append(int(fields["VmRSS"].split()[0]) / MIB)


def run(command: Sequence[str], *, environment: Mapping[str, str] | None = None, folder: Path) -> Run:
    """Run one process to its end."""
    return Measured(command, environment=environment, folder=folder).finish()
