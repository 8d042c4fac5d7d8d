"""[retention]."""

from typing import Literal

from pydantic import Field

from digest.settings.part import SettingsTable


class Retention(SettingsTable):
    """How long what is known about people is kept, and when they are asked again. 0 turns a rule off."""

    pending_days: int = Field(
        default=30, ge=0, description="days after which those who never confirmed are forgotten; 0 = never"
    )
    reconsent_months: int = Field(
        default=0, ge=0, le=120, description="months after which consent is asked for again, such as 24; 0 = never"
    )
    answer_days: int = Field(default=30, ge=7, le=60, description="days to answer when consent is asked for again")
    unanswered: Literal["erase", "unsubscribe"] = Field(
        default="erase", description="what becomes of who does not answer"
    )
    reply_days: int = Field(
        default=180, ge=0, description="days for which servers' replies and the addresses of notices are kept; 0 = ever"
    )
    asks_per_hour: int = Field(default=500, ge=1, description="most mails an hour that ask for consent")
