"""Tables of accounts, their sessions at the desk, review links, and the audit log."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel


class Role(StrEnum):
    """What an account may do at the desk; one may have several."""

    EDITOR = "editor"
    APPROVER = "approver"
    OPERATOR = "operator"
    READER = "reader"  # of reports


class Account(SQLModel, table=True):
    """A person who works on the publication. None is ever deleted: the audit log names them."""

    __tablename__ = "account"
    id: int | None = Field(default=None, primary_key=True)
    login: str = Field(max_length=60, unique=True, description="folded: one for all spellings")
    name: str = Field(max_length=120)
    roles: list[str] = Field(sa_column=Column(JSON, nullable=False))
    password_hash: str = Field(max_length=200, description="Argon2id, as a PHC string")
    totp_secret: str = Field(max_length=200, description="encrypted by a key of the workspace")
    totp_step: int = Field(default=0, description="of the last code that was used: each is valid once")
    created_at: datetime
    disabled_at: datetime | None = None

    @property
    def active(self) -> bool:
        """Whether the person may sign in."""
        return self.disabled_at is None

    def has(self, *roles: Role) -> bool:
        """Return whether the account has one of these roles."""
        return not set(roles).isdisjoint(self.roles)


class DeskSession(SQLModel, table=True):
    """A session at the desk. The cookie's token is kept as a keyed hash; the machine's user has no account."""

    __tablename__ = "desk_session"
    id: int | None = Field(default=None, primary_key=True)
    token_hash: str = Field(max_length=64, unique=True)
    account_id: int | None = Field(default=None, foreign_key="account.id", index=True)
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None


class ReviewLink(SQLModel, table=True):
    """A link by which somebody without an account reads an issue's editions. Its token is kept as a keyed hash."""

    __tablename__ = "review_link"
    id: int | None = Field(default=None, primary_key=True)
    token_hash: str = Field(max_length=64, unique=True)
    issue: int = Field(description="the issue's number")
    issue_hash: str = Field(max_length=64, description="what an approval would have been bound to when it was made")
    made_by: str = Field(max_length=120)
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None


class AuditEntry(SQLModel, table=True):
    """What somebody did. Append-only, without secrets and readers' addresses; [retention] says for how long."""

    __tablename__ = "audit_entry"
    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(index=True)
    who: str = Field(max_length=120, description="a login, or the machine's user")
    route: str = Field(max_length=20, description="command line | desk")
    what: str = Field(max_length=40)
    about: str = Field(default="", max_length=120)
    details: dict[str, str | int] = Field(sa_column=Column(JSON, nullable=False))
