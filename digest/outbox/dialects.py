"""Where SQLite and PostgreSQL differ for the outbox. Not in row locks: SQLite has one writer anyway."""

from datetime import UTC, datetime

from sqlalchemy import Table, func, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session


def insert_new(session: Session, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT for `table` that leaves rows alone whose unique key is there already."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def database_now(session: Session) -> datetime:
    """Return the present instant by the database's clock: the one clock that workers on several machines share."""
    if session.get_bind().dialect.name == "postgresql":
        # not now(): that is when the transaction began, and a take may have waited for locks since
        moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
        return moment.astimezone(UTC)
    written = session.execute(text("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")).scalar_one()
    return datetime.fromisoformat(written).replace(tzinfo=UTC)
