"""Table of request counts, shared by web processes."""

from datetime import datetime

from sqlmodel import Field, SQLModel


class RateWindow(SQLModel, table=True):
    """Count of events in a time window. The key is a keyed hash: no address, no network."""

    __tablename__ = "rate_window"
    key: str = Field(primary_key=True, max_length=120)
    count: int
    expires_at: datetime = Field(index=True)
