"""A stored reason in few words, whoever wrote it, and the remedy of what is ours."""

import pytest

from digest.outbox.states import State
from digest.workspace.report.reasons import OddGroup, counted, words_of

REJECTED = State.REJECTED


@pytest.mark.parametrize(
    ("state", "text", "code", "enhanced", "words"),
    [
        (REJECTED, "mailbox unknown: 5.1.1 no such user", 550, "5.1.1", "no such mailbox"),
        (REJECTED, "mailbox full, by a report: 552 5.2.2 full", None, None, "full"),
        (REJECTED, "policy, by a report: ", None, None, "policy"),
        (REJECTED, "", 550, "5.1.1", "no such mailbox"),
        (REJECTED, "status=bounced (host said: 550 5.1.1 unknown) [mail.log:3]", None, None, "no such mailbox"),
        (REJECTED, "(erased)", None, None, "erased since"),
        (REJECTED, "(erased)", 552, "5.2.2", "full"),
        (REJECTED, "assumed rejected by Ada", None, None, "unknown"),
        (State.EXPIRED, "throttled: 4.7.28 unusual rate", 421, "4.7.28", "rate"),
        (State.SKIPPED, "unsubscribed", None, None, "unsubscribed"),
        (State.CANCELLED, "the issue was withdrawn", None, None, "the issue was withdrawn"),
        (State.UNCERTAIN, "network: connection lost", None, None, "connection lost"),
        (State.UNCERTAIN, "", None, None, "unknown"),
    ],
)
def test_reasons_in_few_words(state: State, text: str, code: int | None, enhanced: str | None, words: str) -> None:
    assert words_of(state, text, code, enhanced) == words


@pytest.mark.parametrize(
    ("code", "enhanced", "text", "named"),
    [
        (550, "5.7.515", "authentication: 5.7.515 Access denied", "SPF, DKIM and DMARC: publish all three"),
        (550, "5.7.26", "authentication: 5.7.26 unauthenticated", "neither SPF nor DKIM"),
        (421, "4.7.32", "authentication: 4.7.32 not aligned", "Align the From address"),
        (554, "5.7.1", "policy: 5.7.1 blocked", "block list"),
        (552, "5.3.4", "message too big: 5.3.4 too big", "smaller"),
    ],
)
def test_a_refusal_that_is_ours_has_its_remedy(code: int, enhanced: str, text: str, named: str) -> None:
    groups = [
        OddGroup(State.DEFERRED, text, code, enhanced, "google", 3),
        OddGroup(State.EXPIRED, text, code, enhanced, "naver", 2),
    ]
    (refusal,) = counted(groups).refusals
    assert (refusal.code, refusal.count, dict(refusal.providers)) == (enhanced, 5, {"google": 3, "naver": 2})
    assert named in refusal.remedy


def test_a_mailbox_at_fault_needs_no_remedy() -> None:
    found = counted([OddGroup(REJECTED, "mailbox unknown: no such user", 550, "5.1.1", "naver", 3)])
    assert (found.refusals, found.by_state) == ([], {REJECTED: {"no such mailbox": 3}})
