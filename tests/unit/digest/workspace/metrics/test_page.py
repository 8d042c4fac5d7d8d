"""Figures for Prometheus: what they say is what the rows say, and no scrape reads every delivery."""

import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, Engine, Table, func, select, text

from digest.app import App
from digest.notify.models import WebhookCall
from digest.outbox import notices, store
from digest.outbox.states import State
from digest.outbox.tables import ATTEMPT, DELIVERY, SUBSCRIBER
from digest.render.notice_kind import NoticeKind
from digest.runtime.db import make_engine, session_scope
from digest.schedule.runs import IssueRun, RunState
from digest.settings.root import load_settings
from digest.testing import FrozenClock
from digest.workspace.create import create
from digest.workspace.metrics import Metrics
from digest.workspace.metrics.queries import AttemptCounts, counting_due, counting_odd, finding_started, of_issues
from tests.support.ledger import Ledger

READERS = 20_000


@pytest.fixture
def works(ledger: Ledger, tmp_path: Path) -> App:
    create(tmp_path / "workspace", sample=False)
    return App(load_settings(tmp_path / "workspace"), ledger.engine, FrozenClock(ledger.now + timedelta(minutes=5)))


def parsed(page: bytes) -> dict[tuple[str, ...], float]:
    """Every sample, by its name and the values of its labels in order."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def put(ledger: Ledger, states: list[State]) -> None:
    """Put the planned deliveries into these states."""
    with session_scope(ledger.engine) as session:
        ids = session.execute(select(DELIVERY.c.id).order_by(DELIVERY.c.id)).scalars().all()
        for of_id, state in zip(ids, states, strict=True):
            session.execute(DELIVERY.update().where(DELIVERY.c.id == of_id).values(state=state.value))


@pytest.mark.parametrize("seed", range(5))
def test_states_are_what_a_full_count_says(ledger: Ledger, works: App, seed: int) -> None:
    chosen = random.Random(seed).choices(list(State), k=40)
    ledger.planned(40)
    put(ledger, chosen)
    for planned in (40, None):  # an issue that was frozen before we kept the number
        ledger.change_issue(planned=planned, frozen_at=ledger.now)
        with session_scope(ledger.engine, read_only=True) as session:
            (figures,) = of_issues(session)
            assert figures.states == store.counts(session, ledger.issue_id)
    said = parsed(Metrics(works).page())
    assert {state: said["digest_deliveries", "21", state.value] for state in State} == {
        state: chosen.count(state) for state in State
    }


def test_the_age_of_what_waits(ledger: Ledger, works: App) -> None:
    assert parsed(Metrics(works).page())["digest_oldest_due_age_seconds", "delivery"] == 0
    ledger.planned(2)
    with session_scope(ledger.engine) as session:
        notices.promise(
            session,
            NoticeKind.WELCOME,
            "k",
            address="r@example.org",
            language="en",
            now=ledger.now - timedelta(hours=1),
        )
    said = parsed(Metrics(works).page())
    assert said["digest_oldest_due_age_seconds", "delivery"] == 300
    assert said["digest_oldest_due_age_seconds", "notice"] == 3900
    assert said["digest_notices", "pending"] == 1
    ledger.change_issue(held=True)  # somebody wants it to wait
    said = parsed(Metrics(works).page())
    assert said["digest_oldest_due_age_seconds", "delivery"] == 0
    assert said["digest_issue_held", "21"] == 1


def test_attempts_are_counted_once_however_often_one_looks(ledger: Ledger, works: App) -> None:
    ledger.planned(30)
    ledger.worker()
    metrics, counts = Metrics(works), AttemptCounts()
    for outcome in (State.ACCEPTED, State.REJECTED, State.DEFERRED):
        for relay in ("one:25", "two:25"):
            ledger.settle(ledger.take(3, relay=relay), outcome)
            under_way = ledger.take(1, relay=relay)
            for now in (time.time(), time.time() + 3600):  # an hour later all but the open ones are folded
                with session_scope(ledger.engine, read_only=True) as session:
                    assert counts.look(session, now) == _all_attempts(ledger)
            ledger.settle(under_way, State.ACCEPTED)
        said = parsed(metrics.page())
        assert {key: said["digest_attempts_total", key[1], key[0]] for key in _all_attempts(ledger)} == _all_attempts(
            ledger
        )
    assert counts.through > ""


def _all_attempts(ledger: Ledger) -> Counter[tuple[str, str]]:
    return Counter((one.relay, one.outcome) for one in ledger.attempts() if one.outcome)


def test_a_command_goes_on_from_what_it_kept(ledger: Ledger, works: App, tmp_path: Path) -> None:
    ledger.planned(5)
    ledger.worker()
    ledger.settle(ledger.take(5), State.ACCEPTED)
    kept = tmp_path / "kept" / "attempts.json"
    pages = []
    for _ in range(3):
        metrics = Metrics(works)
        metrics.remember(kept)
        pages.append(parsed(metrics.page())["digest_attempts_total", "accepted", "test"])
        metrics.keep(kept)
    assert pages == [5, 5, 5]
    for broken in (b"", b"{", b"[]", b'{"through": 1}', b'{"through": "a", "attempts": [["x"]]}', b"\xff"):
        kept.write_bytes(broken)
        metrics = Metrics(works)
        metrics.remember(kept)
        assert parsed(metrics.page())["digest_attempts_total", "accepted", "test"] == 5


def test_runs_workers_and_calls(ledger: Ledger, works: App) -> None:
    now = ledger.now
    given: dict[str, Any] = {"due_at": now, "claimed_by": "", "claimed_at": now, "heartbeat_at": now}
    with session_scope(ledger.engine) as session:
        session.add(IssueRun(schedule="monthly", period="installed", state=RunState.DONE, **given))
        session.add(IssueRun(schedule="monthly", period="2021-09", state=RunState.MISSED, **given))
        for period, hours in (("2021-07", -3), ("2021-08", -2), ("2021-10", 700)):
            state = RunState.DONE if period == "2021-07" else RunState.WAITING
            moments = {**given, "due_at": now + timedelta(hours=hours)}
            session.add(IssueRun(schedule="monthly", period=period, state=state, **moments))
        session.add(WebhookCall(key="a", state="given_up", body="{}", due_at=now, created_at=now))
    ledger.worker("alive", host="elsewhere")
    ledger.worker("dead", host="elsewhere")
    ledger.silence("dead", 3600)
    said = parsed(Metrics(works).page())
    assert said["digest_runs", "missed"] == 1
    assert said["digest_runs", "done"] == 1
    assert said["digest_runs", "waiting"] == 2
    assert said["digest_run_unfinished_seconds",] == (works.clock.now() - now).total_seconds() + 7200
    assert said["digest_last_run", "2021-10", "waiting"] == 1
    assert said["digest_last_run", "2021-10", "done"] == 0
    assert said["digest_workers_alive",] == 1
    assert said["digest_webhook_calls", "given_up"] == 1
    assert said["digest_database_up",] == 1
    upcoming = datetime(2021, 9, 30, 9, tzinfo=UTC).timestamp()
    assert said["digest_next_run_timestamp_seconds",] == upcoming


def test_without_the_database_it_says_so(tmp_path: Path) -> None:
    create(tmp_path / "workspace", sample=False)
    engine = make_engine("postgresql://nobody@127.0.0.1:1/nothing")
    works = App(load_settings(tmp_path / "workspace"), engine, FrozenClock(datetime.now(UTC)))
    said = parsed(Metrics(works).page())
    assert said["digest_database_up",] == 0
    assert ("digest_runs", "done") not in said
    engine.dispose()


def test_no_label_or_help_is_personal(ledger: Ledger, works: App) -> None:
    ledger.planned(3)
    ledger.worker()
    ledger.settle(ledger.take(3), State.REJECTED, reason="<r@example.org> is unknown", reply="550 r@example.org")
    assert b"@" not in Metrics(works).page()


@pytest.fixture
def crowded(ledger: Ledger) -> Engine:
    """Many deliveries of one issue, nearly all accepted, and as many attempts; the planner knows them."""
    ledger.planned(1)
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many) SELECT i FROM n"
    state = "CASE p.id % 200 WHEN 0 THEN 'rejected' WHEN 1 THEN 'pending' ELSE 'accepted' END"
    with ledger.engine.begin() as connection:
        _copy(connection, SUBSCRIBER, dict.fromkeys(("ref", "address", "address_key"), "'r' || i"), f"({numbers}) m")
        attempt = "'0000000000' || p.id"
        _copy(connection, DELIVERY, {"subscriber_id": "p.id", "state": state, "attempt_id": attempt}, "subscriber p")
        connection.execute(
            text(
                "INSERT INTO attempt (id, delivery_id, worker_id, started_at, ended_at, outcome, reply, relay) "
                "SELECT attempt_id, id, 'w', due_at, due_at, 'accepted', '', 'test' FROM delivery "
                "WHERE attempt_id IS NOT NULL"
            )
        )
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if ledger.engine.dialect.name == "postgresql":
            connection.execute(text("VACUUM ANALYZE"))
        else:
            connection.exec_driver_sql("ANALYZE")
    ledger.change_issue(planned=READERS + 1, frozen_at=ledger.now)
    return ledger.engine


def _copy(connection: Connection, table: Table, changed: dict[str, str], many: str) -> None:
    """Copy the table's only row for each row of `many`, with these columns changed."""
    others = [column.name for column in table.c if column.name not in {"id", *changed}]
    values = [*changed.values(), *(f"o.{name}" for name in others)]
    where = "WHERE p.id <> o.subscriber_id" if table is DELIVERY else ""
    names = ", ".join([*changed, *others])
    query = f"INSERT INTO {table.name} ({names}) SELECT {', '.join(values)} FROM {table.name} o, {many} {where}"
    connection.execute(text(query), {} if table is DELIVERY else {"many": READERS})


def explained(engine: Engine, statement: Any) -> str:
    """Return the database's plan for a query."""
    compiled = statement.compile(engine, compile_kwargs={"literal_binds": True})
    word = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    with engine.connect() as connection:
        return "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{word} {compiled}"))


def test_no_scrape_reads_every_delivery(crowded: Engine, ledger: Ledger, works: App) -> None:
    newest = select(ATTEMPT.c.relay, func.count()).where(ATTEMPT.c.id >= "f").group_by(ATTEMPT.c.relay)
    plans = {
        "due": explained(crowded, counting_due()),
        "started": explained(crowded, finding_started()),
        "odd": explained(crowded, counting_odd(ledger.issue_id)),
        "attempts": explained(crowded, newest),
    }
    index = {"due": "ix_delivery_due", "started": "ix_delivery_open", "odd": "ix_delivery_odd"}
    for name, plan in plans.items():
        assert "Seq Scan" not in plan, plan
        assert index.get(name, "") in plan, plan
    said = parsed(Metrics(works).page())
    assert said["digest_deliveries", "21", "accepted"] > READERS * 0.98
    with session_scope(crowded, read_only=True) as session:
        (figures,) = of_issues(session)
        assert figures.states == store.counts(session, ledger.issue_id)
