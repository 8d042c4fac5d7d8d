"""A partial index has its condition on both databases."""

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, create_mock_engine

from digest.runtime.partial_index import partial_index


@pytest.mark.parametrize("url", ["sqlite://", "postgresql+psycopg://"])
def test_the_condition_is_in_the_index_of_each_database(url: str) -> None:
    metadata = MetaData()
    Table(
        "thing",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("state", String),
        partial_index("ix_thing_open", "id", where="state = 'open'"),
    )
    made: list[str] = []
    engine = create_mock_engine(url, lambda statement, *_, **__: made.append(str(statement.compile(engine))))
    metadata.create_all(engine, checkfirst=False)
    assert made[-1] == "CREATE INDEX ix_thing_open ON thing (id) WHERE state = 'open'"
