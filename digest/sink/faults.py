"""What the sink does to a magic recipient: a table, and nothing else. Pure.

The local part decides, in any case; what follows a plus is ignored, so that `550+a@` and `550+b@` fail alike.
NNN is any code from 400 to 599.

| local part | what happens | is the message kept |
|---|---|---|
| `NNN` | RCPT is answered with that code; after 421 the connection is closed (RFC 5321 section 3.8) | no |
| `tempfail` | RCPT is answered with 451 4.3.0 | no |
| `full` | RCPT is answered with 452 4.2.2: the mailbox is full | no |
| `greylist` | the first try of that address is answered with 450 4.2.0, every later one accepted | then |
| `throttle` | RCPT is answered with 421 4.7.28 once a minute, and accepted in between | then |
| `drop-at-rcpt` | the connection is closed at RCPT | no |
| `never-at-rcpt` | RCPT is not answered until the client gives up | no |
| `drop-before-dot` | the connection is closed at DATA, so that the message never leaves the client | no |
| `early` | DATA is answered with 250 as if the message had come | no |
| `drop-in-body` | the connection is closed while the message comes | no |
| `NNN-after-dot` | the final dot is answered with that code | no |
| `drop-after-dot` | the connection is closed without an answer to the final dot | yes |
| `reset-after-dot` | the same, by a reset (RST) as from a machine that lost its power | yes |
| `never` | the final dot is not answered until the client gives up | yes |
| `garbage` | the final dot is answered with something that is no reply | yes |
| `mixed` | the final dot is answered with one reply of several lines and codes | yes |
| `endless` | the final dot is answered with a line that has no end within 100,000 bytes | yes |
| `slow` | the answer to the final dot takes its time | yes |
| `drip` | the answer to the final dot comes byte by byte | yes |
| `multiline` | the answer to the final dot has several lines, as RFC 5321 section 4.2.1 allows | yes |
| `goodbye` | the message is accepted, and the connection closed without a word | yes |
"""

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

THROTTLE_SECONDS = 60


class SmtpStage(StrEnum):
    """Stage of the transaction at which the sink acts."""

    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"


class Manner(StrEnum):
    """Timing of the answer."""

    AT_ONCE = "at once"
    LATE = "late"
    DRIPPING = "dripping"


class Then(StrEnum):
    """What happens to the connection after the answer."""

    GO_ON = "go on"
    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: the answer at a stage, its timing, and what follows. An empty answer sends nothing.

    `again_after`: None acts every time; otherwise once for each address, and again after so many seconds.
    """

    stage: SmtpStage
    answer: str = ""
    manner: Manner = Manner.AT_ONCE
    then: Then = Then.GO_ON
    keeps: bool = False
    again_after: float | None = None


_CODE = re.compile(r"([45][0-9][0-9])(-after-dot)?", re.ASCII)
# The enhanced code that usually comes with a reply code (RFC 3463): about the mailbox at RCPT, the content at the dot.
_AT_RCPT = {
    "421": "4.3.2", "450": "4.2.1", "451": "4.3.0", "452": "4.2.2", "550": "5.1.1", "552": "5.2.2", "554": "5.7.1",
}  # fmt: skip
_AFTER_DOT = {"421": "4.3.2", "451": "4.3.0", "452": "4.3.1", "550": "5.7.1", "552": "5.3.4", "554": "5.6.0"}
_KEPT = "250 2.0.0 Kept by the sink"
_ASKED = "The sink was asked for this answer"

_NAMED = {
    "tempfail": Fault(SmtpStage.RCPT, "451 4.3.0 The sink was asked to fail for now"),
    "full": Fault(SmtpStage.RCPT, "452 4.2.2 The mailbox is full, the sink was asked to say"),
    "greylist": Fault(SmtpStage.RCPT, "450 4.2.0 Greylisted: the sink takes it next time", again_after=math.inf),
    "throttle": Fault(
        SmtpStage.RCPT, "421 4.7.28 Too much mail, the sink was asked to say", again_after=THROTTLE_SECONDS
    ),
    "drop-at-rcpt": Fault(SmtpStage.RCPT, then=Then.CLOSE),
    "never-at-rcpt": Fault(SmtpStage.RCPT, then=Then.HANG),
    "drop-before-dot": Fault(SmtpStage.DATA, then=Then.CLOSE),
    "early": Fault(SmtpStage.DATA, _KEPT),
    "drop-in-body": Fault(SmtpStage.BODY, then=Then.CLOSE),
    "drop-after-dot": Fault(SmtpStage.DOT, then=Then.CLOSE, keeps=True),
    "reset-after-dot": Fault(SmtpStage.DOT, then=Then.RESET, keeps=True),
    "never": Fault(SmtpStage.DOT, then=Then.HANG, keeps=True),
    "garbage": Fault(SmtpStage.DOT, "<html>This is not a mail server.</html>", keeps=True),
    "mixed": Fault(SmtpStage.DOT, "250-2.0.0 Kept by the sink\r\n550 5.0.0 or not", keeps=True),
    "endless": Fault(SmtpStage.DOT, "250 2.0.0 " + "x" * 100_000, keeps=True),
    "slow": Fault(SmtpStage.DOT, _KEPT, Manner.LATE, keeps=True),
    "drip": Fault(SmtpStage.DOT, _KEPT, Manner.DRIPPING, keeps=True),
    "multiline": Fault(SmtpStage.DOT, "250-2.0.0 Kept by the sink\r\n250 2.0.0 which likes to talk", keeps=True),
    "goodbye": Fault(SmtpStage.DOT, _KEPT, then=Then.CLOSE, keeps=True),
}
NAMES = tuple(_NAMED)


def fault_for(address: str) -> Fault | None:
    """Return the fault of a magic recipient, None for any other."""
    name = address.rpartition("@")[0].casefold().partition("+")[0]
    if match := _CODE.fullmatch(name):
        code, after_dot = match.groups()
        stage, statuses = (SmtpStage.DOT, _AFTER_DOT) if after_dot else (SmtpStage.RCPT, _AT_RCPT)
        return Fault(stage, f"{code} {statuses.get(code, f'{code[0]}.0.0')} {_ASKED}")
    return _NAMED.get(name)


def fault_at(stage: SmtpStage, addresses: Iterable[str]) -> Fault | None:
    """Return the fault of a message's first magic recipient at this stage, or None."""
    faults = (fault_for(address) for address in addresses)
    return next((fault for fault in faults if fault and fault.stage is stage), None)


def is_rejected(address: str, percent: float) -> bool:
    """Return whether this address is among the `percent` (0 to 100) that are refused: always the same ones."""
    drawn = int.from_bytes(hashlib.sha256(address.casefold().encode("utf-8", "surrogateescape")).digest()[:8], "big")
    return drawn / 2**64 * 100 < percent
