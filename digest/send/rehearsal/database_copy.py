"""A copy of the tables that a send reads, as a SQLite database: subscribers and articles, no deliveries or attempts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine, Table, insert, select
from sqlmodel import Session, SQLModel

from digest.runtime.atomic_file import private_folder
from digest.runtime.db import make_engine, session_scope, upgrade

_READ = ("article", "issue", "issue_item", "subscriber", "suppression", "edition", "fragment", "edition_fragment")
_CHUNK = 5_000


@contextmanager
def copied(source: Engine, parent: Path) -> Iterator[tuple[Engine, Path]]:
    """Yield an engine on the copy, and its folder (mode 0700: it holds addresses); both are removed afterwards."""
    private_folder(parent)
    with TemporaryDirectory(prefix="rehearsal-", dir=parent) as folder:
        target = make_engine(f"sqlite:///{Path(folder) / 'copy.db'}")
        try:
            upgrade(target)
            with session_scope(source, read_only=True) as there, session_scope(target) as here:
                for table in SQLModel.metadata.sorted_tables:
                    if table.name in _READ:
                        _copy(table, there, here)
            yield target, Path(folder)
        finally:
            target.dispose()


def _copy(table: Table, there: Session, here: Session) -> None:
    rows = there.execute(select(table).execution_options(yield_per=_CHUNK)).mappings()
    for chunk in rows.partitions(_CHUNK):
        here.execute(insert(table), [dict(row) for row in chunk])
