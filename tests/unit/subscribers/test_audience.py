"""Who gets an issue: one expression, the same on both databases."""

import random
from dataclasses import astuple
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, func, select

from subscribers import audience, preferences, suppression
from subscribers.consent import ConsentMethod
from subscribers.models import Subscriber, SubscriberState
from subscribers.suppression import SuppressionReason
from tests.support.site import SECRET, Site


def reasons(session: Session, site: Site, number: int | None = None) -> dict[str, str | None]:
    expression = audience.exclusion_reason(site.now, number)
    return dict(session.exec(select(Subscriber.name, expression)).all())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, None),
        ({"state": "pending"}, "unconfirmed"),
        ({"state": "unsubscribed"}, "unsubscribed"),
        ({"state": "erased"}, "erased"),
        ({"state": "new state"}, "unconfirmed"),
        ({"frequency": "second"}, "frequency"),
        ({"frequency": "third"}, None),
    ],
)
def test_each_reader_is_excluded_for_one_reason(site: Site, fields: dict[str, Any], reason: str | None) -> None:
    site.add(name="one", **fields)
    with site.write() as session:
        assert reasons(session, site, 21) == {"one": reason}
        who = session.exec(select(Subscriber.name).where(audience.eligible(site.now, 21))).all()
    assert list(who) == ([] if reason else ["one"])


@pytest.mark.parametrize(("until", "reason"), [(1, "paused"), (0, None), (-1, None)])
def test_a_pause_ends_at_its_instant(site: Site, until: int, reason: str | None) -> None:
    site.add(name="one", paused_until=site.now + timedelta(microseconds=until))
    with site.write() as session:
        assert reasons(session, site) == {"one": reason}


@pytest.mark.parametrize("reason", list(SuppressionReason))
def test_a_suppressed_reader_gets_nothing_whatever_the_reason(site: Site, reason: SuppressionReason) -> None:
    person = site.add(name="one")
    site.add("other@example.org", name="other")
    with site.write() as session:
        suppression.add(session, person.suppression_key or "", reason, site.now)
    with site.write() as session:
        assert reasons(session, site) == {"one": "suppressed", "other": None}


@pytest.mark.parametrize(
    ("number", "due"),
    [(6, {"every", "second", "third"}), (7, {"every"}), (8, {"every", "second"}), (9, {"every", "third"})],
)
def test_a_frequency_thins_one_series_of_issues(site: Site, number: int, due: set[str]) -> None:
    for frequency in ("every", "second", "third"):
        site.add(f"{frequency}@example.org", frequency=frequency)
    with site.write() as session:
        found = session.exec(select(col(Subscriber.frequency)).where(audience.eligible(site.now, number))).all()
    assert set(found) == due


def test_exclusions_are_counted_by_reason_and_add_up(site: Site) -> None:
    site.add("a@example.org")
    site.add("b@example.org", state="pending")
    site.add("c@example.org", state="pending")
    site.add("d@example.org", frequency="third")
    with site.write() as session:
        counted = audience.counted(session, site.now)
    assert counted.exclusions(7) == {"unconfirmed": 2, "frequency": 1}
    assert counted.exclusions() == {"unconfirmed": 2}


def test_counts_are_those_of_the_guards_expression(site: Site) -> None:
    draw = random.Random(13)
    pauses = [None, site.now - timedelta(days=1), site.now, site.now + timedelta(days=1)]
    for number in range(120):
        person = site.add(
            f"r{number}@example.org",
            state=draw.choice([*SubscriberState, "new state"]),
            interests=draw.choice(["", "*", "mobility", "mobility;safety"]),
            language=draw.choice(["en", "ko"]),
            format=draw.choice(["html", "text"]),
            frequency=draw.choice(["every", "second", "third"]),
            paused_until=draw.choice(pauses),
        )
        if draw.random() < 0.3:
            with site.write() as session:
                reason = draw.choice([*SuppressionReason])
                suppression.add(session, person.suppression_key or "", reason, site.now)
    with site.write() as session:
        suppression.add(session, "of nobody", SuppressionReason.MANUAL, site.now)
        counted = audience.counted(session, site.now)
        for issue in (None, 21, 22, 24):
            reason = audience.exclusion_reason(site.now, issue)
            rows = session.exec(select(reason, func.count()).group_by(reason).select_from(Subscriber)).all()
            truth = {why: number for why, number in rows if why is not None}
            assert counted.exclusions(issue) == truth
            by = (Subscriber.state, Subscriber.language, Subscriber.interests, Subscriber.frequency, Subscriber.format)
            rest = session.exec(select(*by, func.count()).where(audience.eligible(site.now, issue)).group_by(*by))
            found = {astuple(group)[:5]: number for group, number in counted.eligible(issue).items()}
            assert found == {tuple(row[:5]): row[5] for row in rest}
    assert counted.total == 120
    assert min(counted.groups.values()) > 0


def test_who_leaves_is_excluded_at_once(site: Site) -> None:
    person = site.add(name="one")
    with site.write() as session:
        preferences.unsubscribe(session, person, method=ConsentMethod.PAGE, now=site.now, secret=SECRET)
        assert reasons(session, site) == {"one": "unsubscribed"}


def test_stats_count_everybody_and_name_no_one(site: Site) -> None:
    site.add("a@example.org", interests="")
    site.add("b@example.org", language="ko", format="text")
    with site.write() as session:
        stats = audience.counted(session, site.now).stats()
    assert stats["state"] == {"confirmed": 2}
    assert stats["interests"] == {"": 1, "*": 1}
    assert stats["language"] == {"en": 1, "ko": 1}
    assert "@" not in str(stats)


def test_all_are_who_gets_an_issue_and_who_does_not(site: Site) -> None:
    site.add("a@example.org", interests="mobility;safety")
    site.add("b@example.org", interests="mobility")
    site.add("c@example.org", state="pending")
    site.add("d@example.org", paused_until=site.now + timedelta(days=3))
    site.add("e@example.org", frequency="third", interests="")
    gone = site.add("f@example.org")
    with site.write() as session:
        preferences.erase(session, gone, method=ConsentMethod.PAGE, now=site.now, secret=SECRET)
        counted = audience.counted(session, site.now)
    for number in (None, 21, 22):
        reached = sum(counted.eligible(number).values())
        assert counted.total == 6 == reached + sum(counted.exclusions(number).values())
    stats = counted.stats()
    for group in ("language", "format", "frequency", "interests"):
        assert sum(stats[group].values()) == 5, "the erased are counted by their state only"
    assert sum(stats["state"].values()) == 6
    assert stats["interest"] == {"": 1, "*": 2, "mobility": 2, "safety": 1}
