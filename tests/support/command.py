"""The command line called in this process: what a subprocess would print and its exit code, without its start."""

import io
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from sqlalchemy import Engine

from digest.cli import main
from digest.runtime import db
from tests.support.privacy import WATCH


@dataclass(frozen=True)
class Ended:
    """A command that has ended, as subprocess.CompletedProcess tells it."""

    returncode: int
    stdout: str
    stderr: str


def call(arguments: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> Ended:
    """Run `digest ARGUMENTS` in this process, with nothing on stdin; leave no trace of it in the process."""
    out, err = _stream(), _stream()
    with ExitStack() as stack:
        stack.enter_context(_process_state(["digest", *arguments], cwd, environment))
        stack.enter_context(_engines_closed())
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    said = _text(err)
    WATCH.stderr(["digest", *arguments], said)  # as of a process: a log names nobody
    return Ended(code, _text(out), said)


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    raw: Any = stream.buffer
    return bytes(raw.getvalue()).decode("utf-8").replace("\r\n", "\n")


@contextmanager
def _process_state(argv: list[str], cwd: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Set what belongs to the whole process, and put it back: a command may change any of it."""
    before_environment, before_cwd, before_argv, before_stdin = dict(os.environ), Path.cwd(), sys.argv, sys.stdin
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    root = logging.getLogger()
    log_handlers, log_level = list(root.handlers), root.level
    try:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(cwd)
        sys.argv = argv
        with Path(os.devnull).open(encoding="utf-8") as nothing, warnings.catch_warnings():
            sys.stdin = nothing
            yield
    finally:
        sys.stdin, sys.argv = before_stdin, before_argv
        os.chdir(before_cwd)
        os.environ.clear()
        os.environ.update(before_environment)
        root.handlers[:] = log_handlers
        root.setLevel(log_level)
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def _engines_closed() -> Iterator[None]:
    """Close the connections that the end of a process would close."""
    made: list[Engine] = []
    create = db.create_engine

    def remembered(*arguments: Any, **named: Any) -> Engine:
        made.append(create(*arguments, **named))
        return made[-1]

    with mock.patch.object(db, "create_engine", remembered):
        try:
            yield
        finally:
            for engine in made:
                engine.dispose()
