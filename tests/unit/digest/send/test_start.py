"""Preparing and starting a send."""

from pathlib import Path
from typing import Any

import pytest

from digest.publish import build, lifecycle
from digest.publish.approval import Approver
from digest.runtime.db import session_scope
from digest.send.start import prepare_send
from tests.proof.months import FIRST, Months

pytestmark = pytest.mark.one_database


def test_a_send_builds_the_editions_once(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    months = Months(tmp_path, database_url, months=1, readers=6)
    works = months.works_at(months.due(FIRST))
    now, builds, real = works.clock.now(), list[int](), build._rendered

    def counted(session: Any, renderer: Any, selections: Any) -> Any:
        builds.append(len(selections))
        return real(session, renderer, selections)

    monkeypatch.setattr(build, "_rendered", counted)
    with session_scope(works.engine) as session:
        issue = lifecycle.assemble(works.publisher, session, FIRST, number=None, issue_date=now.date(), now=now)
        session.flush()
        lifecycle.approve(works.publisher, session, issue, Approver("Bo"), now)
        number = issue.number
    approved = len(builds)
    prepare_send(works, number).start()
    months.close()
    assert approved == 1
    assert builds[approved:] == builds[:1]
    assert builds[0] > 0
