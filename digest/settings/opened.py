"""The Protocol of an opened workspace."""

from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine

from digest.runtime import db
from digest.runtime.clock import Clock
from digest.settings.root import Settings, load_settings


class OpenWorkspace(Protocol):
    """Settings, database (with this version's schema) and clock of a workspace; `digest.app.App` is one."""

    @property
    def settings(self) -> Settings: ...

    @property
    def engine(self) -> Engine: ...

    @property
    def clock(self) -> Clock: ...


def open_engine(workspace: Path) -> Engine:
    """Return the workspace's database, whatever its schema. Raises ConfigError."""
    return db.make_engine(load_settings(workspace).database_url)
