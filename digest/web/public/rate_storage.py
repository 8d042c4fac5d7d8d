"""Database storage for `limits`, shared by several web processes."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from limits.storage import Storage
from sqlalchemy import Engine, case, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel, col

from digest.runtime.db import session_scope
from digest.runtime.rate_limit_table import RateWindow

CLEAN_SECONDS = 600
_TABLE = SQLModel.metadata.tables["rate_window"]


class DatabaseStorage(Storage):
    """Fixed windows as rows, incremented atomically; `clock` returns seconds since 1970."""

    STORAGE_SCHEME = None

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._engine = engine
        self._clock = clock
        self._clean_at = 0.0
        self._cleaning = threading.Lock()

    @property
    def base_exceptions(self) -> type[Exception]:
        return DBAPIError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add `amount` in the window of `key`, or begin one of `expiry` seconds; return the count."""
        now = self._now()
        insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        fresh = {"count": amount, "expires_at": now + timedelta(seconds=expiry)}
        statement = insert(_TABLE).values(key=key, **fresh)
        over = _TABLE.c.expires_at <= now
        counted = statement.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "count": case((over, statement.excluded["count"]), else_=_TABLE.c["count"] + amount),
                "expires_at": case((over, statement.excluded.expires_at), else_=_TABLE.c.expires_at),
            },
        ).returning(_TABLE.c["count"])
        with session_scope(self._engine) as session:
            count: int = session.execute(counted).scalar_one()
        self._clean()
        return count

    def get(self, key: str) -> int:
        """Return the count of the window of `key`, 0 if it is over."""
        return self._window(key)[0]

    def get_expiry(self, key: str) -> float:
        """Return when the window of `key` ends, in seconds since 1970; now if there is none."""
        return self._window(key)[1]

    def check(self) -> bool:
        """Return whether the database answers."""
        try:
            self.get("")
        except DBAPIError:
            return False
        return True

    def reset(self) -> int:
        """Delete all windows; return their number."""
        return self._delete(col(RateWindow.key) != "")

    def clear(self, key: str) -> None:
        """Delete the window of `key`."""
        self._delete(col(RateWindow.key) == key)

    def _window(self, key: str) -> tuple[int, float]:
        query = select(_TABLE.c["count"], _TABLE.c.expires_at).where(_TABLE.c.key == key)
        with session_scope(self._engine, read_only=True) as session:
            row = session.execute(query).first()
        now = self._now()
        if row is None or row.expires_at <= now:
            return 0, now.timestamp()
        return row[0], row.expires_at.timestamp()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _clean(self) -> None:
        """Delete old windows every ten minutes: even keyed hashes of networks are personal data."""
        with self._cleaning:
            if self._clock() < self._clean_at:
                return
            self._clean_at = self._clock() + CLEAN_SECONDS
        self._delete(col(RateWindow.expires_at) <= self._now())

    def _delete(self, which: object) -> int:
        with session_scope(self._engine) as session:
            deleted = session.execute(delete(_TABLE).where(which))  # type: ignore[arg-type]
        return int(deleted.rowcount)  # type: ignore[attr-defined]
