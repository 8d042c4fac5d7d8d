"""Mail servers that take everything and keep nothing, and one that keeps a few messages to be looked at."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from databases import ROOT, UnmeasurableError

CACHE = ROOT / ".bench"
"""What is built or installed to compare with; never a part of the project's own environment."""
SOURCE = Path(__file__).with_name("cheap_sink.c")
NOBODY = "nobody"
START_SECONDS = 10


@dataclass(frozen=True)
class Got:
    """What a sink saw; `recipients` and `most` (messages to one of them) only where it counts them."""

    messages: int
    recipients: int | None = None
    most: int | None = None


class CheapSink:
    """Our own sink in C. `delay` (milliseconds) holds each reply."""

    name = "the cheap sink"

    def __init__(self, *, delay: float = 0) -> None:
        self._options = ["--count", "--delay", str(delay)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([compiled(), *self._options], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        output, _ = self._process.communicate()
        seen = json.loads(output)
        self.got = Got(seen["messages"], seen["recipients"], seen["most"])


def compiled() -> str:
    """Return our sink's program, made anew when its source has changed."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if not compiler:
        raise UnmeasurableError("no C compiler for the cheap sink")
    program = CACHE / "cheap_sink"
    if not program.exists() or program.stat().st_mtime < SOURCE.stat().st_mtime:
        CACHE.mkdir(exist_ok=True)
        new = program.with_suffix(f".{os.getpid()}")
        done = subprocess.run([compiler, "-O2", "-o", new, SOURCE], capture_output=True, text=True, check=False)
        if done.returncode:
            raise UnmeasurableError(f"the cheap sink does not compile here: {done.stderr.strip().splitlines()[0]}")
        new.replace(program)
    return str(program)


class SmtpSink:
    """Postfix's own, which everybody can get. It looks at every byte: 2,000 messages a second cost it a core."""

    name = "smtp-sink"

    def __enter__(self) -> Self:
        program = tool("smtp-sink")
        self.port = free_port()
        self._counters = tempfile.TemporaryFile()
        as_nobody = ["-u", NOBODY] if os.geteuid() == 0 else []  # it refuses root
        command = [program, "-c", *as_nobody, f"127.0.0.1:{self.port}", "1000"]
        self._process = subprocess.Popen(command, stdout=self._counters, stderr=subprocess.DEVNULL)
        wait_for(self.port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
        with self._counters as counters:
            counters.seek(0)
            found = re.findall(rb"mesg=(\d+)", counters.read())
        self.got = Got(int(found[-1]) if found else 0)


Sink = CheapSink | SmtpSink


def tool(name: str) -> str:
    """Return the path of one of Postfix's programs; Debian keeps them where only root looks."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/libexec/postfix")
    if not found:
        raise UnmeasurableError(f"no {name} (Debian: the package postfix)")
    return found


def free_port() -> int:
    """Return a port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Wait until somebody listens; the connection that finds out counts as no message."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


class Keeper:
    """A server that keeps the messages it gets, as they came over the wire; for a few, to look at them."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep it."""
        self.messages.append(envelope.content)
        return "250 2.0.0 kept"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop()
