"""A publication with an article for each of many months, a few readers, and the command that looks at the clock."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select
from sqlmodel import Session, col

from digest import app
from digest.app import App
from digest.issues.models import Issue
from digest.issues.period import Period
from digest.membership import importing
from digest.outbox.tables import DELIVERY, ISSUE, SUBSCRIBER
from digest.publish import import_articles
from digest.runtime.clock import ShiftedClock
from digest.runtime.db import make_engine, session_scope
from digest.schedule import runs
from digest.schedule.occurrences import occurrence
from digest.schedule.tick import TickResult, tick
from tests.acceptance.conftest import World
from tests.support.empty_workspace import copy_empty_workspace

HERE = Path(__file__).parent
FIRST = Period(2026, 1)
TAKEOVER = 3.0

TOML = """\
[publication]
name = "The Monthly"
sender_address = "monthly@example.org"
postal_address = "1 Street, Town"
timezone = "Asia/Seoul"

[[section]]
slug = "news"
title = "News"

[approval]
required = {required}

[delivery]
transport = "{transport}"
patience = 1
{delivery}
[schedule]
rule = "last working day"
holidays = "KR"
time = "09:00"
takeover = {takeover}
{schedule}
{relay}
"""


class Months:
    """The workspace, its database, and looks at its clock."""

    def __init__(
        self,
        folder: Path,
        database_url: str,
        *,
        months: int,
        readers: int,
        relay_port: int | None = None,
        required: int = 0,
        schedule: str = "",
        delivery: str = "",
    ) -> None:
        self.world = World(folder / "workspace", database_url)
        self.folder, self.database_url = self.world.folder, database_url
        self.readers = [f"reader{number}@example.org" for number in range(readers)]
        copy_empty_workspace(self.folder)
        relay = f'[[relay]]\nhost = "127.0.0.1"\nport = {relay_port}\ntls = "none"\n' if relay_port else ""
        text = TOML.format(
            required=required,
            transport="smtp" if relay_port else "maildir",
            takeover=TAKEOVER,
            relay=relay,
            schedule=schedule,
            delivery=delivery,
        )
        (self.folder / "digest.toml").write_text(text)
        self._fill(months)

    def _fill(self, months: int) -> None:
        articles = self.folder / "monthly"
        articles.mkdir()
        period = FIRST
        for _ in range(months):
            text = f"---\ntitle: News of {period}\ndate: {period}-03\nsummary: It is news.\n---\n\nIt happened in {period}.\n"
            (articles / f"news-{period}.md").write_text(text)
            period = period.next
        rows = [f"{address},,*,en,html,every,confirmed,2025-01-01,test" for address in self.readers]
        head = "email,name,interests,language,format,frequency,status,confirmed_at,consent_source"
        (self.folder / "readers.csv").write_text("\n".join([head, *rows]))
        works = self.works_at(self.due(FIRST) - timedelta(days=40))
        assert import_articles.import_articles(works.publisher, [articles], now=works.clock.now()).problems == []
        importing.import_subscribers(works, self.folder / "readers.csv")

    # Parts

    @cached_property
    def engine(self) -> Engine:
        return make_engine(self.database_url)

    @cached_property
    def _works(self) -> App:
        before = os.environ.get("DIGEST_DATABASE__URL")
        os.environ["DIGEST_DATABASE__URL"] = self.database_url
        try:
            return app.open_app(self.folder)
        finally:
            os.environ.pop("DIGEST_DATABASE__URL")
            if before is not None:
                os.environ["DIGEST_DATABASE__URL"] = before

    def works_at(self, moment: datetime) -> App:
        """The workspace's parts in this process, at another time."""
        return App(self._works.settings, self._works.engine, ShiftedClock(moment))

    def close(self) -> None:
        self.engine.dispose()
        self._works.engine.dispose()

    def due(self, period: Period) -> datetime:
        """When the run of a period is to send."""
        return occurrence(self._works.settings, period).due_at

    # Looks at the clock

    def look(self, moment: datetime) -> list[TickResult]:
        """One look in this process."""
        return tick(self.works_at(moment))

    def tick(self, moment: datetime, *, expect: Sequence[int] = (0, 1)) -> list[dict[str, Any]]:
        """One look by the real command; what it told."""
        process = self.start("tick", "--json", moment=moment)
        out, err = process.communicate(timeout=180)
        assert process.returncode in expect, (process.returncode, out, err)
        told: list[dict[str, Any]] = json.loads(out) if out.strip() else []
        return told

    def start(
        self, *arguments: str, moment: datetime, program: Sequence[str] = ("-m", "digest")
    ) -> subprocess.Popen[str]:
        root = f"{HERE.parents[1]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        return subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=self.folder,
            env={**self.world.environment, "DIGEST_NOW": moment.isoformat(), "PYTHONPATH": root},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    # How it stands

    def silent_for(self, period: Period, seconds: float) -> None:
        """Move a run's last sign of life into the past, as if so much time had gone by."""
        with session_scope(self.engine) as session:
            run = session.execute(select(runs.IssueRun).where(col(runs.IssueRun.period) == str(period))).scalar_one()
            run.heartbeat_at -= timedelta(seconds=seconds)
            session.add(run)

    def runs(self) -> dict[str, runs.IssueRun]:
        """The run of each period."""
        with session_scope(self.engine, read_only=True) as session:
            found = runs.history(session)
        assert len({run.period for run in found}) == len(found)
        return {run.period: run for run in found}

    def issues(self) -> list[Issue]:
        with Session(self.engine) as session:
            return list(session.execute(select(Issue).order_by(ISSUE.c.number)).scalars())

    def deliveries(self) -> Iterator[Any]:
        """(issue number, address, state, ref) of every delivery."""
        query = (
            select(ISSUE.c.number, SUBSCRIBER.c.address, DELIVERY.c.state, SUBSCRIBER.c.ref)
            .join(DELIVERY, DELIVERY.c.issue_id == ISSUE.c.id)
            .join(SUBSCRIBER, SUBSCRIBER.c.id == DELIVERY.c.subscriber_id)
        )
        with closing(self.engine.connect()) as connection:
            yield from connection.execute(query.order_by(ISSUE.c.number, SUBSCRIBER.c.id))
