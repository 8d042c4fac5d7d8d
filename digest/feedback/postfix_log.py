"""Fate of messages in a Postfix log, by their Message-ID. Pure.

How a message shows there (postlogd, 3.7, and the source of cleanup, smtpd, qmgr):

    smtpd   ID: client=...                  a queue id is given; short ones are used again and again
    cleanup ID: message-id=<...>            the header was read: the message may still be cut off before its final dot
    smtpd   lost connection after DATA      ... as here; this line names no queue id, only the process does
    qmgr    ID: from=..., size=, nrcpt=     it is whole and in the queue: the relay has taken it
    smtp    ID: to=..., dsn=, status=       what became of it; `sent (... queued as ID2)` leads on through a filter
    qmgr    ID: removed
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from digest.delivery.outcome import clean_reply
from digest.feedback.log_coverage import Coverage
from digest.feedback.log_lines import LogLine

_MAX_COPIES = 50
_MAX_RECIPIENTS = 20
_MAX_SESSIONS = 50_000
_MAX_LOST = 10_000

_QUEUE_ID = re.compile(rb"[0-9A-Za-z]{5,64}")
_RESULT = re.compile(
    rb"to=<([^>]{0,400})>,(?: orig_to=<([^>]{0,400})>,)? relay=.{0,600}? dsn=([245]\.[0-9]{1,3}\.[0-9]{1,3}),"
    rb" status=([A-Za-z-]{1,20}) (.*)",
    re.DOTALL,
)
_QUEUED = re.compile(rb"from=<.*>, size=[0-9]{1,20}, nrcpt=[0-9]{1,10} \(")
_EXPIRED = re.compile(rb"from=<.*>, status=(?:force-)?expired\b")
_CUT_OFF = re.compile(rb"(?:lost connection|timeout) after DATA\b|disconnect from .* data=0/")
_QUEUED_AS = re.compile(rb"queued as ([0-9A-Za-z]{5,64})\b")
_REFUSED = re.compile(rb"(?:milter-)?reject: ")
_TAKEN_AND_KEPT = re.compile(rb"milter-(?:hold|discard): END-OF-MESSAGE ")
_REPLY = re.compile(rb"(?:(?<![0-9.])([245][0-9]{2})[ -])?(?<![0-9.])([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")
_SAID = re.compile(rb" said: ([245][0-9]{2})\b")
_LINES_LOST = re.compile(rb"[Ss]uppressed [0-9]+ messages|messages lost|lost [0-9]+ messages")

T = TypeVar("T")
Key = tuple[bytes, bytes, bytes]
"""Host, name of the Postfix instance, and queue id or process number."""


class Fate(StrEnum):
    """Fate of a message by evidence."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"
    NOT_TAKEN = "not_taken"


@dataclass(frozen=True, slots=True)
class Sighting:
    """Fate of a message: `words` are cleaned and may be kept; `source` is file and line."""

    fate: Fate
    words: str
    source: str
    code: int | None = None
    enhanced: str | None = None


@dataclass(slots=True)
class _Result:
    queue_id: bytes
    status: bytes
    enhanced: bytes
    words: bytes
    source: str


@dataclass(slots=True, eq=False)
class _Copy:
    """A copy of a message in a queue."""

    key: Key
    source: str
    queued: str = ""
    kept: str = ""
    expired: str = ""
    cut_off: bool = False
    refused: _Result | None = None
    results: dict[bytes, _Result] = field(default_factory=dict)
    recipients: dict[bytes, bytes] = field(default_factory=dict)
    next: "_Copy | None" = None

    @property
    def queue_id(self) -> bytes:
        return self.key[2]


class PostfixLog:
    """Follows the wanted messages through a log, in the order of its lines. Memory grows with those only."""

    def __init__(self, wanted: Mapping[str, str]) -> None:
        """Look for these Message-IDs (with their angle brackets), each with its recipient's address."""
        self._wanted = {own_id.encode(): address.casefold().encode() for own_id, address in wanted.items()}
        self._copies: dict[bytes, list[_Copy]] = {}
        self._in_queue: dict[Key, tuple[_Copy, bytes]] = {}
        self._sessions: OrderedDict[Key, Key] = OrderedDict()
        self._lost: OrderedDict[Key, None] = OrderedDict()
        self.coverage = Coverage()
        self.lines = 0

    def read(self, lines: Iterable[LogLine], name: str) -> None:
        """Read one file's lines; `name` stands for it in sources."""
        for line in lines:
            instance, slash, _ = line.tag.partition(b"/")
            if not slash:
                if _LINES_LOST.search(line.text):
                    self.coverage.lossy = f"{name}:{line.number}"
                continue
            self.lines += 1
            self.coverage.note(line.host, line.at)
            self._take_in(line, instance, line.tag.rpartition(b"/")[2], name)

    def verdict(self, own_id: str) -> Sighting | None:
        """Return a message's fate; None if the log does not show it.

        NOT_TAKEN holds for what the log shows; `coverage` tells whether it shows everything.
        """
        copies = self._copies.get(own_id.encode(), [])
        if not copies:
            return Sighting(Fate.NOT_TAKEN, "the relay's log does not contain its Message-ID", "")
        address = self._wanted[own_id.encode()]
        found = [_verdict(copy, address, set()) for copy in copies]
        for fate in (Fate.ACCEPTED, Fate.EXPIRED, Fate.REJECTED):
            if chosen := [sighting for sighting in found if sighting and sighting.fate is fate]:
                return chosen[-1]
        if len(copies) >= _MAX_COPIES or not all(found):
            return None
        return found[-1]

    def _take_in(self, line: LogLine, instance: bytes, program: bytes, name: str) -> None:
        queue_id, colon, rest = line.text.partition(b": ")
        if not colon or not _QUEUE_ID.fullmatch(queue_id):
            if program == b"smtpd":
                self._end_of_session((line.host, instance, line.pid), line.text)
            return
        key = (line.host, instance, queue_id)
        if program == b"cleanup" and rest.startswith(b"message-id="):
            self._message_id(key, rest[11:].strip(), f"{name}:{line.number}")
        elif program in {b"smtpd", b"pickup"} and rest.startswith((b"client=", b"uid=")):
            self._in_queue.pop(key, None)
            self._lost.pop(key, None)
            if program == b"smtpd":
                _remember(self._sessions, (line.host, instance, line.pid), key, _MAX_SESSIONS)
        elif key in self._in_queue:
            self._follow(key, program, rest, f"{name}:{line.number}")

    def _end_of_session(self, session: Key, text: bytes) -> None:
        key = self._sessions.get(session)
        if key is None:
            return
        if _CUT_OFF.match(text):
            if key in self._in_queue:
                self._in_queue[key][0].cut_off = True
            else:  # cleanup, which reads more slowly, has yet to log the header
                _remember(self._lost, key, None, _MAX_LOST)
        if text.startswith((b"disconnect from ", b"connect from ")):
            self._sessions.pop(session, None)

    def _message_id(self, key: Key, own_id: bytes, source: str) -> None:
        self._in_queue.pop(key, None)  # the queue id is used again
        if own_id not in self._wanted:
            return
        copies = self._copies.setdefault(own_id, [])
        if len(copies) >= _MAX_COPIES:
            return
        copy = _Copy(key, source, cut_off=key in self._lost)
        copies.append(copy)
        self._in_queue[key] = (copy, own_id)

    def _follow(self, key: Key, program: bytes, rest: bytes, source: str) -> None:
        copy, own_id = self._in_queue[key]
        if rest == b"removed":
            del self._in_queue[key]
        elif program == b"qmgr" and _QUEUED.match(rest):
            copy.queued = copy.queued or source
        elif program == b"qmgr" and _EXPIRED.match(rest):
            copy.expired = source
        elif program in {b"cleanup", b"smtpd"}:
            self._objection(copy, rest, source)
        elif match := _RESULT.match(rest):
            to, original, enhanced, status, words = match.groups()
            if len(copy.results) < _MAX_RECIPIENTS or to in copy.results:
                copy.results[to] = _Result(copy.queue_id, status, enhanced, words, source)
                copy.recipients[to] = original or to
            self._lead_on(copy, own_id, program, status, words)

    def _objection(self, copy: _Copy, rest: bytes, source: str) -> None:
        if _TAKEN_AND_KEPT.match(rest):
            copy.kept = source
        elif _REFUSED.match(rest):
            found = _REPLY.search(rest.rpartition(b">: ")[2]) or _REPLY.search(rest)
            if found:
                copy.refused = _Result(copy.queue_id, b"reject", found.group(2), rest, source)

    def _lead_on(self, copy: _Copy, own_id: bytes, program: bytes, status: bytes, words: bytes) -> None:
        """Find the copy in which the message goes on, after a content filter has brought it back."""
        if status != b"sent":
            return
        later = [one for one in self._copies[own_id] if one is not copy]
        if named := _QUEUED_AS.findall(words):
            copy.next = next((one for one in reversed(later) if one.queue_id == named[-1]), copy.next)
        elif program == b"pipe":  # it brings back by itself what it passes on, and names no queue id
            place = self._copies[own_id].index(copy)
            copy.next = next(iter(self._copies[own_id][place + 1 :]), None)


def _remember(kept: OrderedDict[Key, T], key: Key, value: T, limit: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > limit:
        kept.popitem(last=False)


def _verdict(copy: _Copy, address: bytes, seen: set[int]) -> Sighting | None:
    results = _about(copy, address)
    if sent := _last(results, b"sent"):
        if copy.next is not None and id(copy.next) not in seen:
            # a filter's "sent" is only as good as what became of the copy that came back
            further = _verdict(copy.next, address, seen | {id(copy)})
            if further is not None and further.fate is not Fate.NOT_TAKEN:
                return further
        return _sighting(Fate.ACCEPTED, "sent", sent)
    deferred = _last(results, b"deferred") or _last(results, b"SOFTBOUNCE")
    if deferred and copy.expired:
        return _sighting(Fate.EXPIRED, "given up by the relay", deferred, copy.expired)
    if deferred:
        return _sighting(Fate.ACCEPTED, "accepted by the relay, which is still trying to deliver it", deferred)
    if bounced := _last(results, b"bounced"):
        return _sighting(Fate.REJECTED, "bounced", bounced)
    return _before_any_result(copy)


def _before_any_result(copy: _Copy) -> Sighting | None:
    where = copy.queue_id.decode("ascii")
    if taken := copy.queued or copy.kept:
        return Sighting(Fate.ACCEPTED, f"accepted by the relay, in its queue as {where}", taken)
    if copy.refused and copy.refused.enhanced.startswith(b"5"):
        return _sighting(Fate.REJECTED, "refused by the relay", copy.refused)
    if copy.refused:
        return Sighting(Fate.NOT_TAKEN, f"deferred by the relay: {_clean(copy.refused.words)}", copy.refused.source)
    if copy.cut_off:
        return Sighting(Fate.NOT_TAKEN, f"{where}: cut off before its final dot", copy.source)
    return None


def _about(copy: _Copy, address: bytes) -> list[_Result]:
    """Return the results for the recipient: a relay may send further copies, as `always_bcc` does."""
    own = [result for to, result in copy.results.items() if address in {to.lower(), copy.recipients[to].lower()}]
    return own or list(copy.results.values())


def _last(results: list[_Result], status: bytes) -> _Result | None:
    return next((result for result in reversed(results) if result.status == status), None)


def _sighting(fate: Fate, what: str, result: _Result, source: str = "") -> Sighting:
    said = _SAID.search(result.words) or _REPLY.search(result.words)
    code = int(said.group(1)) if said and said.group(1) else None
    if fate is Fate.ACCEPTED and code and code >= 400:
        code = None
    words = f"{what}: {result.queue_id.decode('ascii')} {_clean(result.words)}"
    return Sighting(fate, words, source or result.source, code, result.enhanced.decode("ascii"))


def _clean(words: bytes) -> str:
    return clean_reply(words.decode("utf-8", "replace"))
