"""What a Postfix log proves about a message: taken, bounced, cut off, or nothing."""

import io
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from digest.feedback.log_lines import Dates, log_lines
from digest.feedback.postfix_log import Fate, PostfixLog, Sighting

WANTED = "<0123456789abcdef@example.org>"
ADDRESS = "reader@example.net"
NOW = datetime(2026, 11, 26, 3, tzinfo=UTC)


def read(text: str, address: str = ADDRESS) -> PostfixLog:
    log = PostfixLog({WANTED: address})
    log.read(log_lines(io.BytesIO(text.encode()), Dates(UTC, NOW)), "mail.log")
    return log


def verdict(*lines: str, address: str = ADDRESS) -> Sighting | None:
    """The verdict on a log of lines without their beginning: `program: text` or `program[pid]: text`."""
    written = []
    for number, line in enumerate(lines):
        program, text = line.split(": ", 1)
        pid = "" if "[" in program else "[7]"
        written.append(f"Nov 26 00:{number // 60:02}:{number % 60:02} relay postfix/{program}{pid}: {text}\n")
    return read("".join(written), address).verdict(WANTED)


OPENED = "smtpd: 4AB1: client=localhost[127.0.0.1]".replace("4AB1", "4AB1C0D3")
NAMED = f"cleanup: 4AB1C0D3: message-id={WANTED}"
QUEUED = "qmgr: 4AB1C0D3: from=<news@example.org>, size=299, nrcpt=1 (queue active)"
REMOVED = "qmgr: 4AB1C0D3: removed"
CUT = "smtpd: lost connection after DATA (79 bytes) from localhost[127.0.0.1]"
GONE = "smtpd: disconnect from localhost[127.0.0.1] ehlo=1 mail=1 rcpt=1 data=0/1 commands=3/4"


def result(
    status: str, to: str = ADDRESS, dsn: str = "2.0.0", queue_id: str = "4AB1C0D3", program: str = "smtp"
) -> str:
    where = "relay=mx.example.net[192.0.2.1]:25, delay=0.06, delays=0.05/0.01/0/0"
    return f"{program}: {queue_id}: to=<{to}>, {where}, dsn={dsn}, status={status}"


def test_in_the_queue_is_taken_and_a_seen_header_proves_nothing() -> None:
    taken = verdict(OPENED, NAMED, QUEUED)
    assert taken is not None
    assert taken.fate is Fate.ACCEPTED
    assert taken.source == "mail.log:3"
    assert "4AB1C0D3" in taken.words
    assert verdict(OPENED, NAMED) is None


@pytest.mark.parametrize("order", [(CUT, GONE, NAMED), (NAMED, CUT, GONE), (CUT, NAMED), (GONE, NAMED)])
def test_a_message_cut_off_before_its_final_dot_was_not_taken(order: tuple[str, ...]) -> None:
    found = verdict(OPENED, *order)
    assert found is not None
    assert found.fate is Fate.NOT_TAKEN
    assert "cut off" in found.words


def test_a_later_break_is_not_about_a_message_that_was_taken() -> None:
    found = verdict(OPENED, NAMED, QUEUED, "smtpd: 4AB2FFFF: client=localhost[127.0.0.1]", CUT)
    assert found is not None
    assert found.fate is Fate.ACCEPTED
    assert verdict(OPENED, NAMED, "smtpd: 4AB2FFFF: client=localhost[127.0.0.1]", CUT) is None


def test_absence_is_told_as_such() -> None:
    found = verdict(OPENED, "cleanup: 4AB1C0D3: message-id=<other@example.org>", QUEUED)
    assert found is not None
    assert (found.fate, found.source) == (Fate.NOT_TAKEN, "")


@pytest.mark.parametrize(
    ("status", "dsn", "fate", "code", "says"),
    [
        ("sent (250 2.0.0 Ok)", "2.0.0", Fate.ACCEPTED, 250, "sent"),
        ("sent (delivered to mailbox)", "2.0.0", Fate.ACCEPTED, None, "mailbox"),
        ("deferred (connect to mx: Connection refused)", "4.4.1", Fate.ACCEPTED, None, "is still trying"),
        (
            "deferred (host mx said: 451 4.7.1 later (in reply to RCPT))",
            "4.7.1",
            Fate.ACCEPTED,
            None,
            "is still trying",
        ),
        ("SOFTBOUNCE (host mx said: 550 5.1.1 no)", "5.1.1", Fate.ACCEPTED, None, "is still trying"),
        (
            "bounced (host mx[192.0.2.1] said: 550 5.1.1 <reader@example.net>: no such user (in reply to RCPT TO))",
            "5.1.1",
            Fate.REJECTED,
            550,
            "no such user",
        ),
        ("bounced (mail for example.net loops back to myself)", "5.4.6", Fate.REJECTED, None, "loops"),
    ],
)
def test_the_last_status_decides(status: str, dsn: str, fate: Fate, code: int | None, says: str) -> None:
    found = verdict(OPENED, NAMED, QUEUED, result(status, dsn=dsn), REMOVED)
    assert found is not None
    assert (found.fate, found.code, found.enhanced) == (fate, code, dsn)
    assert says in found.words
    assert ADDRESS not in found.words
    assert found.source == "mail.log:4"


def test_put_off_then_sent_is_sent_and_given_up_is_expired() -> None:
    deferred = result("deferred (connect to mx: timed out)", dsn="4.4.1")
    sent = verdict(OPENED, NAMED, QUEUED, deferred, QUEUED, result("sent (250 2.0.0 Ok)"), REMOVED)
    assert sent is not None
    assert sent.words.startswith("sent")
    given_up = "qmgr: 4AB1C0D3: from=<news@example.org>, status=expired, returned to sender"
    expired = verdict(OPENED, NAMED, QUEUED, deferred, given_up, REMOVED)
    assert expired is not None
    assert (expired.fate, expired.source) == (Fate.EXPIRED, "mail.log:5")


@pytest.mark.parametrize("reopened", ["smtpd: 4AB1C0D3: client=x[192.0.2.9]", "pickup: 4AB1C0D3: uid=0 from=<root>"])
def test_a_reused_queue_id_belongs_to_the_next_message(reopened: str) -> None:
    bounced = result("bounced (host mx said: 550 5.1.1 no)", dsn="5.1.1")
    found = verdict(OPENED, NAMED, QUEUED, result("sent (250 2.0.0 Ok)"), REMOVED, reopened, QUEUED, bounced)
    assert found is not None
    assert found.fate is Fate.ACCEPTED
    # ours was cut off, and its queue id given to somebody else's message, which the relay took
    other = "cleanup: 4AB1C0D3: message-id=<other@example.org>"
    cut = verdict(OPENED, CUT, NAMED, reopened, other, QUEUED, result("sent (250 2.0.0 Ok)"), REMOVED)
    assert cut is not None
    assert cut.fate is Fate.NOT_TAKEN
    # also when it is a mail of Postfix's own, which has no other line at its beginning
    own = verdict(OPENED, CUT, NAMED, other, QUEUED, result("sent (250 2.0.0 Ok)"))
    assert own is not None
    assert own.fate is Fate.NOT_TAKEN


def test_queue_ids_belong_to_a_host_and_an_instance() -> None:
    line = "Nov 26 00:00:01 {} {}/{}[7]: {}\n"
    text = (
        line.format("a", "postfix", "cleanup", f"4AB1C0D3: message-id={WANTED}")
        + line.format("b", "postfix", "qmgr", "4AB1C0D3: from=<x@y>, size=1, nrcpt=1 (queue active)")
        + line.format("a", "postfix-out", "qmgr", "4AB1C0D3: from=<x@y>, size=1, nrcpt=1 (queue active)")
    )
    assert read(text).verdict(WANTED) is None


FILTERED = result("sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 5CD2E4F6)")
AGAIN = [
    "smtpd[9]: 5CD2E4F6: client=localhost[127.0.0.1]",
    f"cleanup: 5CD2E4F6: message-id={WANTED}",
    "qmgr: 5CD2E4F6: from=<news@example.org>, size=420, nrcpt=1 (queue active)",
]


def test_through_a_content_filter_the_returned_copy_decides() -> None:
    bounced = result("bounced (host mx said: 550 5.1.1 no such user)", dsn="5.1.1", queue_id="5CD2E4F6")
    found = verdict(OPENED, NAMED, QUEUED, *AGAIN, FILTERED, REMOVED, bounced)
    assert found is not None
    assert (found.fate, found.code) == (Fate.REJECTED, 550)
    piped = result("sent (delivered via filter service)", program="pipe")
    found = verdict(OPENED, NAMED, QUEUED, AGAIN[1], AGAIN[2], piped, REMOVED, bounced)
    assert found is not None
    assert found.fate is Fate.REJECTED
    found = verdict(OPENED, NAMED, QUEUED, *AGAIN, FILTERED, REMOVED)
    assert found is not None
    assert (found.fate, "5CD2E4F6" in found.words) == (Fate.ACCEPTED, True)
    found = verdict(OPENED, NAMED, QUEUED, FILTERED, REMOVED)
    assert found is not None
    assert found.fate is Fate.ACCEPTED


def test_a_circle_of_queue_ids_ends() -> None:
    back = result("sent (250 2.0.0 Ok: queued as 4AB1C0D3)", queue_id="5CD2E4F6")
    found = verdict(OPENED, NAMED, QUEUED, *AGAIN, FILTERED, back)
    assert found is not None
    assert found.fate is Fate.ACCEPTED


def test_a_bounce_of_one_copy_does_not_undo_one_that_was_sent() -> None:
    bounced = result("bounced (host mx said: 550 5.1.1 no such user)", dsn="5.1.1", queue_id="5CD2E4F6")
    found = verdict(OPENED, NAMED, QUEUED, result("sent (250 2.0.0 Ok)"), REMOVED, *AGAIN, bounced)
    assert found is not None
    assert found.fate is Fate.ACCEPTED


def test_a_relays_archive_copy_says_nothing_about_the_reader() -> None:
    archived = result("sent (250 2.0.0 Ok)", to="archive@example.org")
    bounced = result("bounced (host mx said: 550 5.1.1 no)", dsn="5.1.1")
    for order in ((archived, bounced), (bounced, archived)):
        found = verdict(OPENED, NAMED, QUEUED, *order, REMOVED, address="Reader@example.net")
        assert found is not None
        assert found.fate is Fate.REJECTED
    forwarded = result("sent (250 2.0.0 Ok)", to="other@example.com").replace("relay=", f"orig_to=<{ADDRESS}>, relay=")
    found = verdict(OPENED, NAMED, QUEUED, bounced.replace(ADDRESS, "archive@example.org"), forwarded)
    assert found is not None
    assert found.fate is Fate.ACCEPTED


@pytest.mark.parametrize(
    ("line", "fate"),
    [
        (
            "cleanup: 4AB1C0D3: milter-reject: END-OF-MESSAGE from x[::1]: 5.7.1 Spam; from=<a@b> to=<c@d>",
            Fate.REJECTED,
        ),
        (
            "cleanup: 4AB1C0D3: milter-reject: END-OF-MESSAGE from x[::1]: 4.7.1 Later; from=<a@b> to=<c@d>",
            Fate.NOT_TAKEN,
        ),
        (
            "cleanup: 4AB1C0D3: reject: header Subject: 4.0.0 from x; from=<a@b> to=<c@d> proto=ESMTP helo=<x>: 5.7.1 no",
            Fate.REJECTED,
        ),
        ("smtpd: 4AB1C0D3: reject: END-OF-MESSAGE from x[::1]: 550 5.7.1 no; from=<a@b> to=<c@d>", Fate.REJECTED),
        ("cleanup: 4AB1C0D3: milter-hold: END-OF-MESSAGE from x[::1]: milter triggers HOLD action", Fate.ACCEPTED),
        ("cleanup: 4AB1C0D3: hold: header Subject: x from y; from=<a@b> to=<c@d> proto=ESMTP helo=<x>", None),
    ],
)
def test_what_the_relay_says_at_the_end_of_the_message_counts(line: str, fate: Fate | None) -> None:
    found = verdict(OPENED, NAMED, line)
    assert (found.fate if found else None) == fate


def test_a_request_that_was_never_queued_proves_nothing() -> None:
    text = "smtpd: NOQUEUE: reject: RCPT from x[::1]: 550 5.1.1 <reader@example.net>: no; from=<a@b> to=<reader@example.net>"
    found = verdict(text, "smtpd: warning: Illegal address syntax from localhost in RCPT command: <a b>")
    assert found is not None
    assert (found.fate, found.source) == (Fate.NOT_TAKEN, "")


@pytest.mark.parametrize(
    "line",
    [
        f"smtp: 4AB1C0D3: to=<x@y>, relay=z, dsn=2.0.0, status=sent (250 cleanup: 4AB1C0D3: message-id={WANTED})",
        f"smtpd: 4AB1C0D3: message-id={WANTED}",
        f"cleanup: 4AB1C0D3: resent-message-id={WANTED}",
        f"cleanup: 4AB1C0D3: warning: header X: message-id={WANTED} from x; from=<a@b>",
    ],
)
def test_words_of_strangers_name_no_message(line: str) -> None:
    found = verdict(line, QUEUED)
    assert found is not None
    assert (found.fate, found.source) == (Fate.NOT_TAKEN, "")


def test_a_message_id_that_keeps_coming_is_bounded() -> None:
    flood = [f"cleanup: {number:08}: message-id={WANTED}" for number in range(200)]
    assert verdict(*flood) is None
    found = verdict(*flood, "qmgr: 00000007: from=<a@b>, size=1, nrcpt=1 (queue active)")
    assert found is not None
    assert found.fate is Fate.ACCEPTED


def spanning(first: datetime, last: datetime, *more: str, host: str = "relay") -> str:
    stamps = [first + (last - first) * step / 20 for step in range(21)]
    return "".join(f"{at:%Y-%m-%dT%H:%M:%S+00:00} {host} postfix/anvil[1]: statistics\n" for at in stamps) + "".join(
        more
    )


def test_silence_means_something_only_where_the_log_covers() -> None:
    started = datetime(2026, 11, 25, 12, tzinfo=UTC)
    minute = timedelta(minutes=1)
    begin, end = started - minute, started + 15 * minute
    assert read(spanning(begin, end)).coverage.objection(started) == ""
    assert "starts" in read(spanning(begin + minute / 60, end)).coverage.objection(started)
    assert "ends" in read(spanning(begin, end - minute / 60)).coverage.objection(started)
    assert "starts" in read("").coverage.objection(started)
    two_files = spanning(begin - 300 * minute, begin - 200 * minute) + spanning(end + 200 * minute, end + 300 * minute)
    assert "gap" in read(two_files).coverage.objection(started)
    other_relay = spanning(begin, started, host="relay2")
    assert "ends" in read(spanning(begin, end) + other_relay).coverage.objection(started)


def test_silence_of_a_time_needs_a_log_of_all_of_it() -> None:
    """After a restore nobody knows when it was sent: a forgotten file in the middle proves nothing."""
    started = datetime(2026, 11, 25, 12, tzinfo=UTC)
    minute = timedelta(minutes=1)
    until = started + 120 * minute
    whole = spanning(started - minute, until + 15 * minute)
    assert read(whole).coverage.objection(started, until) == ""
    assert "ends" in read(spanning(started - minute, until)).coverage.objection(started, until)
    parts = spanning(started - minute, started + 20 * minute) + spanning(until - 20 * minute, until + 20 * minute)
    assert read(parts).coverage.objection(started) == ""
    assert "gap" in read(parts).coverage.objection(started, until)


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-25T12:00:00+00:00 relay systemd-journald[1]: Suppressed 812 messages from postfix.service\n",
        "2026-11-25T12:00:00+00:00 relay rsyslogd: imjournal: 300 messages lost due to rate-limiting\n",
        "2026-11-25T12:00:00+00:00 relay rsyslogd-2177: imuxsock lost 25 messages from pid 7 due to rate-limiting\n",
    ],
)
def test_a_log_that_says_that_lines_were_lost_proves_no_absence(line: str) -> None:
    started = datetime(2026, 11, 25, 12, tzinfo=UTC)
    hour = timedelta(hours=1)
    assert "lost" in read(spanning(started - hour, started + hour, line)).coverage.objection(started)


def test_a_date_without_year_or_zone_is_the_relays_never_future() -> None:
    seoul = Dates(ZoneInfo("Asia/Seoul"), datetime(2027, 1, 3, tzinfo=UTC))

    def when(text: bytes) -> datetime | None:
        seconds = seoul.read(text)
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

    assert when(b"Dec 31 23:59:59") == datetime(2026, 12, 31, 14, 59, 59, tzinfo=UTC)
    assert when(b"Jan  1 00:00:00") == datetime(2026, 12, 31, 15, tzinfo=UTC)
    assert when(b"Feb 29 12:00:00") == datetime(2024, 2, 29, 3, tzinfo=UTC)
    assert when(b"2026-11-26T00:36:09.123456+09:00") == datetime(2026, 11, 25, 15, 36, 9, 123456, tzinfo=UTC)
    assert when(b"2026-11-26T00:36:09+0900") == datetime(2026, 11, 25, 15, 36, 9, tzinfo=UTC)
    assert when(b"2026-11-26T00:36:09Z") == datetime(2026, 11, 26, 0, 36, 9, tzinfo=UTC)
    for nonsense in (b"Nov 31 00:00:00", b"Xyz  1 00:00:00", b"Nov  1 99:99:99", b"0001-01-01T00:00:00+23:00", b""):
        assert when(nonsense) is None
