"""Reasons in few words, from what the ledger keeps of a delivery that was not simply accepted. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from digest.delivery.outcome import Reason, explain, remedy
from digest.outbox.states import State
from digest.runtime.text import cut

FORGOTTEN = "erased since"
"""The reason of a delivery whose reader was erased later."""
_ERASED_TEXT = "(erased)"
_BY_SERVERS = frozenset({State.REJECTED, State.EXPIRED, State.DEFERRED})
_MAX_WORDS = 80
_MAX_REFUSALS = 20
_REASONS = {reason.value.replace("_", " "): reason for reason in Reason}
_CODE = re.compile(r"\b([45]\d\d)\b(?:[ -]([45]\.\d{1,3}\.\d{1,3}))?")


@lru_cache(maxsize=1000)  # servers repeat themselves
def reason_of(state: State, text: str, code: int | None = None, enhanced: str | None = None) -> Reason | None:
    """Return why a server did not take a mail, None in a state that no server decided or for an erased reader.

    The stored text begins with the reason; one that a person or an older version wrote is judged by its code and words.
    """
    if state not in _BY_SERVERS or (text == _ERASED_TEXT and code is None):
        return None
    if reason := _REASONS.get(re.split(r"[:,]", text, maxsplit=1)[0]):
        return reason
    found = _CODE.search(text)
    if code is None and enhanced is None and found:
        code, enhanced = int(found[1]), found[2]
    return explain(code, enhanced, text=text)


def words_of(state: State, text: str, code: int | None = None, enhanced: str | None = None) -> str:
    """Return the reason in few words: of a server's one of nine, else those that were stored."""
    if reason := reason_of(state, text, code, enhanced):
        return reason.word
    what, _, rest = text.partition(": ")
    return FORGOTTEN if text == _ERASED_TEXT else cut(rest if what in _REASONS else text, _MAX_WORDS) or "unknown"


@dataclass(frozen=True, slots=True)
class OddGroup:
    """Deliveries in one state for the same stored reason, at one provider."""

    state: State
    text: str
    code: int | None
    enhanced: str | None
    provider: str
    count: int


@dataclass(slots=True)
class RefusalGroup:
    """Mails refused for a reason that is ours: the code, whose servers, what they say, and what to do about it."""

    code: str
    reason: str
    remedy: str
    count: int = 0
    providers: Counter[str] = field(default_factory=Counter)
    example: str = ""


@dataclass(frozen=True, slots=True)
class Reasons:
    """Numbers of deliveries by state and words, and the refusals that an operator can do something about."""

    by_state: Mapping[State, Mapping[str, int]]
    refusals: Sequence[RefusalGroup]


def counted(groups: Iterable[OddGroup]) -> Reasons:
    """Count the groups by words; the numbers of a state add up to its deliveries."""
    by_state: dict[State, Counter[str]] = {}
    refusals: dict[tuple[str, str, str], RefusalGroup] = {}
    for one in groups:
        words = words_of(one.state, one.text, one.code, one.enhanced)
        by_state.setdefault(one.state, Counter())[words] += one.count
        reason = reason_of(one.state, one.text, one.code, one.enhanced)
        if reason is None or reason.is_about_mailbox or not (advice := remedy(reason, one.enhanced)):
            continue
        code = one.enhanced or (str(one.code) if one.code else "")
        refusal = refusals.setdefault((code, reason.word, advice), RefusalGroup(code, reason.word, advice))
        refusal.count += one.count
        refusal.providers[one.provider] += one.count
        if one.text != _ERASED_TEXT:  # the first in the alphabet: both databases show the same
            refusal.example = min(filter(None, (refusal.example, cut(one.text, 200))), default="")
    ordered = sorted(refusals.values(), key=lambda one: (-one.count, one.code, one.remedy))[:_MAX_REFUSALS]
    for refusal in ordered:
        refusal.providers = _largest_first(refusal.providers)
    return Reasons({state: _largest_first(by_state[state]) for state in State if state in by_state}, ordered)


def _largest_first(counts: Counter[str]) -> Counter[str]:
    return Counter(dict(sorted(counts.items(), key=lambda one: (-one[1], one[0]))))
