"""What the big mailbox providers answer, and what we make of it: one table, from their published codes."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.outcome import Outcome, Phase, Reason, classify, explain
from digest.delivery.pace import BUSY_PAUSE, throttle
from digest.delivery.retry import THROTTLE_PAUSE
from digest.delivery.transport import Reply

DEFERRED, REJECTED = Outcome.DEFERRED, Outcome.REJECTED
TEN, BUSY = THROTTLE_PAUSE, BUSY_PAUSE

# who says it, code, enhanced code: outcome, reason, how long their server is left alone
TABLE = [
    ("Gmail: no PTR record", 421, "4.7.23", DEFERRED, Reason.AUTHENTICATION, BUSY),
    ("Gmail: no PTR record", 451, "4.7.23", DEFERRED, Reason.AUTHENTICATION, None),
    ("Gmail: SPF names suspicious hosts", 421, "4.7.24", DEFERRED, Reason.AUTHENTICATION, BUSY),
    ("Gmail: the same, for good", 550, "5.7.24", DEFERRED, Reason.AUTHENTICATION, None),
    ("Gmail: not authenticated", 421, "4.7.26", DEFERRED, Reason.AUTHENTICATION, BUSY),
    ("Gmail: the same, for good", 550, "5.7.26", DEFERRED, Reason.AUTHENTICATION, None),
    ("Gmail: SPF", 421, "4.7.27", DEFERRED, Reason.AUTHENTICATION, BUSY),
    ("Gmail: the same, for good", 550, "5.7.27", DEFERRED, Reason.AUTHENTICATION, None),
    ("Gmail: rate, or the same Message-ID", 421, "4.7.28", DEFERRED, Reason.THROTTLED, TEN),
    ("Gmail: rate, by another code", 450, "4.7.28", DEFERRED, Reason.THROTTLED, TEN),
    ("Gmail: no TLS", 421, "4.7.29", DEFERRED, Reason.AUTHENTICATION, BUSY),
    ("Gmail: DKIM", 421, "4.7.30", DEFERRED, Reason.AUTHENTICATION, BUSY),
    ("Gmail: no DMARC record", 421, "4.7.31", DEFERRED, Reason.AUTHENTICATION, BUSY),
    ("Gmail: no DMARC record", 421, "4.7.40", DEFERRED, Reason.AUTHENTICATION, BUSY),
    ("Gmail: From not aligned", 421, "4.7.32", DEFERRED, Reason.AUTHENTICATION, BUSY),
    (
        "Gmail: the same as 5.7.32 on a 421: the first digit of the code decides",
        421,
        "5.7.32",
        DEFERRED,
        Reason.AUTHENTICATION,
        BUSY,
    ),
    ("Gmail: this reader gets mail too fast", 450, "4.2.1", DEFERRED, Reason.THROTTLED, None),
    ("Gmail: this mailbox is full", 452, "4.2.2", DEFERRED, Reason.MAILBOX_FULL, None),
    ("Gmail: full and inactive", 552, "5.2.2", REJECTED, Reason.MAILBOX_FULL, None),
    ("Gmail: nobody here", 550, "5.1.1", REJECTED, Reason.MAILBOX_UNKNOWN, None),
    ("Gmail: inactive", 550, "5.2.1", REJECTED, Reason.MAILBOX_DISABLED, None),
    ("Gmail: message or header too big", 552, "5.3.4", DEFERRED, Reason.MESSAGE_TOO_BIG, None),
    ("Outlook: not authenticated", 550, "5.7.515", DEFERRED, Reason.AUTHENTICATION, None),
    ("Outlook: blocked by policy", 550, "5.7.1", DEFERRED, Reason.POLICY, None),
    ("Yahoo: TS01, deferred", 421, "4.7.0", DEFERRED, Reason.THROTTLED, BUSY),
    ("Yahoo: deferred without a status", 421, None, DEFERRED, Reason.SYSTEM, BUSY),
    ("iCloud: policy", 554, "5.7.1", DEFERRED, Reason.POLICY, None),
    ("a null MX: no mail is taken", 556, "5.1.10", REJECTED, Reason.MAILBOX_UNKNOWN, None),
    ("greylisting", 450, "4.2.0", DEFERRED, Reason.OTHER, None),
    ("a relay that wants a login", 530, "5.7.0", DEFERRED, Reason.LOGIN, None),
    ("a relay that refuses the login", 535, "5.7.8", DEFERRED, Reason.LOGIN, None),
]


@pytest.mark.parametrize(("who", "code", "enhanced", "outcome", "reason", "pause"), TABLE)
def test_a_providers_answer(
    who: str, code: int, enhanced: str | None, outcome: Outcome, reason: Reason, pause: timedelta | None
) -> None:
    assert explain(code, enhanced) is reason
    assert classify(code, reason) is outcome
    assert throttle(Reply(outcome, code, enhanced, who, "relay", Phase.RCPT)) == pause


@given(st.sampled_from([4, 5]), st.integers(0, 999), st.integers(400, 599))
def test_a_policy_says_nothing_about_the_readers_address(status: int, detail: int, code: int) -> None:
    assert not explain(code, f"{status}.7.{detail}").is_about_address


@given(st.integers(0, 999))
def test_only_an_address_that_nobody_reads_is_about_the_address(code: int) -> None:
    # 551 is the one code of RFC 5321 that says so by itself, 556 that of RFC 7504
    assert explain(code, None).is_about_address == (code in {551, 556})
    assert explain(550, "5.1.1").is_about_address
    assert not explain(552, "5.2.2").is_about_address
