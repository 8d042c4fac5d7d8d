"""[operators] and [metrics]."""

from typing import Literal, get_args

from email_validator import EmailNotValidError, validate_email
from pydantic import Field, field_validator, model_validator

from digest.settings.part import SettingsTable, check_post_url

EventName = Literal[
    "assembled",
    "needs_approval",
    "started",
    "halted",
    "finished",
    "missed",
    "uncertain_waiting",
    "policy_bounces",
    "report",
]
"""Names of operator events, as in digest.notify."""


class Operators(SettingsTable):
    """Who is told what happens: by email through the same relay, and by webhook."""

    addresses: tuple[str, ...] = Field(default=(), description="addresses to notify by email")
    webhook: str | None = Field(
        default=None, description="https address that receives notifications as signed JSON, by POST"
    )
    webhook_secret_file: str | None = Field(
        default=None, description="file that contains the webhook's secret (whsec_…), mode 0600, within the workspace"
    )
    events: tuple[EventName, ...] | None = Field(default=None, description="events to notify about; default: all")

    @field_validator("addresses")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            for address in value:
                validate_email(address, check_deliverability=False, test_environment=True)
        except EmailNotValidError as error:
            raise ValueError(str(error)) from error
        return tuple(dict.fromkeys(value))

    @field_validator("webhook")
    @classmethod
    def _webhook(cls, value: str | None) -> str | None:
        if value is not None:
            check_post_url(value, "the webhook")
        return value

    @model_validator(mode="after")
    def _signed(self) -> "Operators":
        if self.webhook and not self.webhook_secret_file:
            message = "webhook needs webhook_secret_file, so that the receiver can verify calls"
            raise ValueError(message)
        return self

    @property
    def wanted(self) -> frozenset[str]:
        """The events that operators get."""
        return frozenset(get_args(EventName) if self.events is None else self.events)


class MetricsSettings(SettingsTable):
    """Figures for Prometheus."""

    token_file: str | None = Field(
        default=None,
        description="file that contains the bearer token of /metrics, mode 0600; without it, `digest serve` has no "
        "/metrics",
    )
