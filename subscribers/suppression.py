"""Suppression list (never-send list) of keyed hashes of addresses, which survive erasure without personal data."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum

from sqlmodel import Session, func, select

from subscribers import store
from subscribers.errors import ConsentRefusedError, SecretUnusableError
from subscribers.models import Suppression

MIN_SECRET_OCTETS = 16


class SuppressionReason(StrEnum):
    """Why an address is suppressed."""

    UNSUBSCRIBED = "unsubscribed"
    ERASED = "erased"
    HARD_BOUNCE = "hard_bounce"
    SOFT_BOUNCE = "soft_bounce"
    COMPLAINT = "complaint"
    MANUAL = "manual"


# Decided by the subscriber: only their own new confirmation lifts it, never a command or an import.
PERSONAL = frozenset({SuppressionReason.UNSUBSCRIBED, SuppressionReason.ERASED})

# An address has one reason; a stronger one replaces a weaker. `erased` is strongest, since nothing else remembers it;
# `unsubscribed` is weakest, since the subscriber's state says it too.
STRENGTH = {
    SuppressionReason.UNSUBSCRIBED: 0,
    SuppressionReason.SOFT_BOUNCE: 1,
    SuppressionReason.HARD_BOUNCE: 2,
    SuppressionReason.MANUAL: 3,
    SuppressionReason.COMPLAINT: 4,
    SuppressionReason.ERASED: 5,
}


def key_of(address_key: str, secret: bytes) -> str:
    """Return the HMAC-SHA256 of an address key, 64 hex digits. `secret` never rotates, so that old hashes match."""
    if len(secret) < MIN_SECRET_OCTETS:
        raise SecretUnusableError(f"The suppression key needs {MIN_SECRET_OCTETS} bytes or more")
    return hmac.digest(secret, address_key.encode(), hashlib.sha256).hex()


def key_id(secret: bytes) -> str:
    """Return a fingerprint of the key; hashes of two installations are comparable if it is the same."""
    return key_of("which key is this", secret)[:8]


def add(session: Session, key: str, reason: SuppressionReason, now: datetime, *, source: str = "") -> bool:
    """Suppress the address with this hash; False if it was suppressed before for this or a stronger reason.

    Locks the subscriber's row: a running take ends first, and later ones see the suppression.
    """
    store.lock_by_suppression_key(session, key)
    return _put(session, session.get(Suppression, key), key, reason, now=now, source=source)


def add_all(session: Session, sources: Mapping[str, str], reason: SuppressionReason, now: datetime) -> int:
    """Suppress several addresses, whose subscribers' rows the caller has locked; as `add` otherwise.

    `sources` has the source by hash. Returns how many were not suppressed for this or a stronger reason.
    """
    found = store.suppressions_of(session, list(sources))
    return sum(_put(session, found.get(key), key, reason, now=now, source=source) for key, source in sources.items())


def _put(
    session: Session, found: Suppression | None, key: str, reason: SuppressionReason, *, now: datetime, source: str
) -> bool:
    if found is None:
        session.add(Suppression(key=key, reason=reason, source=source, created_at=now))
        return True
    if STRENGTH[reason] <= STRENGTH[SuppressionReason(found.reason)]:
        return False
    found.reason, found.source, found.created_at = reason, source, now
    session.add(found)
    return True


def remove(session: Session, key: str) -> bool:
    """Lift a suppression for the publisher; False if there is none. Refuses to lift a subscriber's own decision."""
    found = session.get(Suppression, key)
    if found is None:
        return False
    if found.reason in PERSONAL:
        raise ConsentRefusedError(
            f"This address is suppressed at the reader's own request ({found.reason})",
            hint="Only a new confirmation by the reader lifts it: ask them to sign up again.",
        )
    session.delete(found)
    session.flush()  # a look-up by key would still find it in the session's memory
    return True


def lift_by_confirmation(session: Session, key: str) -> None:
    """Lift the subscriber's own decision after they confirmed again. Bounces and complaints stay."""
    found = session.get(Suppression, key)
    if found is not None and found.reason in PERSONAL:
        session.delete(found)
        session.flush()


def lookup(session: Session, key: str) -> Suppression | None:
    """Return the suppression of the address with this hash."""
    return session.get(Suppression, key)


def listing(session: Session, after: Suppression | None = None) -> Iterator[tuple[str, str, str, datetime]]:
    """Yield key, reason, source and time of every suppression, the newest first; those after one if it is given."""
    return store.suppressions(session, after)


def count(session: Session) -> int:
    return session.exec(select(func.count()).select_from(Suppression)).one()
