"""Parser of complaints: abuse reports (ARF, RFC 5965 and 6650). Pure."""

from email import message_from_bytes
from email.message import Message
from email.utils import getaddresses

from digest.feedback.parsed_mail import ParsedMail, header_of

REPORT = "message/feedback-report"
# "not-spam" takes a complaint back, and the others are about fraud or viruses in what looks like our mail.
_COUNTING = frozenset({"abuse", "opt-out", "opt-out-list", "complaint", "spam", "miscategorized", "unsubscribe"})


def feedback_fields(mail: ParsedMail) -> Message | None:
    """Return the fields of a complaint's machine-readable part; None if the mail is none."""
    part = mail.part({REPORT})
    if part is None:
        return None
    payload = part.get_payload()
    if isinstance(payload, list):
        inner = payload[0] if payload else None
        return inner if isinstance(inner, Message) else None
    raw = part.get_payload(decode=True)
    return message_from_bytes(raw) if isinstance(raw, bytes) else None


def counts(feedback_type: str) -> bool:
    """Return whether a report of this type is a reader's complaint."""
    return feedback_type.lower() in _COUNTING


def complainers(mail: ParsedMail, fields: Message) -> tuple[str, ...]:
    """Return the addresses it may be about; often none, as providers redact them."""
    values = [header_of(fields, name) for name in ("Original-Rcpt-To", "Removal-Recipient")]
    values += [header_of(original, name) for original in mail.originals for name in ("To", "Delivered-To")]
    found = (address for _, address in getaddresses([value for value in values if value]))
    return tuple(dict.fromkeys(address for address in found if "@" in address))
