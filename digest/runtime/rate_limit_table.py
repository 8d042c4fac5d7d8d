"""The table that several web processes share: how much was asked for in the present windows of time."""

from datetime import datetime

from sqlmodel import Field, SQLModel


class RateWindow(SQLModel, table=True):
    """How often something happened in a window of time. The key is a keyed hash: no address, no network."""

    __tablename__ = "rate_window"
    key: str = Field(primary_key=True, max_length=120)
    count: int
    expires_at: datetime = Field(index=True)
