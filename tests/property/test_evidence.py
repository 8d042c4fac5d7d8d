"""Laws of reading evidence: no bytes make it fail, and what is not about a message changes nothing about it."""

import io
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from digest.feedback.dsn import DeliveryReport, NotAReportError, read_report
from digest.feedback.log_coverage import Coverage
from digest.feedback.log_lines import Dates, log_lines
from digest.feedback.postfix_log import Fate, PostfixLog, Sighting

NOW = datetime(2026, 11, 26, 3, tzinfo=UTC)
WANTED = "<0123456789abcdef@example.org>"
OWN = [
    b"smtpd[7]: AAAAA1: client=localhost[127.0.0.1]",
    b"cleanup[8]: AAAAA1: message-id=" + WANTED.encode(),
    b"qmgr[9]: AAAAA1: from=<news@example.org>, size=299, nrcpt=1 (queue active)",
    b"smtp[3]: AAAAA1: to=<r@example.net>, relay=mx[1]:25, delay=1, dsn=5.1.1, status=bounced (host mx said: 550 5.1.1 no)",
    b"qmgr[9]: AAAAA1: removed",
]
CUT = [OWN[0], b"smtpd[7]: lost connection after DATA (79 bytes) from localhost[127.0.0.1]", OWN[1]]

PIECES = st.sampled_from(
    [
        b"Nov 26 00:45:05 relay postfix/",
        b"2026-11-26T00:45:05Z relay postfix/",
        *[
            b"smtpd[7]: ",
            b"cleanup[7]: ",
            b"qmgr[1]: ",
            b"smtp[2]: ",
            b"AAAAA1: ",
            b"client=",
            b"removed",
            b"\n",
            b"\0",
        ],
        b"message-id=" + WANTED.encode(),
        b"from=<a@b>, size=1, nrcpt=1 (queue active)",
        b"to=<r@example.net>, relay=x, dsn=2.0.0, status=",
        *[
            b"sent (250 queued as AAAAA1)",
            b"bounced (x)",
            b"deferred (y)",
            b"milter-reject: END: 5.7.1 x",
            b"{",
            b"MESSAGE",
        ],
        b"__REALTIME_TIMESTAMP=",
        b"lost connection after DATA",
    ]
)
SOUP = st.lists(PIECES | st.binary(max_size=30), max_size=40).map(b"".join)


def verdict(data: bytes) -> Sighting | None:
    log = PostfixLog({WANTED: "r@example.net"})
    log.read(log_lines(io.BytesIO(data), Dates(UTC, NOW)), "mail.log")
    log.coverage.objection(NOW)
    return log.verdict(WANTED)


@given(st.binary(max_size=2000) | SOUP)
def test_no_bytes_make_the_log_reader_fail(data: bytes) -> None:
    found = verdict(data)
    assert found is None or found.fate in set(Fate)


@given(st.binary(max_size=500) | SOUP)
def test_without_its_message_id_nothing_is_said_of_a_message(data: bytes) -> None:
    found = verdict(data.replace(b"message-id=", b"message_id="))
    assert found is not None
    assert (found.fate, found.source) == (Fate.NOT_TAKEN, "")


OTHERS = st.lists(
    st.tuples(
        st.sampled_from([b"BBBBB1", b"CCCCC2"]),
        st.sampled_from(
            [
                b"smtpd[17]: %s: client=localhost[127.0.0.1]",
                b"smtpd[17]: lost connection after DATA from %s",
                b"smtpd[17]: disconnect from %s data=0/1",
                b"cleanup[8]: %s: message-id=<other@example.org>",
                b"qmgr[9]: %s: from=<a@b>, size=1, nrcpt=1 (queue active)",
                b"qmgr[9]: %s: removed",
                b"smtp[3]: %s: to=<r@example.net>, relay=x, dsn=2.0.0, status=sent (250 ok: queued as AAAAA1)",
                b"smtpd[18]: NOQUEUE: reject: RCPT from %s: 550 5.1.1 no; from=<a@b> to=<r@example.net>",
                b"smtp[3]: connect to %s: Connection refused",
            ]
        ),
    ).map(lambda pair: pair[1] % pair[0]),
    max_size=12,
)


@given(st.sampled_from([OWN, OWN[:3], OWN[:2], CUT]), OTHERS, st.randoms(use_true_random=False))
def test_other_messages_between_its_lines_change_nothing(own: list[bytes], others: list[bytes], random: object) -> None:
    def written(lines: list[bytes]) -> bytes:
        return b"".join(b"Nov 26 00:45:05 relay postfix/" + line + b"\n" for line in lines)

    mixed = list(own)
    place = 0
    for other in others:
        place = random.randint(0, len(mixed))  # type: ignore[attr-defined]
        mixed.insert(place, other)
    alone, among = verdict(written(own)), verdict(written(mixed))
    assert (alone is None) == (among is None)
    if alone and among:
        assert (alone.fate, alone.words, alone.code) == (among.fate, among.words, among.code)


@given(
    st.binary(max_size=1000)
    | st.lists(
        st.sampled_from(
            [
                b"Content-Type: multipart/report; boundary=b\n\n",
                b"--b\n",
                b"--b--\n",
                b"Content-Type: message/delivery-status\n\n",
                b"Content-Type: message/rfc822\n\n",
                b"Content-Type: text/rfc822-headers; charset=nonsense\nContent-Transfer-Encoding: base64\n\n",
                b"Content-Transfer-Encoding: x-uuencode\n",
                b"Action: failed\nStatus: 5.1.1\n",
                b"Diagnostic-Code: smtp; =?utf-8?q?=ff?= 550\n",
                b"Message-ID: <abc@example.org>\n",
                b"\n",
                b"\xff\xfe",
            ]
        )
        | st.binary(max_size=10),
        max_size=30,
    ).map(b"".join)
)
def test_no_bytes_make_the_report_reader_fail(data: bytes) -> None:
    with suppress(NotAReportError):
        assert isinstance(read_report(data), DeliveryReport)


@given(st.sets(st.integers(-5, 130)), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_a_log_that_covers_a_stretch_covers_every_moment_of_it(
    silent: set[int], first: int, length: int, at: int
) -> None:
    coverage = Coverage()
    for minute in set(range(-5, 131)) - silent:
        coverage.note(b"relay", NOW.timestamp() + 60 * minute)
    began = NOW + timedelta(minutes=first)
    if not coverage.objection(began, began + timedelta(minutes=length)):
        assert coverage.objection(began + timedelta(minutes=min(at, length))) == ""
