"""How many go first, and what their fate says about the rest."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.canary import Thresholds, Verdict, judge
from digest.outbox.states import State
from digest.settings.percentages import share, size

RULES = Thresholds(rejected=0.05, deferred=0.5)
A, D, R, U, P = State.ACCEPTED, State.DEFERRED, State.REJECTED, State.UNCERTAIN, State.PENDING


@pytest.mark.parametrize(
    ("text", "readers", "expected"),
    [
        ("1 %", 1000, 10),
        ("1%", 24, 1),
        ("0.5 %", 10_000, 50),
        ("50", 1000, 50),
        ("50", 50, 0),
        ("50", 20, 0),
        ("0", 9, 0),
        ("100 %", 9, 0),
        ("1 %", 0, 0),
    ],
)
def test_so_many_go_first(text: str, readers: int, expected: int) -> None:
    assert size(text, readers) == expected


@pytest.mark.parametrize("text", ["", "%", "some", "-1", "-1 %", "101 %", "1e3", "1,5 %", "٣", "1 % %", "9" * 400])
def test_what_is_no_share_and_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"use|not a percentage"):
        size(text, 100)


@pytest.mark.parametrize("text", ["5", "", "200 %"])
def test_a_threshold_is_a_percentage(text: str) -> None:
    with pytest.raises(ValueError, match="percentage"):
        share(text)


@pytest.mark.parametrize(
    ("counts", "waited", "expected"),
    [
        ({A: 20}, True, Verdict.GO),
        ({A: 20}, False, Verdict.WAIT),
        ({A: 19, R: 1}, True, Verdict.GO),  # five percent are not more than five percent
        ({A: 18, R: 2}, False, Verdict.HALT),  # at once: it does not get better
        ({A: 18, R: 1, U: 1}, True, Verdict.HALT),
        ({A: 10, D: 10}, True, Verdict.GO),
        ({A: 9, D: 11}, True, Verdict.HALT),
        ({A: 9, D: 11}, False, Verdict.WAIT),  # greylisting passes within the wait
        ({P: 20}, True, Verdict.WAIT),  # the relay was down: nothing is known
        ({A: 19, P: 1}, True, Verdict.WAIT),
        ({State.SKIPPED: 20}, True, Verdict.GO),
        ({}, True, Verdict.GO),
    ],
)
def test_a_canary_is_judged(counts: Mapping[State, int], waited: bool, expected: Verdict) -> None:
    assert judge(counts, RULES, waited=waited).verdict is expected


@given(st.dictionaries(st.sampled_from(list(State)), st.integers(0, 1000)), st.booleans())
def test_the_rest_goes_when_all_were_tried_and_few_fared_badly(counts: dict[State, int], waited: bool) -> None:
    judgement = judge(counts, RULES, waited=waited)
    tried = sum(counts.get(state, 0) for state in (A, D, R, U, State.EXPIRED))
    bad = sum(counts.get(state, 0) for state in (R, U, State.EXPIRED))
    if judgement.verdict is Verdict.GO:
        assert waited
        assert not counts.get(P, 0) + counts.get(State.STARTED, 0)
        assert bad <= 0.05 * tried
        assert counts.get(D, 0) <= 0.5 * tried
    if judgement.verdict is Verdict.HALT:
        assert bad or counts.get(D, 0)
        assert judgement.why
