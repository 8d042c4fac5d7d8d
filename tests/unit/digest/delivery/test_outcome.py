import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.outcome import (
    MAX_REPLY_CHARACTERS,
    Outcome,
    Phase,
    Reason,
    classify,
    clean_reply,
    enhanced_status,
    explain,
)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [  # for a reason that is about the mailbox
        (250, Outcome.ACCEPTED),
        (251, Outcome.ACCEPTED),
        (421, Outcome.DEFERRED),
        (452, Outcome.DEFERRED),
        (550, Outcome.REJECTED),
        (599, Outcome.REJECTED),
        (354, Outcome.UNCERTAIN),
        (150, Outcome.UNCERTAIN),
        (0, Outcome.UNCERTAIN),
        (999, Outcome.UNCERTAIN),
    ],
)
def test_the_first_digit_of_the_code_decides(code: int, outcome: Outcome) -> None:
    assert classify(code, Reason.MAILBOX_UNKNOWN) is outcome


@given(st.integers(500, 599), st.sampled_from(Reason))
def test_only_a_mailbox_is_rejected(code: int, reason: Reason) -> None:
    assert (classify(code, reason) is Outcome.REJECTED) == reason.value.startswith("mailbox_")


@pytest.mark.parametrize(
    ("code", "enhanced", "reason"),
    [
        (550, "5.1.1", Reason.MAILBOX_UNKNOWN),
        (550, "5.1.2", Reason.MAILBOX_UNKNOWN),
        (550, "5.1.10", Reason.MAILBOX_UNKNOWN),
        (550, "5.1.8", Reason.SENDER),
        (550, "5.1.0", Reason.OTHER),
        (550, "5.2.1", Reason.MAILBOX_DISABLED),
        (450, "4.2.1", Reason.THROTTLED),
        (452, "4.2.2", Reason.MAILBOX_FULL),
        (552, "5.2.2", Reason.MAILBOX_FULL),
        (552, "5.3.4", Reason.MESSAGE_TOO_BIG),
        (451, "4.3.0", Reason.SYSTEM),
        (451, "4.4.1", Reason.NETWORK),
        (554, "5.6.0", Reason.CONTENT),
        (553, "5.6.7", Reason.ADDRESS_UNSUPPORTED),
        (421, "4.7.28", Reason.THROTTLED),
        (450, "4.7.1", Reason.THROTTLED),
        (550, "5.7.1", Reason.POLICY),
        (550, "5.7.26", Reason.AUTHENTICATION),
        (421, "4.7.32", Reason.AUTHENTICATION),
        (421, "5.7.32", Reason.AUTHENTICATION),
        (421, "4.7.40", Reason.AUTHENTICATION),
        (550, "5.7.515", Reason.AUTHENTICATION),
        (535, "5.7.8", Reason.LOGIN),
        (530, "5.7.0", Reason.LOGIN),
        (None, "5.3.4", Reason.MESSAGE_TOO_BIG),
        (550, None, Reason.OTHER),
        (421, None, Reason.SYSTEM),
        (451, "4.0.0", Reason.SYSTEM),
        (550, "5.99.1", Reason.OTHER),
        (550, "nonsense", Reason.OTHER),
        (None, None, Reason.OTHER),
    ],
)
def test_the_enhanced_code_gives_the_reason(code: int | None, enhanced: str | None, reason: Reason) -> None:
    assert explain(code, enhanced) is reason


MAIL, RCPT, DOT = Phase.MAIL, Phase.RCPT, Phase.DOT
REFUSALS = [
    (550, "5.7.1", RCPT, "Unable to relay", Reason.RELAYING),
    (554, None, RCPT, "<address>: Relay access denied", Reason.RELAYING),
    (554, "5.7.1", RCPT, "Service unavailable; Client host [192.0.2.1] blocked using zen.example", Reason.POLICY),
    (554, None, RCPT, "Client host rejected: Access denied", Reason.POLICY),
    (554, "5.7.1", DOT, "Message rejected as spam by content scanner", Reason.CONTENT),
    (554, None, DOT, "Transaction failed", Reason.OTHER),
    (550, "5.4.5", RCPT, "Daily SMTP relay limit exceeded for customer.", Reason.QUOTA),
    (550, None, RCPT, "You have exceeded your hourly sending limit", Reason.QUOTA),
    (550, "5.7.1", RCPT, "Sending quota exceeded", Reason.QUOTA),
    (552, None, MAIL, "Quota exceeded", Reason.QUOTA),
    (552, "5.2.2", MAIL, "Over quota", Reason.QUOTA),
    (552, None, DOT, "Requested mail action aborted: exceeded storage allocation", Reason.QUOTA),
    (552, None, DOT, "Message size exceeds fixed limit", Reason.MESSAGE_TOO_BIG),
    (552, "5.3.4", DOT, "Too big", Reason.MESSAGE_TOO_BIG),
    (550, None, RCPT, "Sender verify failed", Reason.SENDER),
    (550, "5.1.0", RCPT, "Address rejected.", Reason.OTHER),
    (550, None, RCPT, "SPF check failed", Reason.AUTHENTICATION),
    (550, None, RCPT, "No", Reason.OTHER),
    (503, "5.5.1", Phase.DATA, "Bad sequence of commands", Reason.PROTOCOL),
    (550, None, RCPT, "User unknown", Reason.MAILBOX_UNKNOWN),
    (550, None, RCPT, "Recipient address rejected: User unknown in relay recipient table", Reason.MAILBOX_UNKNOWN),
    (550, "5.5.0", RCPT, "Requested action not taken: mailbox unavailable", Reason.MAILBOX_UNKNOWN),
    (550, "5.4.1", RCPT, "Recipient address rejected: Access denied", Reason.MAILBOX_UNKNOWN),
    (550, None, RCPT, "The email account that you tried to reach does not exist", Reason.MAILBOX_UNKNOWN),
    (501, "5.1.3", RCPT, "Bad recipient address syntax", Reason.MAILBOX_UNKNOWN),
    (551, None, RCPT, "User not local", Reason.MAILBOX_UNKNOWN),
    (556, None, RCPT, "It takes no mail", Reason.MAILBOX_UNKNOWN),
    (550, None, RCPT, "Account disabled", Reason.MAILBOX_DISABLED),
    (550, None, RCPT, "Mailbox full", Reason.MAILBOX_FULL),
    (552, None, RCPT, "Requested mail action aborted: exceeded storage allocation", Reason.MAILBOX_FULL),
    (552, "5.2.2", DOT, "Over quota", Reason.MAILBOX_FULL),
    (550, "5.2.3", RCPT, "Longer than this mailbox takes", Reason.MAILBOX_REFUSES),
]


@pytest.mark.parametrize(("code", "enhanced", "phase", "text", "reason"), REFUSALS)
def test_whom_a_refusal_is_about(code: int, enhanced: str | None, phase: Phase, text: str, reason: Reason) -> None:
    assert explain(code, enhanced, phase, text) is reason


@given(st.integers(400, 599), st.integers(0, 999), st.sampled_from(Phase), st.sampled_from(REFUSALS))
def test_no_words_make_a_policy_a_mailbox(code: int, detail: int, phase: Phase, refusal: tuple[Any, ...]) -> None:
    assert not explain(code, f"5.7.{detail}", phase, refusal[3]).is_about_mailbox


@given(st.integers(0, 999), st.integers(400, 599))
def test_a_policy_status_is_never_about_the_reader(detail: int, code: int) -> None:
    assert explain(code, f"5.7.{detail}") not in {Reason.MAILBOX_UNKNOWN, Reason.MAILBOX_DISABLED}


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["5.1.1 no such user"], "5.1.1"),
        (["no such user", "5.1.1 really"], "5.1.1"),
        (["4.2.2"], "4.2.2"),
        ([" 5.7.515 access denied"], "5.7.515"),
        (["the host 5.1.1.1 is blocked"], None),
        (["5.1.1.1 is blocked"], None),
        (["3.1.1 no"], None),
        (["5.1.1234 no"], None),
        (["٥.1.1 no"], None),
        ([""], None),
        ([], None),
    ],
)
def test_the_enhanced_code_stands_at_the_start_of_a_line(lines: list[str], status: str | None) -> None:
    assert enhanced_status(lines) == status


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("5.1.1 <reader@example.org>: no such user", "5.1.1 <address>: no such user"),
        ("reader@example.org unknown", "<address> unknown"),
        ("for o'brien+x@example.org.", "for <address>"),
        ('"john doe"@example.org is full', "<address> is full"),
        ("rfc822;독자@예시.한국 full", "rfc822;<address> full"),
        ("see https://x.example/?a=reader%40example.org", "see https:<address>"),
        ("read\u200ber@exam\u00adple.org", "<address>"),
        ("a\tb\r\nc\x00d\x1b[31me", "a b c d [31me"),
        ("right\u202eto left", "rightto left"),
        ("", ""),
    ],
)
def test_kept_words_have_no_addresses_and_nothing_invisible(text: str, clean: str) -> None:
    assert clean_reply(text) == clean


@given(st.text(max_size=2000))
def test_any_words_are_cut_and_printable(text: str) -> None:
    clean = clean_reply(text)
    assert len(clean) <= MAX_REPLY_CHARACTERS
    assert not [c for c in clean if c != " " and unicodedata.category(c)[0] in "CZ"]


@pytest.mark.parametrize("unit", ["a", "@", '"', '" ', "a@", "%40", "a.", "<"])
def test_a_huge_reply_is_cleaned_at_once(unit: str) -> None:
    # quadratic work on 64 KB would take minutes and meet the test's time limit
    assert len(clean_reply(unit * (65536 // len(unit)))) <= MAX_REPLY_CHARACTERS
