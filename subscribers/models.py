"""Tables of subscribers, consent and suppressions."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel


class SubscriberState(StrEnum):
    """State of a subscription; pausing is `paused_until`, beside the state."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"
    ERASED = "erased"


class Frequency(StrEnum):
    """How many of the issues a subscriber gets; the issues themselves stay the same."""

    EVERY = "every"
    SECOND = "second"
    THIRD = "third"


class Subscriber(SQLModel, table=True):
    """A person with an address. Erasing empties every personal column and keeps the row as a tombstone."""

    id: int | None = Field(default=None, primary_key=True)
    ref: str = Field(unique=True, max_length=32, description="random; what links carry instead of an address or id")
    address: str = Field(max_length=320)
    address_key: str | None = Field(default=None, unique=True, max_length=320, description="None once erased")
    suppression_key: str | None = Field(
        default=None, index=True, max_length=64, description="keyed hash of address_key; joins Suppression in SQL"
    )
    name: str = ""
    language: str = Field(max_length=35)
    format: str = Field(default="html", max_length=4, description="html | text")
    frequency: str = Field(default=Frequency.EVERY, max_length=8)
    interests: str = Field(default="*", description="sorted slugs joined by ';', '*' = all, '' = none")
    state: str = Field(default=SubscriberState.PENDING, max_length=12)
    paused_until: datetime | None = None
    created_at: datetime
    confirmed_at: datetime | None = None
    unsubscribed_at: datetime | None = None
    address_since: datetime | None = Field(
        default=None, description="last change of address; preferences links made before it no longer open"
    )
    # All that audience.counted groups by, in its order: readers are counted without being read.
    __table_args__: Any = (
        Index("ix_subscriber_group", "state", "language", "interests", "frequency", "format", "paused_until"),
    )


class ConsentEvent(SQLModel, table=True):
    """Consent given, changed or withdrawn: what, when, how, in which words. Append-only."""

    __tablename__ = "consent_event"
    id: int | None = Field(default=None, primary_key=True)
    subscriber_id: int = Field(foreign_key="subscriber.id", index=True)
    kind: str = Field(max_length=20, description="one of subscribers.consent.ConsentKind")
    method: str = Field(max_length=40, description="page, one-click, import, command")
    wording: str = Field(default="", max_length=40, description="version of the words shown")
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    happened_at: datetime


class Wording(SQLModel, table=True):
    """Text of a page as it was shown for consent; consent events name the version. Never changed."""

    version: str = Field(primary_key=True, max_length=40, description="page, language, and a hash of the text")
    language: str = Field(max_length=35)
    text: str
    first_used_at: datetime


class AddressChange(SQLModel, table=True):
    """Request for a new address, until it is confirmed there. Kept for two days at most."""

    __tablename__ = "address_change"
    id: int | None = Field(default=None, primary_key=True)
    subscriber_id: int = Field(foreign_key="subscriber.id", index=True)
    nonce: str = Field(unique=True, max_length=32, description="random; what the link carries")
    address: str = Field(max_length=320, description="empty as soon as it is of no use any more")
    suppression_key: str = Field(max_length=64, description="keyed hash of the new address")
    state: str = Field(max_length=8, description="asked, done, void")
    mailed_on: date | None = Field(default=None, description="the day of the mail, in UTC; NULL when none was due")
    requested_at: datetime = Field(index=True)
    # At most one mail per address a day; NULLs are distinct.
    __table_args__: Any = (UniqueConstraint("suppression_key", "mailed_on"),)


class Suppression(SQLModel, table=True):
    """An address on the never-send list, with a reason. Keyed by a hash, so that it survives erasure."""

    key: str = Field(primary_key=True, max_length=64)
    reason: str = Field(max_length=24, description="unsubscribed, erased, hard_bounce, soft_bounce, complaint, manual")
    source: str = ""
    created_at: datetime


class SignupDay(SQLModel, table=True):
    """Number of submissions of the sign-up form on a day (UTC), whatever their outcome."""

    __tablename__ = "signup_day"
    day: date = Field(primary_key=True)
    requests: int
