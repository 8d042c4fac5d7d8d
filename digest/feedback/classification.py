"""Classification of incoming mail: delivery reports, complaints, other bounces by their words, automatic mail. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum

from digest.delivery.mail.return_path import Claim, claims
from digest.delivery.outcome import Reason
from digest.feedback.auto_replies import is_automatic, is_receipt
from digest.feedback.bounce_reason import reason_of
from digest.feedback.bounce_text import in_words, looks_returned, read_text
from digest.feedback.complaint import complainers, counts, feedback_fields
from digest.feedback.dsn import ReportedRecipient, about, reported
from digest.feedback.models import FeedbackKind
from digest.feedback.parsed_mail import PARSER_ERRORS, ParsedMail, PoisonMailError, header_of, parse

_OUR_ID_IN_TEXT = re.compile(r"<[0-9a-f]{40}@[A-Za-z0-9.-]{1,255}>")
_OUR_ID = re.compile(_OUR_ID_IN_TEXT.pattern.encode())
_MAX_CLAIMS = 5
_MAX_IDS = 5


class MailForm(StrEnum):
    """What kind of mail it is."""

    REPORT = "report"
    COMPLAINT = "complaint"
    AUTOMATIC = "automatic"
    NOTHING = "nothing"
    """Nothing that we understand."""


@dataclass(frozen=True, slots=True)
class Understood:
    """What a mail says: its form, who understood it, about which recipients and messages.

    `claims` are return paths of ours that it may name, unchecked; the recipients of a complaint have no report.
    """

    form: MailForm
    reader: str
    recipients: tuple[ReportedRecipient, ...] = ()
    addresses: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()

    def about(self, address: str) -> tuple[FeedbackKind, Reason | None, ReportedRecipient | None]:
        """Return what it means for the recipient with this address: the kind, the reason of a failure, the words."""
        if self.form is MailForm.COMPLAINT:
            return FeedbackKind.COMPLAINT, None, None
        if self.form is MailForm.AUTOMATIC:
            return FeedbackKind.IGNORED, None, None
        if not self.recipients:
            return FeedbackKind.UNKNOWN, None, None
        recipient = about(self.recipients, address)
        return *kind_of(recipient), recipient


def kind_of(recipient: ReportedRecipient) -> tuple[FeedbackKind, Reason | None]:
    """Return the kind and reason of a report: hard only where the words or the code say that there is no mailbox."""
    if recipient.action != "failed":
        return FeedbackKind.DELIVERED, None
    reason = reason_of(recipient)
    if reason.is_ours:
        return FeedbackKind.POLICY, reason
    temporary = recipient.code // 100 == 4 if recipient.code else (recipient.enhanced or "").startswith("4")
    return FeedbackKind.HARD if reason.is_about_address and not temporary else FeedbackKind.SOFT, reason


def understand(data: bytes) -> Understood:
    """Return what a mail says. Raises PoisonMailError for one beyond the limits, and nothing else."""
    mail = parse(data)
    try:
        return _named(_read(mail), mail)
    except PARSER_ERRORS as error:
        raise PoisonMailError("the mail cannot be parsed") from error


def _read(mail: ParsedMail) -> Understood:
    fields = feedback_fields(mail)
    if fields is not None:
        form = MailForm.COMPLAINT if counts(header_of(fields, "Feedback-Type")) else MailForm.AUTOMATIC
        return Understood(form, "rfc5965", addresses=complainers(mail, fields))
    if mail.status is not None and (recipients := reported(mail.status)):
        told = tuple(in_words(one, mail) for one in recipients)
        return Understood(MailForm.REPORT, "rfc3464", told)
    returned = looks_returned(mail)
    if is_automatic(mail) and not returned and not (is_receipt(mail) and "reject" in mail.header("Subject").lower()):
        return Understood(MailForm.AUTOMATIC, "automatic")
    if found := read_text(mail) if returned or is_receipt(mail) else None:
        return Understood(MailForm.REPORT, *found)
    return Understood(MailForm.AUTOMATIC, "automatic") if is_automatic(mail) else Understood(MailForm.NOTHING, "none")


def _named(read: Understood, mail: ParsedMail) -> Understood:
    """Add how the mail names what it is about."""
    if read.form in {MailForm.AUTOMATIC, MailForm.NOTHING}:
        return read
    addresses = read.addresses or tuple(dict.fromkeys(one.address for one in read.recipients if "@" in one.address))
    claimed = claims(mail.raw)[:_MAX_CLAIMS]
    own_ids = () if claimed else _message_ids(mail)
    return Understood(read.form, read.reader, read.recipients, addresses, own_ids, claimed)


def _message_ids(mail: ParsedMail) -> tuple[str, ...]:
    found = [match.decode() for match in _OUR_ID.findall(mail.raw)]
    # encoded, it is in the parts only
    found = found or [*mail.message_ids, *_OUR_ID_IN_TEXT.findall(mail.text)]
    return tuple(dict.fromkeys(found))[:_MAX_IDS]
