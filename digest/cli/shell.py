"""Context of a command: its output, and the workspace, opened on first use."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from digest.cli.output import Output
from digest.runtime.errors import UsageError

if TYPE_CHECKING:  # the root of the command line has a Shell, and `digest --help` must be quick
    from sqlmodel import Session

    from digest.app import App


class Shell:
    """The global options of one call, its output, and its workspace."""

    def __init__(self, *, workspace: str, as_json: bool, verbose: bool, log_json: bool = False) -> None:
        self._workspace = workspace
        self.verbose = verbose
        self.out = Output(as_json=as_json, log_json=log_json)
        self._opened: App | None = None

    @cached_property
    def workspace(self) -> Path:
        """The workspace's folder: at or above the present one."""
        from digest.settings.root import find_workspace  # noqa: PLC0415 - `digest --help` reads no configuration

        return find_workspace(Path(self._workspace) if self._workspace else Path.cwd())

    @property
    def app(self) -> "App":
        """The workspace, opened for writing; the database's schema is checked."""
        if self._opened is None or self._opened.for_reading:
            self._opened = self.open()
        return self._opened

    @property
    def reader(self) -> "App":
        """The workspace as it is open already, else opened for reading: faster, and without waking workers."""
        if self._opened is None:
            self._opened = self.open(for_reading=True)
        return self._opened

    def open(self, *, for_reading: bool = False) -> "App":
        """Open the workspace anew, with its configuration as it is now."""
        from digest.app import open_app  # noqa: PLC0415 - `init`, `sink` and `config` have no database

        opened = open_app(self.workspace, for_reading=for_reading)
        self.out.zone = opened.settings.publication.zone
        return opened

    def close(self) -> None:
        """Close the database: the last connection brings SQLite's log into the file, which may be copied alone then."""
        if self._opened is not None:
            self._opened.engine.dispose()

    @contextmanager
    def session(self, *, read_only: bool = False) -> "Iterator[Session]":
        """One transaction; `read_only` opens the workspace for reading."""
        opened = self.reader if read_only else self.app
        with opened.session(read_only=read_only) as session:
            yield session

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask for confirmation unless `yes`. Raises UsageError without a terminal."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise UsageError(
                f"{question} Confirmation is needed, but there is no terminal", hint="Add --yes to confirm."
            )
        if not typer.confirm(question, err=True):
            raise typer.Abort


def shell_of(context: typer.Context) -> Shell:
    shell = context.find_object(Shell)
    assert shell is not None  # noqa: S101 - set by the app's callback
    return shell
