"""The main job on the sample, start to end, in a workspace of its own, and once more to show once."""

import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digest import app
from digest.delivery.worker.progress import DeliveryProgress
from digest.issues import store as issue_store
from digest.issues.period import Period
from digest.publish import build, lifecycle
from digest.publish.build import Build
from digest.runtime.db import session_scope
from digest.runtime.errors import RefusedError
from digest.schedule.tick import issue_date
from digest.send import start
from digest.send import status as standing
from digest.workspace import create

NUMBER, PERIOD = 21, "2021-09"


@dataclass(frozen=True, slots=True)
class Demonstrated:
    """What the demo did: the workspace, the editions, how the deliveries stand, and how many a second send made."""

    directory: Path
    maildir: Path
    lines: tuple[str, ...]
    made: Build
    status: dict[str, Any]
    sent_again: int


def run(keep: Path | None) -> Demonstrated:
    """Do it all in `keep`, or in a temporary folder that is left for looking at."""
    directory = keep or Path(tempfile.mkdtemp(prefix="digest-demo-"))
    created = create.create(directory, sample=True)
    works = app.build(directory)
    made = _assemble_and_approve(works)
    first = start.prepare_send(works, NUMBER).run(_silent)
    with suppress(RefusedError):  # "was sent already": that is the point
        start.prepare_send(works, NUMBER).run(_silent)
    again = standing.status(works, NUMBER)
    works.engine.dispose()
    return Demonstrated(
        directory=directory,
        maildir=directory / works.settings.delivery.maildir,
        lines=created.lines,
        made=made,
        status=first,
        sent_again=again["states"]["accepted"] - first["states"]["accepted"],
    )


def _silent(_tally: DeliveryProgress) -> None:
    return


def _assemble_and_approve(works: app.App) -> Build:
    now, period = works.clock.now(), Period.parse(PERIOD)
    with session_scope(works.engine) as session:
        day = issue_date(works.settings, period)
        lifecycle.assemble(works.press, session, period, number=NUMBER, issue_date=day, now=now)
    with session_scope(works.engine) as session:
        issue = issue_store.find(session, NUMBER, lock=True)
        made = build.build(works.press, session, issue, now)
        lifecycle.approve(works.press, session, issue, "The demo", now)
    return made
