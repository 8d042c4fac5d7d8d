"""The audit log: in the transaction of the act, without addresses and secrets, kept for as long as [retention] says."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from digest.accounts import audit
from digest.accounts.audit import Actor, ActorRoute
from digest.membership import retention
from digest.runtime.db import session_scope
from digest.runtime.errors import RefusedError
from digest.settings.retention import Retention
from tests.support.people import make

KIM = Actor("kim", ActorRoute.DESK)


def test_the_newest_entry_stands_first_and_holds_no_address(engine: Engine, now: datetime) -> None:
    with session_scope(engine) as session:
        audit.record(session, KIM, "hold", "issue 21", now=now, reason="ada@example.net complained", count=2, note="")
        audit.record(session, KIM, "release", "issue 21", now=now + timedelta(hours=1), reason=None)
    with session_scope(engine, read_only=True) as session:
        found = audit.entries(session)
        assert [(one.what, one.who, one.route) for one in found] == [
            ("release", "kim", "desk"),
            ("hold", "kim", "desk"),
        ]
        assert found[1].details == {"reason": "<address> complained", "count": 2}
        assert audit.in_words(found[1]) == "reason: <address> complained, count: 2"
        assert [one.what for one in audit.entries(session, since=now + timedelta(minutes=1))] == ["release"]


def test_an_act_that_failed_leaves_no_entry(engine: Engine, now: datetime) -> None:
    def fail() -> None:
        with session_scope(engine) as session:
            audit.record(session, KIM, "hold", "issue 21", now=now)
            raise RefusedError

    with pytest.raises(RefusedError):
        fail()
    with session_scope(engine, read_only=True) as session:
        assert audit.entries(session) == []


@pytest.mark.parametrize(("days", "left"), [(30, ["new"]), (0, ["new", "old"])])
def test_entries_are_kept_for_their_time(
    tmp_path: Path, engine: Engine, now: datetime, days: int, left: list[str]
) -> None:
    people = make(tmp_path / "workspace", engine, now, retention=Retention(audit_days=days))
    with session_scope(engine) as session:
        audit.record(session, KIM, "old", "", now=now - timedelta(days=30, seconds=1))
        audit.record(session, KIM, "new", "", now=now - timedelta(days=30))
    assert retention.due(people.works, now).audit_forgotten == 2 - len(left)
    assert retention.apply(people.works, now).audit_forgotten == 2 - len(left)
    with session_scope(engine, read_only=True) as session:
        assert [one.what for one in audit.entries(session)] == left
