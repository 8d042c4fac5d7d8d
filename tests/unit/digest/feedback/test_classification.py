"""Every family of bounces is understood, and whatever comes never raises anything but PoisonMailError."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.outcome import Reason
from digest.feedback.classification import MailForm, kind_of, understand
from digest.feedback.dsn import ReportedRecipient
from digest.feedback.models import FeedbackKind
from digest.feedback.parsed_mail import PoisonMailError
from tests.support.bounce_cases import BounceCase, own_cases
from tests.support.came_back import MAILBOX, complaint, dsn

CASES = own_cases()
REPORTS = [dsn(MAILBOX, "ada@example.net"), complaint(MAILBOX), *(case.data for case in CASES)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_sample_has_the_right_recipient_and_kind(case: BounceCase) -> None:
    reader, kind, is_right = case.verdict()
    assert is_right, (reader, kind)


@pytest.mark.parametrize(
    ("code", "enhanced", "words", "kind", "word"),
    [
        (550, "5.1.1", "no such user", "hard", "no such mailbox"),
        (None, "5.1.2", "", "hard", "no such mailbox"),
        (None, "5.1.10", "null MX", "hard", "no such mailbox"),
        (550, "5.2.1", "disabled", "hard", "inactive"),
        (552, "5.2.2", "full", "soft", "full"),
        (452, "4.2.2", "full", "soft", "full"),
        (451, "4.1.1", "try later", "soft", "no such mailbox"),
        (None, "4.4.7", "too old", "soft", "network"),
        (None, "5.0.0", "it failed", "soft", "unknown"),
        (550, "5.7.1", "user unknown, blocked", "policy", "policy"),
        (550, "5.7.26", "unauthenticated", "policy", "policy"),
        (550, "5.7.515", "access denied", "policy", "policy"),
        (421, "4.7.28", "too fast", "policy", "rate"),
        (554, "5.6.0", "spam", "policy", "content"),
        (550, None, "Daily message quota exceeded", "policy", "rate"),
        (550, None, "mailbox quota exceeded", "soft", "full"),
        (550, None, "User unknown", "hard", "no such mailbox"),
        (None, "5.0.0", "L'adresse référencée ci-dessus n'existe pas", "hard", "no such mailbox"),
        (None, "5.0.0", "Der Empfänger existiert nicht", "hard", "no such mailbox"),
        (None, "5.0.0", "La dirección de correo no existe", "hard", "no such mailbox"),
        (None, "5.0.0", "No existe el usuario", "hard", "no such mailbox"),
        (None, "5.0.0", "La casella di posta non esiste", "hard", "no such mailbox"),
        (None, "5.0.0", "O endereço de e-mail não existe", "hard", "no such mailbox"),
        (None, "5.0.0", "Het e-mailadres bestaat niet", "hard", "no such mailbox"),
        (None, "5.0.0", "No existe espacio suficiente", "soft", "unknown"),
        (None, "5.0.0", "존재하지 않는 메일 주소입니다", "hard", "no such mailbox"),
    ],
)
def test_kind_and_reason_follow_code_and_words(
    code: int | None, enhanced: str | None, words: str, kind: str, word: str
) -> None:
    found, reason = kind_of(ReportedRecipient("ada@example.net", "failed", enhanced, code, words))
    assert (found, reason.word if reason else "") == (kind, word)


def test_every_reason_has_one_of_nine_words() -> None:
    words = {"no such mailbox", "full", "inactive", "policy", "content", "rate", "network", "relay", "unknown"}
    assert {reason.word for reason in Reason} == words


def test_a_complaint_taken_back_is_none() -> None:
    assert understand(complaint(MAILBOX)).form is MailForm.COMPLAINT
    assert understand(complaint(MAILBOX, kind="not-spam")).form is MailForm.AUTOMATIC
    assert understand(complaint(MAILBOX, address="ada@example.net")).addresses == ("ada@example.net",)


def test_an_ordinary_mail_is_no_bounce() -> None:
    mail = b"From: ada@example.net\nSubject: Re: delivery failure\n\nThe user is unknown, the mailbox is full.\n"
    assert understand(mail).about("")[0] is FeedbackKind.UNKNOWN


@pytest.mark.parametrize("number", range(len(REPORTS)))
def test_a_truncated_mail_raises_nothing(number: int) -> None:
    data = REPORTS[number]
    for end in range(0, len(data), 10):
        read(data[:end])


def read(data: bytes) -> None:
    """Understand a mail that may be poison."""
    with suppress(PoisonMailError):
        understand(data).about("ada@example.net")


@pytest.mark.parametrize(
    "charset", ["utf-7", "no-such", "idna", "hex", "base64", "rot13", "\x00", '"', "utf-16", "punycode"]
)
@pytest.mark.parametrize("number", [0, 1, 2, 20])
def test_a_wrong_charset_or_encoding_raises_nothing(charset: str, number: int) -> None:
    data = REPORTS[number]
    for old in (b"charset=utf-8", b"text/plain", b"8bit", b"base64"):
        read(data.replace(old, old.partition(b"=")[0] + b"=" + charset.encode()))
    for word in ("q?=ff", "b?aaaaa"):
        read(data.replace(b"Subject: ", f"Subject: =?{charset}?{word}?= ".encode()))
    read(data.replace(b"\n\n", b"\n\0\n\n\0", 2))


BYTES = st.binary(max_size=200)


@given(st.sampled_from(REPORTS), st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 40), BYTES), max_size=5))
def test_nothing_that_is_spliced_in_raises(data: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    for at, length, other in cuts:
        data = data[:at] + other + data[at + length :]
    read(data)


@given(
    st.lists(st.sampled_from([line for data in REPORTS[:9] for line in data.splitlines(keepends=True)]), max_size=60)
)
def test_no_order_of_lines_raises(lines: list[bytes]) -> None:
    read(b"".join(lines))


def test_fifty_megabytes_and_deep_nesting_are_poison() -> None:
    for data in (b"x" * 50 * 1024 * 1024, b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 1000):
        with pytest.raises(PoisonMailError):
            understand(data)
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(12))
    with pytest.raises(PoisonMailError, match="nested too deeply"):
        understand(deep)
