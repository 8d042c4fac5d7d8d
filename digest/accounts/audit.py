"""The audit log: who did what to which object. Only added to; what [retention] lets go is deleted."""

import getpass
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import Session, col, select

from digest.accounts.models import AuditEntry
from digest.runtime.privacy import masked
from digest.runtime.text import cut

MAX_DETAIL = 300


class ActorRoute(StrEnum):
    """How somebody acted."""

    COMMAND_LINE = "command line"
    DESK = "desk"


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who acts: a login at the desk, the machine's user on its command line."""

    who: str
    route: ActorRoute


def machine_user() -> Actor:
    """Return the user of this machine who runs the command."""
    try:
        return Actor(getpass.getuser(), ActorRoute.COMMAND_LINE)
    except (OSError, KeyError):  # a container's user without a name
        return Actor(str(os.getuid()), ActorRoute.COMMAND_LINE)


def record(
    session: Session, actor: Actor, what: str, about: str, *, now: datetime, **details: str | int | None
) -> None:
    """Add an entry in the transaction of the act. Texts that people wrote lose addresses and secrets."""
    told = {
        name: value if isinstance(value, int) else cut(masked(value), MAX_DETAIL)
        for name, value in details.items()
        if value is not None and value != ""
    }
    session.add(AuditEntry(at=now, who=cut(actor.who, 120), route=actor.route, what=what, about=about, details=told))


def entries(
    session: Session,
    *,
    since: datetime | None = None,
    who: str = "",
    about: str = "",
    most: int | None = None,
    skip: int = 0,
) -> Sequence[AuditEntry]:
    """Return the entries, the newest first."""
    query = select(AuditEntry).order_by(col(AuditEntry.at).desc(), col(AuditEntry.id).desc()).limit(most).offset(skip)
    named = {name: value for name, value in (("who", who), ("about", about)) if value}
    query = query.filter_by(**named)
    return session.exec(query.where(col(AuditEntry.at) >= since) if since else query).all()


def in_words(entry: AuditEntry) -> str:
    """Return an entry's details in a line."""
    return ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in entry.details.items())
