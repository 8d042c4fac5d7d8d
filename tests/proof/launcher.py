"""Starts the real command so that it is killed, as by `kill -9`, at the n-th time it comes to a named step.

    launcher.py [--kill STEP [--at N]] [--snapshot DIR --database FILE] [--set MODULE:NAME=SECONDS]... [--host NAME] -- COMMAND...

The product has no hooks for this: the steps are seen from the database driver's commits and the socket's bytes.
"""

import argparse
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine.default import DefaultDialect

from digest.cli import main as digest

FINAL_DOT = b"\r\n.\r\n"
STEPS = (
    "take begun",
    "take committed",
    "envelope written",
    "body written",
    "dot written",
    "answer read",
    "settlement begun",
    "settlement committed",
)
LAST_STEPS = ("sign-off begun", "sign-off committed")
# By what the statement begins with: which step the transaction is about.
_MARKS = {
    "INSERT INTO attempt": "take",
    "UPDATE attempt SET ended_at": "settlement",
    "UPDATE worker SET stopped_at": "sign-off",
    "DELETE FROM worker": "sign-off",  # of one that had nothing to start
}


class Killer:
    """Ends this process the n-th time it comes to the step."""

    def __init__(self, step: str, at: int) -> None:
        self._step = step
        self._left = at

    def comes_to(self, step: str) -> None:
        """Be killed, if this is it."""
        if self.is_near(step):
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= step == self._step

    def is_near(self, step: str) -> bool:
        """Whether the next `comes_to` of this step is the one."""
        return step == self._step and self._left == 1


class Commits:
    """Sees commits; what a transaction was about is told by its statements."""

    def __init__(self, killer: Killer, snapshot: Path | None, file: Path) -> None:
        """`snapshot`: where to copy the SQLite `file`, before and after the commit after which we are killed."""
        self._killer = killer
        self._snapshot = snapshot
        self._file = file
        self._about: set[str] = set()

    def watch(self) -> None:
        """Begin."""
        event.listen(Engine, "before_cursor_execute", self._note)
        event.listen(Engine, "rollback", lambda _connection: self._about.clear())
        commit: Callable[..., None] = DefaultDialect.do_commit

        def watched(dialect: DefaultDialect, connection: Any) -> None:
            self._commit(lambda: commit(dialect, connection))

        DefaultDialect.do_commit = watched  # type: ignore[method-assign]

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        for mark, what in _MARKS.items():
            if statement.startswith(mark):
                self._about.add(what)
                if what == "take":  # the others begin with their commit
                    self._killer.comes_to("take begun")

    def _commit(self, commit: Callable[[], None]) -> None:
        done = sorted(self._about)
        self._about.clear()
        for what in done:
            if what != "take":
                self._killer.comes_to(f"{what} begun")
        copies = self._snapshot if any(self._killer.is_near(f"{what} committed") for what in done) else None
        if copies:
            copy_sqlite(self._file, copies / "before")
        commit()
        if copies:
            copy_sqlite(self._file, copies / "after")
        for what in done:
            self._killer.comes_to(f"{what} committed")


def copy_sqlite(database: Path, folder: Path) -> None:
    """Copy what a power cut leaves of it: the file and its log, not the shared memory."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (database, database.with_name(database.name + "-wal")):
        if path.exists():
            shutil.copyfile(path, folder / path.name)


def watch_sockets(killer: Killer) -> None:
    """See what leaves and what comes; a send that is to be the last one may be cut short."""
    send: Callable[..., int] = socket.socket.send
    recv: Callable[..., bytes] = socket.socket.recv

    def watched_send(sock: socket.socket, data: Any, *flags: int) -> int:
        block = bytes(data)
        dot = block.find(FINAL_DOT)
        if dot >= 0:
            for step, end in (("body written", dot), ("dot written", dot + len(FINAL_DOT))):
                if killer.is_near(step):
                    rest = memoryview(block)[:end]
                    sock.settimeout(10)
                    while rest:
                        rest = rest[send(sock, rest) :]
                killer.comes_to(step)
        count = send(sock, data, *flags)
        if block.endswith(b"DATA\r\n") and count == len(block):
            killer.comes_to("envelope written")
        return count

    def watched_recv(sock: socket.socket, *arguments: int) -> bytes:
        data = recv(sock, *arguments)
        if b"250 2.0.0 Counted" in data:
            killer.comes_to("answer read")
        return data

    socket.socket.send = watched_send  # type: ignore[method-assign]
    socket.socket.recv = watched_recv  # type: ignore[method-assign,assignment]


def change(setting: str) -> None:
    """Set a number of the program, in the type it has."""
    place, _, value = setting.partition("=")
    module, _, name = place.partition(":")
    owner: Any = import_module(module)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    old = getattr(owner, last)
    new = float(value) if isinstance(old, int | float) else type(old)(seconds=float(value))
    setattr(owner, last, new)


def main() -> None:
    """Prepare, then be the command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kill", default="")
    parser.add_argument("--at", type=int, default=1)
    parser.add_argument("--snapshot", type=Path, help="where to copy the SQLite file, before and after that commit")
    parser.add_argument("--database", type=Path, default=Path("digest.db"))
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--host", default="")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    killer = Killer(given.kill, given.at)
    Commits(killer, given.snapshot, given.database).watch()
    watch_sockets(killer)
    for setting in given.set:
        change(setting)
    if given.host:
        socket.gethostname = lambda: given.host
    sys.argv = ["digest", *given.command]
    digest()


if __name__ == "__main__":
    main()
