"""Parser of mail log lines: syslog, Postfix's own log, and the journal's exports. Pure.

Logs hold untrusted data: every line is bounded, and unknown forms are skipped.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import BinaryIO, NamedTuple

MAX_LINE = 64 * 1024
"""Bytes. Longer lines are skipped: syslog daemons cut far below."""

_TOO_LATE = 250_000_000_000  # what datetime can still hold
_MONTHS = {name: n for n, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_SYSLOG = re.compile(
    rb"(?:<[0-9]{1,3}>)?"
    rb"([A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.,]{8,18}(?:Z|[+-][0-9:]{4,5})?)"
    rb" ([^ ]{1,255}) ([^ \[\]:]{1,100})(?:\[([0-9]{1,10})\])?: (.*)",
    re.DOTALL,
)
_EXPORT = re.compile(rb"[A-Z_][A-Z0-9_]{0,63}(?:=|$)")
_LOGGERS = (b"rsyslogd", b"systemd-journal", b"journal", b"syslog-ng")
_WANTED_FIELDS = (b"__REALTIME_TIMESTAMP", b"_HOSTNAME", b"SYSLOG_IDENTIFIER", b"SYSLOG_PID", b"_PID", b"MESSAGE")


class LogLine(NamedTuple):
    """A log line: time (seconds since 1970, None if unknown), host, program, text, and line number."""

    at: float | None
    host: bytes
    tag: bytes
    pid: bytes
    text: bytes
    number: int


@dataclass(slots=True)
class Dates:
    """Parser of log dates. Syslog's old form has neither year nor zone: no date is later than `latest` and a day.

    Without a `zone` it is this machine's.
    """

    zone: tzinfo | None
    latest: datetime
    _last: bytes = field(default=b"", init=False)
    _read: float | None = field(default=None, init=False)

    def read(self, text: bytes) -> float | None:
        """Return the instant in seconds since 1970, None for what is no date."""
        if text != self._last:  # most lines share their second with the one before
            self._last = text
            seconds = self._parse(text)
            self._read = seconds if seconds is not None and 0 <= seconds < _TOO_LATE else None
        return self._read

    def _parse(self, text: bytes) -> float | None:
        try:
            if text[:1].isdigit():
                moment = datetime.fromisoformat(text.decode("ascii").replace(",", "."))
                # without any zone, timestamp() takes this machine's
                return (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)).timestamp()
            month, day = _MONTHS[text[:3]], int(text[4:6])
            hour, minute, second = (int(part) for part in text[7:].split(b":"))
        except (ValueError, KeyError, OverflowError):
            return None
        return self._nearest(month, day, hour, minute, second)

    def _nearest(self, month: int, day: int, hour: int, minute: int, second: int) -> float | None:
        for year in range(self.latest.year + 1, self.latest.year - 9, -1):  # a 29 February may be eight years back
            try:
                seconds = datetime(year, month, day, hour, minute, second, tzinfo=self.zone).timestamp()
                if seconds <= (self.latest + timedelta(days=1)).timestamp():
                    return seconds
            except (ValueError, OverflowError):
                continue
        return None


def log_lines(stream: BinaryIO, dates: Dates) -> Iterator[LogLine]:
    """Return the lines of daemons named like `postfix/smtp`, and of the logging daemons themselves.

    Understood: syslog's old and RFC 3339 dates (so also Postfix's `maillog_file` and `journalctl`'s own output),
    `journalctl -o json` and `-o export`.
    """
    first = True
    for number, line in _numbered(stream):
        if not line.strip():
            continue
        if first and _EXPORT.match(line):
            yield from _export(line, stream, number)
            return
        first = False
        found = _json(line, number) if line.lstrip(b"\x1e")[:1] == b"{" else _syslog(line, dates, number)
        if found is not None and (b"/" in found.tag or found.tag.startswith(_LOGGERS)):
            yield found


def _numbered(stream: BinaryIO, start: int = 0) -> Iterator[tuple[int, bytes]]:
    number = start
    while line := stream.readline(MAX_LINE):
        number += 1
        whole = line.endswith(b"\n") or len(line) < MAX_LINE
        while not line.endswith(b"\n") and len(line) == MAX_LINE:
            line = stream.readline(MAX_LINE)
        if whole:
            yield number, line.rstrip(b"\r\n")


def _syslog(line: bytes, dates: Dates, number: int) -> LogLine | None:
    match = _SYSLOG.match(line)
    if match is None:
        return None
    when, host, tag, pid, text = match.groups()
    return LogLine(dates.read(when), host, tag, pid or b"", text, number)


def _json(line: bytes, number: int) -> LogLine | None:
    try:
        record = json.loads(line.lstrip(b"\x1e"))
    except (ValueError, RecursionError):
        return None
    return _journal({name: _bytes(record.get(name.decode())) for name in _WANTED_FIELDS}, number)


def _bytes(value: object) -> bytes:
    """Return a field of the journal's JSON: text, or a list of numbers if binary (systemd, Journal JSON)."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, list) and all(isinstance(one, int) and 0 <= one < 256 for one in value):
        return bytes(value)
    return b""


def _export(first: bytes, stream: BinaryIO, number: int) -> Iterator[LogLine]:
    """Parse the journal's export format: fields by line, or with a length when binary; blank lines between."""
    fields: dict[bytes, bytes] = {}
    begins, line = number, first
    lines = _numbered(stream, number)
    while True:
        name, is_text, value = line.partition(b"=")
        if is_text and name in _WANTED_FIELDS:
            fields[name] = value
        elif line and not is_text:
            value = _sized(stream)
            if name in _WANTED_FIELDS:
                fields[name] = value
        following = next(lines, None)
        if not line or following is None:
            if (found := _journal(fields, begins)) and (b"/" in found.tag or found.tag.startswith(_LOGGERS)):
                yield found
            fields, begins = {}, following[0] if following else begins
        if following is None:
            return
        line = following[1]


def _sized(stream: BinaryIO) -> bytes:
    left = int.from_bytes(stream.read(8), "little")
    value = stream.read(min(left, MAX_LINE))
    left -= len(value)
    while left > 0 and (more := stream.read(min(left, MAX_LINE))):
        left -= len(more)
    stream.readline(MAX_LINE)
    return value


def _journal(fields: dict[bytes, bytes], number: int) -> LogLine | None:
    tag, text = fields.get(b"SYSLOG_IDENTIFIER", b""), fields.get(b"MESSAGE", b"")
    if not tag or not text:
        return None
    pid = fields.get(b"SYSLOG_PID") or fields.get(b"_PID", b"")
    return LogLine(_microseconds(fields), fields.get(b"_HOSTNAME", b""), tag, pid, text, number)


def _microseconds(fields: dict[bytes, bytes]) -> float | None:
    stamp = fields.get(b"__REALTIME_TIMESTAMP", b"")
    return int(stamp) / 1_000_000 if stamp.isdigit() and len(stamp) < 18 else None
