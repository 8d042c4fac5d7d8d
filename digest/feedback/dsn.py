"""Parser of delivery status notifications (RFC 3464). Pure.

Reports can be forged: one counts only with a Message-ID that cannot be guessed.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message

from digest.delivery.outcome import clean_reply
from digest.feedback.parsed_mail import PoisonMailError, parse
from digest.runtime.errors import ContentError

_MAX_RECIPIENTS = 50
_RECIPIENTS = ("Original-Recipient", "Final-Recipient")

_ENHANCED = re.compile(r"\s*([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")
_CODE = re.compile(r"\s*([245][0-9]{2})\b", re.ASCII)
_TYPE = re.compile(r"\s*[A-Za-z0-9-]{1,40}\s*;")
_IN_WORDS = re.compile(r"(?<=[245]\d\d[ -])#?([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")

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
        return about(self.recipients, address)


def about(recipients: Sequence[ReportedRecipient], address: str) -> ReportedRecipient:
    """Return the report about this recipient; if they are not named, the best one about any."""
    own = [recipient for recipient in recipients if recipient.address.casefold() == address.casefold()]
    return min(own or recipients, key=lambda recipient: ACTIONS.index(recipient.action))


def read_report(data: bytes) -> DeliveryReport:
    """Return a mail's report. Raises NotAReportError with one of a few reasons for all else, however broken."""
    try:
        mail = parse(data)
    except PoisonMailError as error:
        raise NotAReportError(error.message) from error
    if mail.status is None:
        raise NotAReportError("not a delivery report (RFC 3464)")
    if not mail.message_ids:
        raise NotAReportError("the report does not contain the message's Message-ID")
    recipients = reported(mail.status)
    if not recipients:
        raise NotAReportError("the report's action is unknown")
    return DeliveryReport(mail.message_ids[0], recipients)


def reported(status: Message) -> tuple[ReportedRecipient, ...]:
    """Return what the machine-readable part of a report says, for each recipient with a known action."""
    return tuple(recipient for recipient in _recipients(status) if recipient.action in ACTIONS)


def _recipients(status: Message) -> Iterator[ReportedRecipient]:
    blocks = status.get_payload()
    # the first block is about the message, those behind it are about one recipient each
    for block in (blocks if isinstance(blocks, list) else [])[: _MAX_RECIPIENTS + 1]:
        if isinstance(block, Message) and block.get("Action") is not None:
            address = next(filter(None, (_untyped(str(block.get(name, ""))) for name in _RECIPIENTS)), "")
            action = str(block["Action"]).partition("(")[0].strip().lower()
            yield of_fields(address, action, str(block.get("Status", "")), str(block.get("Diagnostic-Code", "")))


def of_fields(address: str, action: str, status: str, diagnostic: str) -> ReportedRecipient:
    """Return what the fields about one recipient say; providers that report by a webhook use the same."""
    status, diagnostic = status.strip(), _untyped(diagnostic)
    enhanced, code = _ENHANCED.match(status), _CODE.match(diagnostic)
    if enhanced is None or enhanced[1].endswith(".0.0"):  # then the server's own words know better
        enhanced = _IN_WORDS.search(diagnostic[:200]) or enhanced
    return ReportedRecipient(
        address,
        action,
        enhanced.group(1) if enhanced else None,
        int(code.group(1)) if code else None,
        clean_reply(diagnostic or f"status {status}"),
    )


def _untyped(value: str) -> str:
    """Return a field's value, in one line, without the type before its semicolon."""
    kind = _TYPE.match(value)
    return " ".join(value[kind.end() if kind else 0 :].split()).strip("<>")
