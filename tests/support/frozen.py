"""A folder and a database in a state that many tests begin with: made once in each process of tests, copied for each test."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import Engine

from digest.runtime.db import make_engine
from tests.support.postgres import PostgresServer, database_name

Fill = Callable[[Engine, Path], object]


class Frozen:
    """The templates made so far, by kind of database and name. Nobody may use one but to copy it."""

    def __init__(self, root: Path, empty_sqlite: Path, server: Callable[[], tuple[PostgresServer, ExitStack]]) -> None:
        """Ask for the server and for what ends before it only when a template has to lie there."""
        self._root, self._empty_sqlite, self._server = root, empty_sqlite, server
        self._made: dict[tuple[str, str], tuple[Path, str]] = {}

    @contextmanager
    def copy(self, kind: str, name: str, fill: Fill, folder: Path) -> Iterator[Engine]:
        """Copy what `fill` made of an empty database and an empty folder; the first time, have it made."""
        if (kind, name) not in self._made:
            template = self._root / f"{name}-{kind}"
            template.mkdir()
            url = self._new(kind, template)
            engine = make_engine(url)
            fill(engine, template)
            engine.dispose()  # the last connection writes SQLite's WAL back; PostgreSQL copies what nobody uses
            self._made[kind, name] = template, url
        source, template_url = self._made[kind, name]
        shutil.copytree(source, folder)
        with ExitStack() as stack:
            url = f"sqlite:///{folder / 'digest.db'}"
            if kind == "postgresql":
                server, _ = self._server()
                url = stack.enter_context(server.database(database_name(template_url)))
            engine = make_engine(url)
            stack.callback(engine.dispose)
            yield engine

    def _new(self, kind: str, folder: Path) -> str:
        if kind == "postgresql":
            server, before_its_end = self._server()
            return before_its_end.enter_context(server.database())
        shutil.copyfile(self._empty_sqlite, folder / "digest.db")
        return f"sqlite:///{folder / 'digest.db'}"
