"""The child's side: reads jobs, renders them within limits, writes texts or errors. Started by `process`."""

import json
import os
import pickle
import resource
import signal
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from digest.render.loader import LIMITS, OutOfTimeError, Templates, limit_text
from digest.render.mail import render_head, render_html, render_text
from digest.render.sandbox.process import (
    CPU_SECONDS,
    ERROR,
    HEAD,
    HINT,
    LIMIT,
    MAX_CHARACTERS,
    MEMORY_MEGABYTES,
    TEXT,
    WALL_SECONDS,
    Job,
)
from digest.runtime.errors import DigestError


def main() -> None:
    """Answer jobs until the input ends."""
    # our parent ends us, or its end does
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, _out_of_time)
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing but answers reaches our parent
    _limit_memory()
    while head := source.read(HEAD.size):
        _, size = HEAD.unpack(head)
        kind, answer = _answer(*pickle.loads(source.read(size)))  # noqa: S301 - from our parent
        with suppress(BrokenPipeError):
            _send(sink, kind, answer)


def _send(sink: BinaryIO, kind: bytes, answer: bytes) -> None:
    sink.write(HEAD.pack(kind, len(answer)) + answer)
    sink.flush()


def _answer(job: Job, seconds: float) -> tuple[bytes, bytes]:
    templates = _templates(job.folder)
    try:
        # unlike RLIMIT_CPU it counts from now, and systemd's @resources does not forbid it; again each second
        signal.setitimer(signal.ITIMER_PROF, seconds, 1)
        try:
            text = _act(templates, job)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        return TEXT, text.encode("utf-8", "surrogatepass")
    except DigestError as error:
        kind = LIMIT if isinstance(error.__cause__, LIMITS) else ERROR
        return kind, json.dumps([error.message, error.hint]).encode()
    except LIMITS as error:
        return LIMIT, json.dumps([f"{job.name}: {limit_text(error)}.", HINT]).encode()
    except Exception as error:  # noqa: BLE001 - an error of ours is told, too
        return LIMIT, json.dumps([f"{job.name}: {type(error).__name__}: {error}.", HINT]).encode()


def _act(templates: Templates, job: Job) -> str:
    match job.act:
        case "render":
            return templates.render(job.name, job.language, job.context)
        case "text":
            return render_text(job.name, job.language, job.context, templates)
        case "head":
            return render_head(job.name, job.language, job.context, templates)
        case "html":
            return json.dumps(render_html(job.name, job.language, job.context, templates, job.nonce))
        case "check":
            templates.check(job.name, job.language)
            return ""


@cache
def _templates(folder: Path) -> Templates:
    return Templates(folder, room=MAX_CHARACTERS, is_child=True)


def _out_of_time(_number: int, _frame: FrameType | None) -> None:
    raise OutOfTimeError(
        f"it takes more than {CPU_SECONDS} seconds of processor time, or {WALL_SECONDS:g} seconds overall"
    )


def _limit_memory() -> None:
    """Limit our address space to what we have now and MEMORY_MEGABYTES, where the system tells and lets us."""
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + MEMORY_MEGABYTES * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
