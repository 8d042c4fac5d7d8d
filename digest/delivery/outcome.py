"""Classification of SMTP replies (RFC 5321, 3463): outcome, reason, and text that may be stored. Pure."""

import re
import unicodedata
from enum import StrEnum

from digest.outbox.states import Outcome
from digest.runtime.text import cut

MAX_REPLY_CHARACTERS = 500


class Reason(StrEnum):
    """Why the server answered as it did; only the first two are about the recipient's address."""

    MAILBOX_UNKNOWN = "mailbox_unknown"
    MAILBOX_DISABLED = "mailbox_disabled"
    MAILBOX_FULL = "mailbox_full"
    ADDRESS_UNSUPPORTED = "address_unsupported"
    SENDER = "sender"
    MESSAGE_TOO_BIG = "message_too_big"
    CONTENT = "content"
    POLICY = "policy"
    THROTTLED = "throttled"
    AUTHENTICATION = "authentication"
    LOGIN = "login"
    SYSTEM = "system"
    NETWORK = "network"
    PROTOCOL = "protocol"
    OTHER = "other"

    @property
    def is_about_address(self) -> bool:
        """Whether the address has no mailbox; no other reason may ever suppress a subscriber."""
        return self in {Reason.MAILBOX_UNKNOWN, Reason.MAILBOX_DISABLED}


# Subject and detail of RFC 3463 section 3 with the registered additions (RFC 7505, 7372, 8616). A detail that is not
# listed falls back to its subject. The class (2, 4, 5) is left out: the reply code decides about retrying.
_DETAILS: dict[str, Reason] = {
    **dict.fromkeys(("1.1", "1.2", "1.3", "1.6", "1.10"), Reason.MAILBOX_UNKNOWN),
    **dict.fromkeys(("1.7", "1.8", "1.9"), Reason.SENDER),
    "2.1": Reason.MAILBOX_DISABLED,
    "2.2": Reason.MAILBOX_FULL,
    "2.3": Reason.MESSAGE_TOO_BIG,
    "3.4": Reason.MESSAGE_TOO_BIG,
    "6.7": Reason.ADDRESS_UNSUPPORTED,
    "6.9": Reason.ADDRESS_UNSUPPORTED,
    # the login at the relay (RFC 4954 section 6)
    **dict.fromkeys(("7.8", "7.9", "7.11", "7.12"), Reason.LOGIN),
    # SPF, DKIM, DMARC, reverse DNS and TLS of the sender, as RFC 7372 registers them and as Gmail uses them
    **dict.fromkeys((f"7.{detail}" for detail in (*range(20, 28), *range(29, 33), 40)), Reason.AUTHENTICATION),
    "7.515": Reason.AUTHENTICATION,
    "7.28": Reason.THROTTLED,
}
_SUBJECTS: dict[str, Reason] = {
    "3": Reason.SYSTEM,
    "4": Reason.NETWORK,
    "5": Reason.PROTOCOL,
    "6": Reason.CONTENT,
    "7": Reason.POLICY,
}
# Only codes that mean one thing by themselves; a bare 550 may be an unknown mailbox or a policy (RFC 5321, 4.2.3).
_CODES: dict[int, Reason] = {
    421: Reason.SYSTEM,
    451: Reason.SYSTEM,
    452: Reason.SYSTEM,
    **dict.fromkeys((500, 501, 502, 503, 504), Reason.PROTOCOL),
}
_BY_FIRST_DIGIT = {2: Outcome.ACCEPTED, 4: Outcome.DEFERRED, 5: Outcome.REJECTED}
_LOGIN_CODES = frozenset({432, 530, 534, 535, 538})  # RFC 4954 section 6; 530 comes with 5.7.0

_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})", re.ASCII)
_LEADING_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?=\s|$)", re.ASCII)
# The lookbehind lets a match start only at a word's start, which keeps a 64 KB word without an @ linear.
_ADDRESS = re.compile(
    r'"[^"\s]*(?: [^"\s]*){0,8}"@[^\s<>(),;:"]+'  # a quoted local part
    r'|(?<![^\s<>()\[\],;:"])[^\s<>()\[\],;:"@]+(?:@|%40|＠)[^\s<>(),;:"]+'
)


def classify(code: int) -> Outcome:
    """Return the outcome that a reply code means for a whole transaction.

    The first digit alone decides (RFC 5321 section 4.2.1): some servers send `421 5.7.32`, and that is to be retried. A
    code that cannot end a transaction (1yz, 3yz, nonsense) leaves the message's fate open: `uncertain`.
    """
    return _BY_FIRST_DIGIT.get(code // 100, Outcome.UNCERTAIN)


def enhanced_status(lines: list[str]) -> str | None:
    """Return the enhanced status code (RFC 2034) of a reply's lines (without the reply code), or None.

    Every line should begin with it; the first that does counts, as some servers put it only on the last one.
    """
    return next((match[1] for line in lines if (match := _LEADING_ENHANCED.match(line))), None)


def explain(code: int | None, enhanced: str | None) -> Reason:
    """Return the reason: that of the enhanced code if there is one, else what the reply code allows.

    5.7.x is always about the sender or the content, so it can never suppress a subscriber. A temporary 4.7.x or 4.2.1
    asks us to go slower.
    """
    if code in _LOGIN_CODES:
        return Reason.LOGIN
    match = _ENHANCED.fullmatch(enhanced or "")
    if not match:
        return _CODES.get(code or 0, Reason.OTHER)
    _, subject, detail = match.groups()
    reason = _DETAILS.get(f"{subject}.{detail}", _SUBJECTS.get(subject, _CODES.get(code or 0, Reason.OTHER)))
    temporary = code // 100 == 4 if code else match.group(1) == "4"
    if temporary and reason in {Reason.POLICY, Reason.MAILBOX_DISABLED}:
        return Reason.THROTTLED
    return reason


def clean_reply(text: str) -> str:
    """Return a server's text as it may be stored and shown: one line, at most 500 characters.

    Control and other invisible characters are removed, and every e-mail address becomes `<address>`: logs and reasons
    outlive an erased subscriber.
    """
    if text.isascii() and text.isprintable() and "@" not in text and "%40" not in text:
        masked = " ".join(text.split())  # the ordinary words of an ordinary yes
    else:
        visible = "".join(_visible(character) for character in text)
        masked = _ADDRESS.sub("<address>", " ".join(visible.split())).replace("<<address>>", "<address>")
    return cut(masked, MAX_REPLY_CHARACTERS)


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc" or category[0] == "Z":
        return " "
    # A zero-width character inside an address must not split it into a part that is masked and one that is not.
    return "" if category[0] == "C" else character
