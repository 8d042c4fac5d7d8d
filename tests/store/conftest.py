"""The outbox's ledger on each database: what is tested with it holds on both."""

from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.store.ledger import Ledger


@pytest.fixture
def ledger(engine: Engine, now: datetime, tmp_path: Path) -> Ledger:
    return Ledger(engine, now, tmp_path)
