"""Whatever becomes of an issue: every sum of its report is the ledger's, and nobody who missed it is left out."""

import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from digest.feedback.models import EVENT
from digest.outbox.states import State
from digest.outbox.tables import DELIVERY, SUBSCRIBER
from digest.runtime.db import session_scope
from digest.workspace.report import account
from digest.workspace.report.missed import UNREACHED
from subscribers.interests import split
from tests.support.busy_issue import BusyIssues

NOW = datetime(2021, 9, 30, tzinfo=UTC)


def by_hand(engine: Engine, number: int) -> dict[str, Counter[object]]:
    """Count row by row what the report counts in SQL."""
    columns = [DELIVERY.c[name] for name in ("edition_id", "family", "state", "settled_at")]
    people = [SUBSCRIBER.c.interests, SUBSCRIBER.c.address]
    query = select(*columns, *people).join(SUBSCRIBER, SUBSCRIBER.c.id == DELIVERY.c.subscriber_id)
    found: dict[str, Counter[object]] = {
        name: Counter() for name in ("states", "edition", "interest", "provider", "settled")
    }
    with session_scope(engine, read_only=True) as session:
        for row in session.execute(query.where(DELIVERY.c.issue_id == number)):
            found["states"][row.state] += 1
            found["edition"][row.edition_id, row.state] += 1
            found["provider"][row.family or "others", row.state] += 1
            found["settled"][row.state] += row.settled_at is not None
            for slug in (split(row.interests) or {""}) if row.address else ():
                found["interest"][slug, row.state] += 1
    return found


@pytest.mark.parametrize("seed", range(3))
def test_every_sum_is_that_of_the_ledger(engine: Engine, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    busy = BusyIssues(engine, tmp_path / "workspace", NOW, rng)
    for number in (1, 2):
        busy.readers(rng.randrange(30, 60), first=100 * number)
        accepted = busy.issue(number, window=7, finish=number == 1 or rng.random() < 0.5)
        busy.come_back(accepted, number, share=0.2)
    for number in (1, 2):
        report = account.of_issue(busy.app, number)
        hand = by_hand(engine, number)
        states = report.account.states
        assert +Counter({state.value: count for state, count in states.items()}) == hand["states"]
        assert report.account.planned == sum(states.values()) == sum(hand["states"].values())
        for name in ("edition", "interest", "provider"):
            groups = getattr(report.by, name)
            counted = {(key, state.value): count for key, of in groups.items() for state, count in of.items()}
            assert counted == hand[name], name
        over_time = sum((Counter(slot.states) for slot in report.over_time), Counter[State]())
        assert +Counter({state.value: count for state, count in over_time.items()}) == +hand["settled"]
        for state, words in report.reasons.by_state.items():
            assert sum(words.values()) == states[state]
        missed = list(report.missed())
        counted = Counter(one.state for one in missed)
        assert counted == +Counter({state.value: states[state] for state in UNREACHED}) + Counter(
            excluded=sum(report.account.excluded.values())
        )
        assert len(missed) == report.account.missed_count
        with session_scope(engine, read_only=True) as session:
            kinds = Counter(session.execute(select(EVENT.c.kind).where(EVENT.c.issue_id == number)).scalars())
        back = dict(report.feedback.counts)
        assert sum(of.get("hard", 0) for of in report.feedback.by_day.values()) == back["hard"] == kinds["hard"]
        assert (back["soft"], back["policy"], back["complaint"]) == (kinds["soft"], kinds["policy"], kinds["complaint"])
