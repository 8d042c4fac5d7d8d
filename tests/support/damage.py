"""Damage to a database's file: bytes of one page are changed, as a failing disk does."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine, text

_HEADER_BYTES = 8


def table_page(path: Path, table: str) -> tuple[int, int]:
    """Return the offset and size of the first leaf page of a SQLite table."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    data = path.read_bytes()
    page = root
    while data[(page - 1) * size] == 5:  # an inner page: its first cell names the leftmost child
        start = (page - 1) * size
        cell = int.from_bytes(data[start + 12 : start + 14], "big")
        page = int.from_bytes(data[start + cell : start + cell + 4], "big")
    return (page - 1) * size, size


def damage(path: Path, offset: int, length: int) -> None:
    """Flip every bit of a stretch of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        data = file.read(length)
        file.seek(offset)
        file.write(bytes(byte ^ 0xFF for byte in data))


def damage_rows(path: Path, table: str) -> None:
    """Flip the bits of the second half of a table's leaf, where its rows stand."""
    offset, size = table_page(path, table)
    damage(path, offset + size // 2, size // 2)


def damage_cells(path: Path, table: str) -> None:
    """Flip the bits of the list that says where the rows of a table's leaf begin."""
    offset, _ = table_page(path, table)
    damage(path, offset + _HEADER_BYTES, 4)


def server_file(engine: Engine, relation: str) -> Path:
    """Return the file of a table or index of a PostgreSQL server on this machine, once it is written there."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))
        folder = connection.execute(text("SHOW data_directory")).scalar_one()
        return Path(folder) / str(connection.execute(text(f"SELECT pg_relation_filepath('{relation}')")).scalar_one())
