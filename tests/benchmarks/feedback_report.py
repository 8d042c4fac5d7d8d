"""How fast an issue's report is counted: each figure beside one `SELECT state, count(*) ... GROUP BY state`."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from digest import app
from digest.runtime.db import session_scope
from digest.workspace.report import account, figures
from digest.workspace.report.page import ReportPages

MOST = 3.0
"""Times the base, for each figure that a query gives."""
BASE = "SELECT state, count(*) FROM delivery WHERE issue_id = 1 GROUP BY state"
_AT = "datetime('2021-09-30', '+' || {seconds} || ' seconds') || '.000000'"
SPREAD = (
    (
        "UPDATE delivery SET family = CASE id % 7 WHEN 0 THEN 'google' WHEN 1 THEN 'naver' WHEN 2 THEN 'kakao' ELSE '' END,"
        f" settled_at = {_AT.format(seconds='(id / 100)')}"
    ),
    (
        "UPDATE subscriber SET interests = CASE id % 4 WHEN 0 THEN '*' WHEN 1 THEN 'mobility;safety' WHEN 2 THEN 'safety' "
        "ELSE 'certification' END"
    ),
    "UPDATE delivery SET state = 'rejected', reason = 'mailbox unknown: 5.1.1 user ' || (id % 1000) WHERE id % 50 = 0",
    "UPDATE issue SET frozen_at = '2021-09-30 00:00:00.000000', sent_at = '2021-09-30 05:00:00.000000'",
    (
        "INSERT INTO consent_event (subscriber_id, kind, method, wording, detail, happened_at) SELECT id, "
        f"CASE id % 200 WHEN 0 THEN 'unsubscribed' ELSE 'confirmed' END, 'page', '', '{{}}', {_AT.format(seconds='id')} "
        "FROM subscriber"
    ),
    (
        "INSERT INTO feedback_event (event_id, kind, source, reason, issue_id, delivery_id, detail, happened_at) SELECT "
        f"'e' || id, 'hard', 'mail', 'mailbox_unknown', 1, id, '{{}}', {_AT.format(seconds='id')} FROM delivery "
        "WHERE id % 50 = 0"
    ),
    "ANALYZE",
)


def speed(works: app.App, deliveries: int) -> bool:
    """Print the ratio of each query for each figure that it gives; return whether all are good enough."""
    with session_scope(works.engine) as session:
        for statement in SPREAD:
            session.execute(text(statement))
    with session_scope(works.engine, read_only=True) as session:
        base = _seconds(lambda: session.execute(text(BASE)).all())
        since, zone = works.clock.now() - timedelta(days=36_500), works.settings.publication.zone
        queries: dict[str, tuple[int, Callable[[], object]]] = {
            "states, edition, interest, provider": (4, lambda: figures.breakdown(session, 1)),
            "reasons": (1, lambda: figures.why(session, 1)),
            "over time": (1, lambda: figures.over_time(session, 1)),
            "bounces and complaints, who left": (2, lambda: figures.come_back(session, 1, since, None, zone)),
            "new readers": (1, lambda: list(figures.joining(session))),
        }
        print(f"report of {deliveries:,} deliveries: the base takes {base:.2f} s")
        ratios = {name: _seconds(query) / shown / base for name, (shown, query) in queries.items()}
    for name, ratio in ratios.items():
        print(f"  {name}: {ratio:.2f} x the base for each figure, at most {MOST}")
    pages = ReportPages(works.settings, works.templates, works.clock.now())
    whole = _seconds(lambda: pages.issue(account.of_issue(works, 21)))
    print(f"  the whole page, with names: {whole:.1f} s")
    return max(ratios.values()) <= MOST


def _seconds(act: Callable[[], object]) -> float:
    """Return the CPU seconds of the quicker of two calls."""
    taken = []
    for _ in range(2):
        begun = time.process_time()
        act()
        taken.append(time.process_time() - begun)
    return min(taken)


def sized(folder: Path, stock: Callable[[Path, int], app.App], deliveries: int) -> bool:
    """Do `speed` on a workspace of its own."""
    works = stock(folder, deliveries)
    try:
        return speed(works, deliveries)
    finally:
        works.engine.dispose()
