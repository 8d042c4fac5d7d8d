"""[retention]."""

from typing import Literal

from pydantic import Field

from digest.settings.part import SettingsTable


class Retention(SettingsTable):
    """How long what is known about people is kept, and when they are asked again. 0 turns a rule off."""

    pending_days: int = Field(
        default=30, ge=0, description="days after which unconfirmed readers are deleted; 0 = never"
    )
    reconsent_months: int = Field(
        default=0,
        ge=0,
        le=120,
        description="months after which readers are asked to confirm again, such as 24; 0 = never",
    )
    answer_days: int = Field(
        default=30, ge=7, le=60, description="days in which readers must answer when they are asked again"
    )
    unanswered: Literal["erase", "unsubscribe"] = Field(
        default="erase", description="what happens to readers who do not answer"
    )
    reply_days: int = Field(
        default=180, ge=0, description="days to keep servers' replies and the addresses of notices; 0 = forever"
    )
    audit_days: int = Field(default=730, ge=0, description="days to keep the audit log; 0 = forever")
    asks_per_hour: int = Field(default=500, ge=1, description="maximum number of emails per hour that ask for consent")
