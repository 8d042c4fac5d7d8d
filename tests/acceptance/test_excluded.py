"""Who got no mail of an issue is named, with the reason of the moment at which it was frozen."""

import re
from collections import Counter

import pytest

from tests.support.world import World


def reasons(world: World) -> dict[str, str]:
    return {one["address"]: one["reason"] for one in world.json("outbox", "list", "21", "--state", "excluded")}


def test_the_excluded_are_named_with_the_reason_of_that_moment(approved: World) -> None:
    approved.set_now("2021-09-30T09:00:00+09:00")
    approved.digest("send", "21", "--yes")
    counted = approved.json("outbox", "status", "21")["excluded"]
    before = reasons(approved)
    assert Counter(before.values()) == counted
    assert before["new.reader@example.org"] == "unconfirmed"
    assert "new.reader@example.org" in approved.digest("outbox", "list", "21", "--state", "excluded")
    approved.set_now("2021-11-20T08:00:00+09:00")  # pauses are over; one confirms, one signs up
    approved.digest("subscribers", "add", "new.reader@example.org", "--confirmed-by", "a form")
    approved.digest("subscribers", "add", "later@example.net", "--confirmed-by", "a form")
    assert reasons(approved) == before
    missed = approved.json("report", "21")["missed"]
    assert {one["address"]: one["reason"] for one in missed} == before
    assert re.search(r"new\.reader@example\.org +(\S+ )*\S* *unconfirmed", approved.digest("report", "21"))


@pytest.mark.one_database
def test_before_freezing_they_are_those_of_now(approved: World) -> None:
    excluded = approved.json("send", "21", "--dry-run")["excluded"]
    assert Counter(reasons(approved).values()) == excluded
    assert approved.json("report", "21")["missed"] == []


@pytest.mark.one_database
def test_an_unknown_state_names_the_known_ones(approved: World) -> None:
    ended = approved.call("outbox", "list", "21", "--state", "lost")
    assert ended.returncode == 2
    assert "excluded" in ended.stderr
