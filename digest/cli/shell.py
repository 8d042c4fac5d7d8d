"""What every command gets: where the workspace is, how to speak, and the parts, built when first asked for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from digest.cli.output import Output
from digest.runtime.errors import UsageError

if TYPE_CHECKING:  # heavy imports wait until a command needs them: --help must be quick
    from sqlmodel import Session

    from digest.app import App


class Shell:
    """The global options of one call, and what they lead to."""

    def __init__(self, *, workspace: str, as_json: bool, verbose: bool, log_json: bool = False) -> None:
        self._workspace = workspace
        self.verbose = verbose
        self.out = Output(as_json=as_json, log_json=log_json)

    @cached_property
    def workspace(self) -> Path:
        """The workspace's folder, found as git finds its repository."""
        from digest.settings.root import find_workspace  # noqa: PLC0415

        return find_workspace(Path(self._workspace) if self._workspace else Path.cwd())

    @cached_property
    def works(self) -> "App":
        """All parts, joined; the database's schema is checked."""
        from digest.app import build  # noqa: PLC0415

        works = build(self.workspace)
        self.out.zone = works.settings.publication.zone
        return works

    @contextmanager
    def session(self, *, read_only: bool = False) -> "Iterator[Session]":
        """One transaction."""
        from digest.runtime.db import session_scope  # noqa: PLC0415

        with session_scope(self.works.engine, read_only=read_only) as session:
            yield session

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask a person; `yes` answers. Without a terminal there is nobody to ask."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise UsageError(f"{question} Nobody is there to answer", hint="Add --yes.")
        if not typer.confirm(question, err=True):
            raise typer.Abort


def shell_of(context: typer.Context) -> Shell:
    """Return the shell of a command's context."""
    shell = context.find_object(Shell)
    assert shell is not None  # noqa: S101 - set by the app's callback
    return shell
