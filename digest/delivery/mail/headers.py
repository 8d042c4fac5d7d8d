"""Mail headers as bytes (RFC 5322): the shared fields once per edition, the personal ones per recipient. Pure.

Not made with EmailMessage: it turns a long List-Unsubscribe into encoded-words, which RFC 2047 section 5 forbids and
mailbox providers ignore, and it loses spaces of folded Korean subjects. `email.header` makes the encoded-words.
"""

import base64
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from functools import lru_cache

from digest.runtime.errors import ContentError
from subscribers.characters import has_controls
from subscribers.keyed_hash import KeyedHash

LINE = 76  # RFC 2047 section 2: the longest line that holds an encoded-word
MAX_LINE = 998  # RFC 5322 section 2.1.1
_PLAIN_LINE = 78
_MAX_ADDRESS = 254  # RFC 5321 section 4.5.3.1.3, without the angle brackets
_MAX_LIST_ID = 255  # RFC 2919 section 2

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_ADDRESS = re.compile(r"[!#-'*+./-9=?A-Z^-~-]+@[A-Za-z0-9.-]+")
_URL = re.compile(r"https?://[!-;=?-~]+")  # no blank, no angle bracket
_DOMAIN = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_FEEDBACK_PART = re.compile(r"[^A-Za-z0-9.-]+")


class HeaderUnsafeError(ContentError):
    """A value cannot stand in a mail's header."""

    default_hint = "Remove line breaks and control characters from names, subjects and addresses."


def text_value(text: str, name: str) -> str:
    """Return a folded unstructured value (a subject) for the field `name`: plain if possible, else encoded-words.

    Raises HeaderUnsafeError for control characters.
    """
    _refuse_controls(text)
    plain = _folded(text, name) if text.isascii() and "=?" not in text else ""
    return plain or Header(text, "utf-8", header_name=name, maxlinelen=LINE).encode(linesep="\r\n")


def _folded(text: str, name: str) -> str:
    """Return plain text, folded at single spaces; empty if a word is too long for a line, or spaces stand in a row."""
    room = _PLAIN_LINE - len(name) - 2
    if not all(0 < len(word) <= room for word in text.split(" ")):
        return ""
    if len(text) <= room:
        return text
    indent = " " * (len(name) + 2)
    return "\r\n".join(
        textwrap.wrap(
            text,
            _PLAIN_LINE,
            initial_indent=indent,
            subsequent_indent=" ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    ).removeprefix(indent)


def mailbox(display_name: str, address: str, name: str) -> str:
    """Return a folded `display name <address>` for the field `name`.

    Raises HeaderUnsafeError for control characters, and for an address that is not ASCII (it would need SMTPUTF8).
    """
    if not _ADDRESS.fullmatch(address) or len(address) > _MAX_ADDRESS:
        raise HeaderUnsafeError("The address contains characters that some mail servers do not accept.")
    shown = phrase(display_name, name)
    if not shown:
        return address
    _, folded, last_line = shown.rpartition("\r\n")
    used = len(last_line) + (0 if folded else len(name) + 2)
    gap = " " if used + len(address) + 3 <= LINE else "\r\n "
    return f"{shown}{gap}<{address}>"


def phrase(text: str, name: str) -> str:
    """Return a display name (RFC 5322 `phrase`) for the field `name`; empty for an empty one."""
    _refuse_controls(text)
    room = LINE - len(name) - 2
    if text.isascii() and "=?" not in text:  # what looks like an encoded-word would be decoded
        shown = text if _ATOMS.fullmatch(text) else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if len(shown) <= room:
            return shown if text else ""
        if folded := _folded(shown, name):  # also within quotation marks (RFC 5322 section 3.2.4)
            return folded
    word = f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?="
    if len(word) <= min(room, 75):
        return word  # as email.header would, forty times as fast
    return Header(text, "utf-8", header_name=name, maxlinelen=LINE).encode(linesep="\r\n")


def _refuse_controls(text: str) -> None:
    if has_controls(text):
        raise HeaderUnsafeError("A name or subject contains a line break or another control character.")


@dataclass(frozen=True, slots=True)
class Identity:
    """Sender and list of a publication, in one language. `archive_url` and `reply_to` may be empty."""

    sender_name: str
    sender_address: str
    list_name: str
    list_id: str
    reply_to: str = ""
    archive_url: str = ""

    @property
    def domain(self) -> str:
        """The domain of the sender's address, used in Message-IDs."""
        return self.sender_address.rpartition("@")[2]


def shared_header(identity: Identity, subject: str, *, about: str, part: str) -> bytes:
    """Return the fields shared by all recipients of an edition or kind of notice, each with its CRLF.

    `about` and `part` (such as `issue-21` and `en`) go into the Feedback-ID, by which a provider reports complaints.
    """
    fields = [
        ("From", mailbox(identity.sender_name, identity.sender_address, "From")),
        ("Subject", text_value(subject, "Subject")),
        ("List-Id", _list_id(identity)),
        ("Feedback-ID", feedback_id(about, part, identity.list_id, identity.domain)),
        # RFC 3834 section 5: keeps vacation programs from answering
        ("Auto-Submitted", "auto-generated"),
    ]
    if identity.reply_to:
        fields.append(("Reply-To", mailbox("", identity.reply_to, "Reply-To")))
    if identity.archive_url:
        fields.append(("List-Archive", _angle(identity.archive_url)))
    return "".join(f"{name}: {value}\r\n" for name, value in fields).encode("ascii")


@dataclass(slots=True)  # each mail makes one: not frozen
class Personal:
    """Personal header values. `unsubscribe_url` is empty where there is no subscription yet."""

    name: str
    address: str
    message_id: str
    unsubscribe_url: str = ""
    test: bool = False


def personal_header(personal: Personal, now: datetime) -> bytes:
    """Return one recipient's fields, each with its CRLF. `now` is when it is sent, not when it was rendered."""
    text = (
        f"To: {mailbox(personal.name, personal.address, 'To')}\r\n"
        f"Date: {_date(now.replace(microsecond=0))}\r\n"
        f"Message-ID: {personal.message_id}\r\n"
    )
    if personal.unsubscribe_url:
        # One line, whatever its length: providers do not unfold it reliably. RFC 8058 section 3.1.
        text += f"List-Unsubscribe: {_angle(personal.unsubscribe_url)}\r\n"
        text += "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    if personal.test:
        text += "X-Digestpress-Test: yes\r\n"
    return text.encode("ascii")


@lru_cache(maxsize=16)  # thousands of mails leave in the same second
def _date(second: datetime) -> str:
    return format_datetime(second)


def message_id(key: bytes, parts: Sequence[str], domain: str) -> str:
    """Return the Message-ID of what `parts` name, such as issue, number and ref: the same at each attempt.

    Keyed, so that it neither reveals the recipient nor can be forged.
    """
    return f"<{_keyed(key).digest(chr(0).join(parts).encode())[:20].hex()}@{domain}>"


_keyed = lru_cache(maxsize=4)(KeyedHash)


def message_id_of(key: bytes, promised: str, name: tuple[str, str], domain: str) -> str:
    """Return the Message-ID of a delivery (`name` is issue's number and ref) or notice (kind and key)."""
    return message_id(key, ("notice" if promised == "notice" else "issue", *name), domain)


def feedback_id(about: str, part: str, list_id: str, domain: str) -> str:
    """Return a Feedback-ID: three campaign identifiers and a sender id of 5 to 15 characters, nothing personal."""
    sender = (_FEEDBACK_PART.sub("", domain).replace(".", "").replace("-", "") or "sender")[:15].ljust(5, "0")
    return ":".join([*(_FEEDBACK_PART.sub("-", one)[:60] or "none" for one in (about, part, list_id)), sender])


def _list_id(identity: Identity) -> str:
    if not _DOMAIN.fullmatch(identity.list_id) or len(identity.list_id) > _MAX_LIST_ID:
        raise HeaderUnsafeError(
            f"The list id {identity.list_id!r} does not look like a domain name.", hint="news.example.org"
        )
    shown = phrase(identity.list_name, "List-Id")
    return f"{shown}\r\n <{identity.list_id}>" if shown else f"<{identity.list_id}>"


def _angle(url: str) -> str:
    if not _URL.fullmatch(url) or len(url) > MAX_LINE - 30:
        raise HeaderUnsafeError(f"The address {url[:80]!r} cannot be used in a mail's header.", hint="See base_url.")
    return f"<{url}>"
