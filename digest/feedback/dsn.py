"""Parser of delivery status notifications (RFC 3464). Pure.

Reports can be forged: one counts only with a Message-ID that cannot be guessed.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import policy
from email.message import Message
from email.parser import BytesParser

from digest.delivery.outcome import clean_reply
from digest.runtime.errors import ContentError

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 8
_MAX_PARTS = 200
_MAX_RECIPIENTS = 50

_STATUS = frozenset({"message/delivery-status", "message/global-delivery-status"})  # RFC 6533 adds "global"
_ORIGINAL = frozenset({"message/rfc822", "message/global"})
_HEADERS = frozenset({"text/rfc822-headers", "message/global-headers"})
_OPENS = re.compile(rb"boundary\s*=|message/(?:rfc822|global)\b", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{3,250}>")
_ENHANCED = re.compile(r"\s*([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")
_CODE = re.compile(r"\s*([245][0-9]{2})\b", re.ASCII)

# From the strongest to the weakest: a report about several recipients is as good as its best news.
ACTIONS = ("delivered", "relayed", "expanded", "delayed", "failed")


class NotAReportError(ContentError):
    """This mail is no report about a delivery."""


@dataclass(frozen=True, slots=True)
class ReportedRecipient:
    """Report about one recipient; `action` is one of ACTIONS, `words` are cleaned and may be kept."""

    address: str
    action: str
    enhanced: str | None
    code: int | None
    words: str


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """Report about the message of this Message-ID, for at least one recipient."""

    message_id: str
    recipients: tuple[ReportedRecipient, ...]

    def about(self, address: str) -> ReportedRecipient:
        """Return the report about this recipient; if they are not named, the best one about any."""
        own = [recipient for recipient in self.recipients if recipient.address.casefold() == address.casefold()]
        return min(own or self.recipients, key=lambda recipient: ACTIONS.index(recipient.action))


def read_report(data: bytes) -> DeliveryReport:
    """Return a mail's report. Raises NotAReportError with one of a few reasons for all else, however broken."""
    if len(data) > MAX_BYTES:
        raise NotAReportError("the mail is too big")
    # the parser recurses, so deep nesting is refused before it
    if len(_OPENS.findall(data)) > _MAX_PARTS:
        raise NotAReportError("the mail has too many parts")
    try:
        return _report(list(_parts(BytesParser(policy=policy.compat32).parsebytes(data), 0)))
    # the standard parser promises never to raise, and does for some broken charsets, encodings and nestings
    except (LookupError, ValueError, TypeError, AttributeError, AssertionError, RecursionError) as error:
        raise NotAReportError("the mail cannot be parsed") from error


def _parts(part: Message, depth: int) -> Iterator[Message]:
    if depth > MAX_DEPTH:
        raise NotAReportError("the mail is nested too deeply")
    yield part
    # what is inside of the returned original is not about this report
    if part.is_multipart() and part.get_content_type() not in _STATUS | _ORIGINAL:
        for inner in part.get_payload():
            if isinstance(inner, Message):
                yield from _parts(inner, depth + 1)


def _report(parts: Sequence[Message]) -> DeliveryReport:
    status = next((part for part in parts if part.get_content_type() in _STATUS), None)
    if status is None:
        raise NotAReportError("no report about a delivery (RFC 3464)")
    own_id = next((found for part in parts if (found := _original_id(part))), "")
    if not own_id:
        raise NotAReportError("the report does not name the message's Message-ID")
    recipients = tuple(recipient for recipient in _recipients(status) if recipient.action in ACTIONS)
    if not recipients:
        raise NotAReportError("the report has no action that is known")
    return DeliveryReport(own_id, recipients)


def _original_id(part: Message) -> str:
    kind, payload = part.get_content_type(), part.get_payload()
    if kind not in _ORIGINAL | _HEADERS:
        return ""
    # of a message/* type the parser has made a message already
    if isinstance(payload, list):
        return _message_id(payload[0]) if payload and isinstance(payload[0], Message) else ""
    raw = part.get_payload(decode=True)
    if kind in _HEADERS and isinstance(raw, bytes):
        return _message_id(BytesParser(policy=policy.compat32).parsebytes(raw, headersonly=True))
    return ""


def _message_id(original: Message) -> str:
    return next(iter(_MESSAGE_ID.findall(str(original.get("Message-ID", "")))), "")


def _recipients(status: Message) -> Iterator[ReportedRecipient]:
    blocks = status.get_payload()
    # the first block is about the message, those behind it are about one recipient each
    for block in (blocks if isinstance(blocks, list) else [])[: _MAX_RECIPIENTS + 1]:
        if isinstance(block, Message) and block.get("Action") is not None:
            code_of_status, diagnostic = str(block.get("Status", "")).strip(), _typed(block, "Diagnostic-Code")
            enhanced, code = _ENHANCED.match(code_of_status), _CODE.match(diagnostic)
            yield ReportedRecipient(
                _typed(block, "Original-Recipient") or _typed(block, "Final-Recipient"),
                str(block["Action"]).partition("(")[0].strip().lower(),
                enhanced.group(1) if enhanced else None,
                int(code.group(1)) if code else None,
                clean_reply(diagnostic or f"status {code_of_status}"),
            )


def _typed(block: Message, name: str) -> str:
    """Return a field's value without the type before its semicolon."""
    _, _, value = str(block.get(name, "")).partition(";")
    return " ".join(value.split())
