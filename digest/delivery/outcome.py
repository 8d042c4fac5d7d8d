"""The judge of SMTP replies (RFC 5321, 3463): outcome, reason, whom it is about, and text that may be stored. Pure."""

import re
import unicodedata
from enum import StrEnum

from digest.outbox.states import Outcome
from digest.runtime.text import cut

MAX_REPLY_CHARACTERS = 500


class Phase(StrEnum):
    """Phase of an email transaction in which it ended."""

    BEFORE = "before"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"


class Reason(StrEnum):
    """Why a server answered as it did. The reasons that begin with `mailbox` are about the recipient, all others about
    us: our address, login, content, reputation, or rate.
    """

    MAILBOX_UNKNOWN = "mailbox_unknown"
    MAILBOX_DISABLED = "mailbox_disabled"
    MAILBOX_FULL = "mailbox_full"
    MAILBOX_REFUSES = "mailbox_refuses"
    ADDRESS_UNSUPPORTED = "address_unsupported"
    SENDER = "sender"
    MESSAGE_TOO_BIG = "message_too_big"
    CONTENT = "content"
    POLICY = "policy"
    RELAYING = "relaying"
    QUOTA = "quota"
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

    @property
    def is_about_mailbox(self) -> bool:
        """Whether it is about this recipient alone; a refusal for any other reason would meet every reader."""
        return self.value.startswith("mailbox_")

    @property
    def is_ours(self) -> bool:
        """Whether an email with this reason fails because of its sender: it says nothing about the recipient."""
        return self.word in {"policy", "content", "rate"} or self in {Reason.RELAYING, Reason.LOGIN}

    @property
    def word(self) -> str:
        """The reason in one of nine words for counting, whether a reply, a report or a provider gave it."""
        return _WORD_OF.get(self, "unknown")


_WORD_OF = {
    Reason.MAILBOX_UNKNOWN: "no such mailbox",
    Reason.MAILBOX_FULL: "full",
    Reason.MAILBOX_DISABLED: "inactive",
    **dict.fromkeys((Reason.POLICY, Reason.SENDER, Reason.AUTHENTICATION), "policy"),
    **dict.fromkeys((Reason.CONTENT, Reason.MESSAGE_TOO_BIG), "content"),
    **dict.fromkeys((Reason.QUOTA, Reason.THROTTLED), "rate"),
    Reason.NETWORK: "network",
    **dict.fromkeys((Reason.RELAYING, Reason.LOGIN, Reason.SYSTEM, Reason.PROTOCOL), "relay"),
}


def _(text: str) -> str:
    """Mark a text that pages show in the publication's language."""
    return text


_LET_RELAY = _(
    "Log in to the relay ([[relay]] username and password_file), or configure it to accept email from this machine"
)
REMEDIES: dict[Reason, str] = {
    Reason.LOGIN: _LET_RELAY,
    Reason.RELAYING: _LET_RELAY,
    Reason.SENDER: _("Configure the relay to accept the sender's address, or set another [publication] sender_address"),
    Reason.QUOTA: _("Wait until the relay's limit resets, then set per_hour or per_day under [relay.limits] below it"),
    Reason.THROTTLED: _("Wait, then send more slowly: set per_second or per_hour under [relay.limits]"),
    Reason.AUTHENTICATION: _("Correct SPF, DKIM and DMARC of the sender's domain; to check them: `digest doctor`"),
    Reason.CONTENT: _("Find out what the relay's filter objects to, with a test email: `digest send --to ADDRESS`"),
    Reason.MESSAGE_TOO_BIG: _(
        "Make the email smaller (`digest issue check` shows how), or raise the relay's size limit"
    ),
    Reason.OTHER: _("Ask the relay's operator what it means, and whether the sending address is on a block list"),
}
"""What an operator may do about a refusal that is about us."""
_CODE_REMEDIES: dict[str, str] = {
    "7.23": _("Give the sending machine's address a PTR record whose name resolves to that address"),
    "7.24": _("Correct the SPF record: it has an entry that cannot be resolved"),
    "7.25": _("Give the sending machine's address a PTR record whose name resolves to that address"),
    "7.26": _(
        "The email passed neither SPF nor DKIM: publish both for the sender's domain (to check: `digest doctor`)"
    ),
    "7.27": _("SPF did not pass: add the relay's addresses to the SPF record of the sender's domain"),
    "7.28": _(
        "Too many emails at once: wait, set per_second or per_hour under [relay.limits], then raise the limit slowly"
    ),
    "7.29": _("Configure the relay to use TLS with other servers"),
    "7.30": _("DKIM did not pass: sign with the sender's domain, and publish the key (`digest dkim show`)"),
    "7.31": _("Publish a DMARC record for the sender's domain, with at least p=none"),
    "7.32": _("Align the From address with the domain of SPF or DKIM: both must have the same organizational domain"),
    "7.40": _("Publish a DMARC record for the sender's domain, with at least p=none"),
    "7.515": _(
        "Outlook.com accepts large volumes only from domains that pass SPF, DKIM and DMARC: publish all three, "
        "align the From address, and run `digest doctor`"
    ),
}
"""Remedies for codes that say more than their reason, by subject and detail."""

# Subject and detail of RFC 3463 section 3 with the registered additions (RFC 7505, 7372, 8616). A detail that is not
# listed falls back to its subject. The class (2, 4, 5) is left out: the reply code decides about retrying.
_DETAILS: dict[str, Reason] = {
    **dict.fromkeys(("1.1", "1.2", "1.3", "1.6", "1.10"), Reason.MAILBOX_UNKNOWN),
    **dict.fromkeys(("1.7", "1.8", "1.9"), Reason.SENDER),
    "2.1": Reason.MAILBOX_DISABLED,
    "2.2": Reason.MAILBOX_FULL,
    "3.4": Reason.MESSAGE_TOO_BIG,
    "4.5": Reason.QUOTA,  # congestion; Gmail and Microsoft 365 say so when a day's limit of ours is used up
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
    "2": Reason.MAILBOX_REFUSES,
    "3": Reason.SYSTEM,
    "4": Reason.NETWORK,
    "5": Reason.PROTOCOL,
    "6": Reason.CONTENT,
    "7": Reason.POLICY,
}
# Details that servers use for anything ("550 5.5.0 mailbox unavailable"): with one of them the words decide.
_VAGUE = frozenset({"0.0", "1.0", "1.4", "1.5", "3.0", "4.0", "4.1", "4.4", "4.310", "5.0", "5.1"})
# Only codes that mean one thing by themselves; a bare 550 may be an unknown mailbox or a policy (RFC 5321, 4.2.3).
_CODES: dict[int, Reason] = {
    421: Reason.SYSTEM,
    451: Reason.SYSTEM,
    452: Reason.SYSTEM,
    **dict.fromkeys((500, 501, 502, 503, 504), Reason.PROTOCOL),
    **dict.fromkeys((551, 556), Reason.MAILBOX_UNKNOWN),  # not local here; its domain takes no mail (RFC 7504)
}
_BY_FIRST_DIGIT = {2: Outcome.ACCEPTED, 4: Outcome.DEFERRED}
_LOGIN_CODES = frozenset({432, 530, 534, 535, 538})  # RFC 4954 section 6; 530 comes with 5.7.0

# What the words of a permanent refusal say, the first that matches. Bounded gaps keep 64 KB of text linear.
_BOX = r"(?:user|recipient|mailbox|inbox|(?<!ip )(?<!client )address|addressee)"
_GONE = r"(?:disabled|inactive|deactivated|suspended|closed)"
_A_TIME = r"(?:daily|hourly|monthly|day|hour|send|sent|sending|outgoing|outbound|smtp|relay|rate|messages?)"
_WORDS: tuple[tuple[Reason, re.Pattern[str]], ...] = tuple(
    (reason, re.compile(pattern))
    for reason, pattern in (
        (
            Reason.SENDER,
            r"\bsender\b|\bmail from\b|return[- ]path|from address|\b(?:helo|ehlo)\b|\byour (?:account|domain)\b",
        ),
        (
            Reason.MESSAGE_TOO_BIG,
            r"\bmessage.{0,40}\b(?:size|too (?:big|large))\b|\bsize.{0,20}\bmessage\b|too (?:big|large)",
        ),
        (Reason.QUOTA, r"too many (?:e?mails|messages|recipients|connections)"),
        (Reason.QUOTA, rf"\b{_A_TIME}\b.{{0,40}}\b(?:limit|quota)|\b(?:limit|quota)\b.{{0,40}}\b{_A_TIME}\b"),
        (Reason.MAILBOX_FULL, r"\b(?:user|recipient|mailbox|inbox)\b.{0,40}\b(?:full|quota|storage|size)\b"),
        (Reason.MAILBOX_DISABLED, rf"\b{_GONE} (?:{_BOX}|account)|\b(?:{_BOX}|account)\b.{{0,40}}\b{_GONE}\b"),
        (
            Reason.MAILBOX_UNKNOWN,
            rf"\b(?:unknown|no such|invalid|non-?existent|bad destination) (?:local )?(?:{_BOX}|account)",
        ),
        (
            Reason.MAILBOX_UNKNOWN,
            rf"\b(?:{_BOX}|account)\b.{{0,60}}\b(?:unknown|invalid|unavailable|unrouteable|no longer)\b",
        ),
        (Reason.MAILBOX_UNKNOWN, rf"\b(?:{_BOX}|account)\b.{{0,60}}\bnot (?:a |been )?(?:found|valid|known|exist)"),
        (Reason.MAILBOX_UNKNOWN, r"\b(?:does|do|did)(?: not|n't) exist\b|\bno (?:mailbox|one by that name|person)\b"),
        (Reason.MAILBOX_UNKNOWN, r"\bunrouteable address|\b(?:domain|host)(?: name)? not found\b"),
        (Reason.POLICY, r"\bblock(?:ed|ing)? (?:using|by)|(?:black|block)-?list|\brbl\b|dnsbl|reputation|client host"),
        (Reason.AUTHENTICATION, r"\b(?:spf|dkim|dmarc|ptr)\b|reverse dns|authenticat"),
        (Reason.CONTENT, r"spam|virus|malware|phish|unsolicited|junk|content"),
        (Reason.RELAYING, r"\brelay"),
        (Reason.POLICY, r"block|policy|denied|prohibit|not (?:allowed|authori)|\bban|refus"),
    )
)

_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})", re.ASCII)
_LEADING_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?=\s|$)", re.ASCII)
# The lookbehind lets a match start only at a word's start, which keeps a 64 KB word without an @ linear.
_ADDRESS = re.compile(
    r'"[^"\s]*(?: [^"\s]*){0,8}"@[^\s<>(),;:"]+'  # a quoted local part
    r'|(?<![^\s<>()\[\],;:"])[^\s<>()\[\],;:"@]+(?:@|%40|＠)[^\s<>(),;:"]+'
)


def classify(code: int, reason: Reason) -> Outcome:
    """Return the outcome that a reply means for a whole transaction.

    The first digit decides (RFC 5321 section 4.2.1): some servers send `421 5.7.32`, and that is to be retried. Of the
    permanent refusals only one that is about the mailbox rejects it; any other is about us, and the reader stays due.
    A code that cannot end a transaction (1yz, 3yz, nonsense) leaves the message's fate open: `uncertain`.
    """
    if code // 100 == 5:
        return Outcome.REJECTED if reason.is_about_mailbox else Outcome.DEFERRED
    return _BY_FIRST_DIGIT.get(code // 100, Outcome.UNCERTAIN)


def enhanced_status(lines: list[str]) -> str | None:
    """Return the enhanced status code (RFC 2034) of a reply's lines (without the reply code), or None.

    Every line should begin with it; the first that does counts, as some servers put it only on the last one.
    """
    for line in lines:
        if match := _LEADING_ENHANCED.match(line):
            return match[1]
    return None


def explain(code: int | None, enhanced: str | None, phase: Phase = Phase.RCPT, text: str = "") -> Reason:
    """Return the reason: that of the enhanced code, else what the words say, else what the reply code allows.

    5.7.x is always about the sender or the content, so it can never suppress a subscriber; before RCPT no mailbox was
    named. A temporary 4.7.x or 4.2.1 asks us to go slower.
    """
    if code in _LOGIN_CODES:
        return Reason.LOGIN
    reason = _reason(code, enhanced, phase, text)
    if phase is Phase.MAIL and reason.is_about_mailbox:
        return Reason.QUOTA if reason is Reason.MAILBOX_FULL else Reason.SENDER
    temporary = code // 100 == 4 if code else (enhanced or "").startswith("4")
    if temporary and reason in {Reason.POLICY, Reason.MAILBOX_DISABLED}:
        return Reason.THROTTLED
    return Reason.OTHER if temporary and reason is Reason.MAILBOX_REFUSES else reason  # greylisting says 4.2.0


def _reason(code: int | None, enhanced: str | None, phase: Phase, text: str) -> Reason:
    match = _ENHANCED.fullmatch(enhanced or "")
    subject, detail = match.group(2, 3) if match else ("0", "0")
    by_code = _SUBJECTS.get(subject, _CODES.get(code or 0, Reason.OTHER))
    known = _DETAILS.get(f"{subject}.{detail}", by_code) if f"{subject}.{detail}" not in _VAGUE else None
    permanent = code // 100 == 5 if code else (enhanced or "").startswith("5")
    if not permanent:
        return known or by_code
    words = text.casefold()
    if known is Reason.POLICY:
        said = (reason for reason, pattern in _WORDS if not reason.is_about_mailbox and pattern.search(words))
        return next(said, known)
    if known:
        return known
    if detail == "1" and subject == "4" and "recipient address rejected" in words:
        return Reason.MAILBOX_UNKNOWN  # how Microsoft 365 refuses an unknown recipient
    found = next((reason for reason, pattern in _WORDS if pattern.search(words)), None)
    if found is None and code == 552:  # "exceeded storage allocation": whose, depends on who was named last
        return Reason.MAILBOX_FULL if phase is Phase.RCPT else Reason.QUOTA
    return found or (Reason.QUOTA if "quota" in words else by_code)


def remedy(reason: Reason, enhanced: str | None) -> str:
    """Return what an operator may do about a refusal for this reason with this code; empty if nothing is ours to do."""
    by_code = _CODE_REMEDIES.get((enhanced or "").partition(".")[2])
    return by_code or REMEDIES.get(reason) or (REMEDIES[Reason.OTHER] if reason.is_ours else "")


def clean_reply(text: str) -> str:
    """Return a server's text as it may be stored and shown: one line, at most 500 characters.

    Control and other invisible characters are removed, and every email address becomes `<address>`: logs and reasons
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
