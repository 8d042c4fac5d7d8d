"""Approvals of before accounts: the names of the first and the second person stay, as those of the command line."""

from datetime import datetime

from alembic import command
from sqlalchemy import Engine, inspect
from sqlmodel import select

from digest.issues.models import Issue
from digest.runtime.db import alembic_config, session_scope, upgrade


def test_names_of_before_become_approvals(engine: Engine, now: datetime) -> None:
    with session_scope(engine) as session:
        for number, by in ((1, None), (2, "Ada"), (3, "Ada Park; 김민지")):
            session.add(Issue(number=number, period=f"2021-0{number}", date=now.date(), created_at=now, approved_by=by))
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0013")
        assert "approvals" not in [one["name"] for one in inspect(connection).get_columns("issue")]
    upgrade(engine)
    with session_scope(engine, read_only=True) as session:
        kept = session.exec(select(Issue.approvals).order_by(Issue.number)).all()  # type: ignore[arg-type]
    assert [[(one["name"], one["login"], one["route"]) for one in of] for of in kept] == [
        [], [("Ada", "", "command line")], [("Ada Park", "", "command line"), ("김민지", "", "command line")],
    ]  # fmt: skip
