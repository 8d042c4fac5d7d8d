"""Logs in every form that a relay's machine writes, and in forms that nobody should write."""

import gzip
import io
import json
import os
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.feedback.evidence_files import EvidenceUnreadableError, open_logs
from digest.feedback.log_lines import MAX_LINE, Dates, LogLine, log_lines
from digest.runtime.errors import UsageError

NOW = datetime(2026, 11, 26, 3, tzinfo=UTC)
AT = datetime(2026, 11, 26, 0, 45, 5, tzinfo=UTC).timestamp()
MICRO = int(AT * 1_000_000)
TEXT = "4AB1C0D3: message-id=<a@example.org>"


def lines(data: bytes) -> list[LogLine]:
    return list(log_lines(io.BytesIO(data), Dates(UTC, NOW)))


def read_through(name: str, stack: ExitStack) -> None:
    for log in open_logs([name], UTC, NOW, stack):
        list(log.lines)


def binary(name: str, value: bytes) -> bytes:
    return name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"


def export(message: bytes = b"MESSAGE=" + TEXT.encode() + b"\n") -> bytes:
    head = f"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP={MICRO}\n_HOSTNAME=relay\nPRIORITY=6\n_PID=7\n"
    return head.encode() + b"SYSLOG_IDENTIFIER=postfix/cleanup\n" + message + b"\n"


def record(**fields: object) -> bytes:
    known = {"__REALTIME_TIMESTAMP": str(MICRO), "_HOSTNAME": "relay", "SYSLOG_IDENTIFIER": "postfix/cleanup"}
    return json.dumps({**known, "SYSLOG_PID": "7", "_PID": "1", "MESSAGE": TEXT, **fields}).encode() + b"\n"


@pytest.mark.parametrize(
    "data",
    [
        f"Nov 26 00:45:05 relay postfix/cleanup[7]: {TEXT}\n".encode(),
        f"<22>Nov 26 00:45:05 relay postfix/cleanup[7]: {TEXT}\r\n".encode(),
        f"2026-11-26T00:45:05+00:00 relay postfix/cleanup[7]: {TEXT}\n".encode(),
        f"2026-11-26T09:45:05.000000+09:00 relay postfix/cleanup[7]: {TEXT}".encode(),
        f"2026-11-26T00:45:05+0000 relay postfix/cleanup[7]: {TEXT}\n".encode(),
        export(),
        export(binary("MESSAGE", TEXT.encode())),
        export(binary("OTHER", b"a\nb=c\n\n") + b"MESSAGE=" + TEXT.encode() + b"\n"),
        export().rstrip(b"\n"),
        record(),
        record(MESSAGE=list(TEXT.encode())),
        b"\x1e" + record(),
    ],
    ids=[
        "syslog",
        "priority",
        "rfc 3339",
        "microseconds",
        "journalctl short-iso",
        "export",
        "binary",
        "binary field",
        "no end",
        "json",
        "json binary",
        "json-seq",
    ],
)
def test_each_form_tells_the_same(data: bytes) -> None:
    assert lines(data) == [LogLine(AT, b"relay", b"postfix/cleanup", b"7", TEXT.encode(), 1)]


def test_a_record_of_the_journal_is_named_and_keeps_to_itself() -> None:
    found = lines(export() + export(b"") + export())
    assert [line.text for line in found] == [TEXT.encode()] * 2
    assert found[0].number == 1
    assert found[1].number == 16


@pytest.mark.parametrize(
    "hostile",
    [
        b"x" * (3 * MAX_LINE) + b"\n",
        b"Nov 26 00:45:05 relay postfix/cleanup[7]: " + b"<" * (2 * MAX_LINE) + b"\n",
        b"x" * MAX_LINE + b"\n",
        b"\0\0\0\n",
        b"Nov 26 00:45:05 relay postfix/\xff\xfe[7]: \xc3\x28\0\n",
        b"Nov 99 00:45:05 relay postfix/cleanup[7]: no such day\n",
        b"\n\r\n   \n",
        b'{"MESSAGE": ' + b"[" * 5000 + b"\n",
        b'{"MESSAGE": 7, "SYSLOG_IDENTIFIER": ["postfix/smtp"], "__REALTIME_TIMESTAMP": null}\n',
        b'{"MESSAGE": [256, -1, "x"], "SYSLOG_IDENTIFIER": "postfix/smtp"}\n',
        b"[1, 2]\n",
        b"Nov 26 00:45:05 relay sshd[1]: 4AB1C0D3: not a mail program\n",
        b"__REALTIME_TIMESTAMP=1\n",
    ],
)
def test_hostile_lines_are_passed_over_and_the_next_one_is_read(hostile: bytes) -> None:
    good = f"Nov 26 00:45:05 relay postfix/cleanup[7]: {TEXT}\n".encode()
    found = lines(good + hostile + good)
    assert [line.text for line in found if b"4AB1C0D3: m" in line.text] == [TEXT.encode()] * 2
    assert found[-1].number == 2 + hostile.count(b"\n")


@pytest.mark.parametrize("size", [b"\xff" * 8, b"\0" * 8, b"\x01", (2**40).to_bytes(8, "little")])
def test_a_wrong_length_in_an_export_ends_it_without_harm(size: bytes) -> None:
    assert len(lines(export() + b"__CURSOR=x\nMESSAGE\n" + size + b"abc\n\n")) <= 2


def test_logs_are_read_in_the_order_of_time_gzipped_or_not(tmp_path: Path) -> None:
    for name, minute in (("mail.log", 30), ("mail.log.1", 20)):
        (tmp_path / name).write_text(f"noise\nNov 26 00:{minute}:05 relay postfix/qmgr[7]: {name}\n")
    with gzip.open(tmp_path / "mail.log.2.gz", "wt") as file:
        file.write("Nov 26 00:10:05 relay postfix/qmgr[7]: mail.log.2.gz\n")
    (tmp_path / "mail.log.0").touch()
    with ExitStack() as stack:
        logs = open_logs([str(path) for path in sorted(tmp_path.iterdir())], UTC, NOW, stack)
        assert [(log.name, [line.text.decode() for line in log.lines]) for log in logs] == [
            ("mail.log.2.gz", ["mail.log.2.gz"]),
            ("mail.log.1", ["mail.log.1"]),
            ("mail.log", ["mail.log"]),
            ("mail.log.0", []),
        ]


def test_a_log_put_away_years_ago_is_not_taken_for_this_years(tmp_path: Path) -> None:
    path = tmp_path / "old.log"
    path.write_text(f"Nov 25 00:45:05 relay postfix/cleanup[7]: {TEXT}\n")
    then = datetime(2024, 12, 1, tzinfo=UTC).timestamp()
    os.utime(path, (then, then))
    with ExitStack() as stack:
        (log,) = open_logs([str(path)], UTC, NOW, stack)
        assert datetime.fromtimestamp(log.begins, UTC).year == 2024


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    line = f"Nov 26 00:45:05 relay postfix/cleanup[7]: {TEXT}\n".encode()
    whole = gzip.compress(line * 50_000)
    for name, data in (("cut.gz", whole[: len(whole) // 2]), ("bad.gz", whole[:20] + b"\xff" * 2000)):
        (tmp_path / name).write_bytes(data)
    for name in ("cut.gz", "bad.gz", "missing", "."):
        with ExitStack() as stack, pytest.raises(EvidenceUnreadableError, match=name):
            read_through(str(tmp_path / name), stack)
    with ExitStack() as stack, pytest.raises(UsageError, match="only once"):
        open_logs(["-", "-"], UTC, NOW, stack)
