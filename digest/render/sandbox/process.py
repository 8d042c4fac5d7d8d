"""The child process that renders a workspace's own templates: started once, asked for each, killed if it hangs.

It ends with its parent, whose end of its input closes. A request is a pickle, which the child trusts; an answer is
text, which we need not trust.
"""

import atexit
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, cast

from digest.runtime.errors import ContentError

CPU_SECONDS = 5
"""Processor time of one rendering; an issue takes tenths of a second."""
WALL_SECONDS = 30.0
MEMORY_MEGABYTES = 512
MAX_CHARACTERS = 4_000_000
HEAD = struct.Struct(">cQ")
TEXT, ERROR, LIMIT = b"t", b"e", b"l"
HINT = "See templates/README.md for what templates can use."
_GRACE_SECONDS = 2.0
_ROOT = str(Path(__file__).resolve().parents[3])  # found by our process in whatever way
_CHILD = (
    f"import sys; {_ROOT!r} in sys.path or sys.path.insert(0, {_ROOT!r}); "
    "from digest.render.sandbox.child import main; main()"
)


Act = Literal["render", "check", "head", "html", "text"]


class LimitError(ContentError):
    """A template broke the limits of time, memory or size."""


class Job(NamedTuple):
    """One rendering: of a template, or of the HTML (with the slots of `nonce`) or text of a mail's folder."""

    act: Act
    folder: Path
    name: str
    language: str
    context: Mapping[str, Any]
    nonce: str = ""


class TemplateProcess:
    """One child process and the pipes to it. For any threads, which take turns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, job: Job) -> str:
        """Return what the child made of a job. Raises ContentError, with template and line where they are known."""
        request = pickle.dumps((job, CPU_SECONDS))
        with self._lock:
            process = self._running()
            done = threading.Event()
            threading.Thread(target=_watch, args=(process, done), daemon=True).start()
            try:
                kind, answer = _exchange(process, request)
            except BaseException:
                self._stop()  # what it still says is no answer to the next job
                raise
            finally:
                done.set()
            if kind in {LIMIT, b""}:
                code = self._stop()
        if kind == TEXT:
            return answer.decode("utf-8", "surrogatepass")
        if kind:
            message, hint = json.loads(answer)
            raise (ContentError if kind == ERROR else LimitError)(message, hint=hint)
        why = f"took more than {WALL_SECONDS:g} seconds" if code == -signal.SIGKILL else f"ended with status {code}"
        raise LimitError(f"{job.name}: the process that renders the workspace's templates {why}.", hint=HINT)

    def stop(self) -> None:
        """End the child; the next job starts another."""
        with self._lock:
            self._stop()

    def forget(self) -> None:
        """Leave the child to the process that we are a fork of."""
        self._lock = threading.Lock()
        if self._process:
            for pipe in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    _ = pipe and pipe.close()
            self._process.returncode = 0  # it is not ours to wait for
            self._process = None

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self._stop()
            # -P: nothing is imported from the current folder, which is the workspace
            command = [sys.executable, "-P", "-c", _CHILD]
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        return self._process

    def _stop(self) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        with suppress(BrokenPipeError), process:
            process.kill()
        return process.returncode


def _exchange(process: "subprocess.Popen[bytes]", request: bytes) -> tuple[bytes, bytes]:
    """Return kind and text of the answer; nothing if the child ended."""
    source, sink = cast("BinaryIO", process.stdout), cast("BinaryIO", process.stdin)
    try:
        sink.write(HEAD.pack(TEXT, len(request)) + request)
        sink.flush()
    except BrokenPipeError:
        return b"", b""
    head = source.read(HEAD.size)
    kind, size = HEAD.unpack(head) if len(head) == HEAD.size else (b"", 0)
    answer = source.read(min(size, 4 * MAX_CHARACTERS))
    return (kind, answer) if len(answer) == size else (b"", b"")


def _watch(process: "subprocess.Popen[bytes]", done: threading.Event) -> None:
    """Ask a child that takes too long where it is, as its timer does; then kill it."""
    if not done.wait(WALL_SECONDS):
        process.send_signal(signal.SIGPROF)
        if not done.wait(_GRACE_SECONDS):
            process.kill()


shared = TemplateProcess()
"""The one of this process."""
atexit.register(shared.stop)
os.register_at_fork(after_in_child=shared.forget)
