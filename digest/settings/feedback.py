"""[feedback]: what comes back."""

import re
from typing import Literal

from email_validator import EmailNotValidError, validate_email
from pydantic import Field, field_validator, model_validator

from digest.settings.part import LOOPBACK_HOSTS, SettingsTable

_TOPIC = re.compile(r"arn:aws[a-z-]{0,20}:sns:[a-z0-9-]{1,40}:[0-9]{12}:[A-Za-z0-9_.-]{1,256}")
LONGEST_LOCAL_PART = 29
"""Octets: with a plus and a token an address has at most 64 before its @."""


class FeedbackMailbox(SettingsTable):
    """[[feedback.mailbox]]: a mailbox that `digest feedback poll` reads, by IMAP or as a Maildir."""

    host: str = Field(default="", description="IMAP server; or set maildir")
    port: int = Field(default=993, ge=1, le=65535)
    tls: Literal["implicit", "required", "none"] = Field(
        default="implicit", description="implicit (port 993), required (STARTTLS), none (only on loopback)"
    )
    username: str = ""
    password_file: str = Field(default="", description="file with the password, mode 0600, within the workspace")
    folder: str = Field(
        default="INBOX", description="the mailbox's folder; emails that have been read stay there, marked as seen"
    )
    maildir: str = Field(default="", description="path of a Maildir; emails that have been read move from new to cur")

    @model_validator(mode="after")
    def _one_way(self) -> "FeedbackMailbox":
        if bool(self.host) == bool(self.maildir):
            message = "a mailbox needs either host (IMAP) or maildir"
            raise ValueError(message)
        if self.host and not (self.username and self.password_file):
            message = "a mailbox with host needs username and password_file"
            raise ValueError(message)
        if self.tls == "none" and self.host not in {*LOOPBACK_HOSTS, ""}:
            message = 'tls = "none" is allowed for a server on this machine only'
            raise ValueError(message)
        return self

    @property
    def name(self) -> str:
        return self.maildir or f"{self.username} at {self.host}:{self.port}"


class Feedback(SettingsTable):
    """Where bounces and complaints come back to, and how long their samples are kept."""

    return_path: str = Field(
        default="",
        description="mailbox for bounces, such as bounces@news.example.org; each email's envelope sender is "
        "bounces+TOKEN@news.example.org. Empty: the sender's address, without a token",
    )
    sample_days: int = Field(default=90, ge=1, le=3650, description="days to keep copies of bounces")
    mailbox: tuple[FeedbackMailbox, ...] = Field(default=(), description="mailboxes that `digest feedback poll` reads")

    ses_topics: tuple[str, ...] = Field(
        default=(), description="ARNs of the Amazon SNS topics to which Amazon SES reports; SNS calls /webhooks/ses"
    )
    postmark_secret_file: str = Field(
        default="",
        description="file that contains the secret with which Postmark calls /webhooks/postmark of `digest serve`, "
        "mode 0600, within the workspace; emails then have X-PM- headers for Postmark",
    )

    @field_validator("ses_topics")
    @classmethod
    def _topics(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := next((one for one in value if not _TOPIC.fullmatch(one)), None):
            raise ValueError(f"{wrong[:80]!r} is not a topic such as arn:aws:sns:eu-west-1:123456789012:bounces")
        return value

    @field_validator("return_path")
    @classmethod
    def _address(cls, value: str) -> str:
        if not value:
            return value
        try:
            checked = validate_email(value, check_deliverability=False, test_environment=True)
        except EmailNotValidError as error:
            raise ValueError(str(error)) from error
        if checked.ascii_email is None or len(checked.local_part) > LONGEST_LOCAL_PART:
            message = f"return_path needs an ASCII local part of at most {LONGEST_LOCAL_PART} characters"
            raise ValueError(message)
        return checked.ascii_email
