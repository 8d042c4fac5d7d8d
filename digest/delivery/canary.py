"""Canary release of an issue: how the first few deliveries fare decides about the rest. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from digest.outbox.states import State

_BAD = (State.REJECTED, State.EXPIRED, State.UNCERTAIN)
_TRIED = (State.ACCEPTED, State.DEFERRED, *_BAD)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Largest tolerated shares of the canary: rejected or uncertain, and deferred."""

    rejected: float
    deferred: float


class Verdict(StrEnum):
    """Decision about the rest of the audience."""

    GO = "go"
    WAIT = "wait"
    HALT = "halt"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and its reason, in words for a person."""

    verdict: Verdict
    why: str


def judge(counts: Mapping[State, int], thresholds: Thresholds, *, waited: bool) -> Judgement:
    """Return the verdict. Too many rejections halt at once; everything else is decided after the wait.

    Skipped and cancelled deliveries do not count. While one delivery is untried, nothing is known of the relay.
    """
    tried = sum(counts.get(state, 0) for state in _TRIED)
    bad = sum(counts.get(state, 0) for state in _BAD)
    deferred = counts.get(State.DEFERRED, 0)
    untried = counts.get(State.PENDING, 0) + counts.get(State.STARTED, 0)
    whole = tried + untried
    if bad > thresholds.rejected * whole:
        return Judgement(Verdict.HALT, f"of the first {whole}, {bad} were rejected or are uncertain")
    if untried or not waited:
        return Judgement(Verdict.WAIT, f"of the first {whole}, {untried} have not been tried yet" if untried else "")
    if deferred > thresholds.deferred * whole:
        return Judgement(Verdict.HALT, f"of the first {whole}, {deferred} were deferred")
    return Judgement(Verdict.GO, f"of the first {whole}, {bad} were rejected and {deferred} deferred")
