"""Partial indexes for SQLite and PostgreSQL."""

from typing import Any

from sqlalchemy import Connection, Index, Table, event, text


def partial_index(name: str, *columns: str, where: str) -> Index:
    """Return an index over the rows that `where` selects.

    Not with `postgresql_where`, which would load PostgreSQL's dialect with all its drivers into every command.
    """
    return Index(name, *columns, sqlite_where=text(where), info={"where": where})


@event.listens_for(Table, "before_create")
def _choose_rows(table: Any, connection: Connection, **_: object) -> None:
    if connection.dialect.name == "postgresql":
        for index in table.indexes:
            if where := index.info.get("where"):
                index.dialect_kwargs["postgresql_where"] = text(where)
