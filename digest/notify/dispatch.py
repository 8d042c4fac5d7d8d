"""Events become notices and webhook calls in the caller's transaction; workers send them."""

import hashlib
import json

from sqlmodel import Session

from digest.notify.event import Event, EventKind
from digest.notify.models import WebhookCall, WebhookState
from digest.outbox import notices
from digest.outbox.dialects import insert_new
from digest.render.notice_kind import NoticeKind
from digest.settings.operators import Operators


def tell(session: Session, operators: Operators, language: str, event: Event) -> bool:
    """Notify the operators of `event`, in the caller's transaction; return whether any recipient is configured.

    Safe to repeat: each address and the webhook get an event of the same key once.
    """
    if event.kind != EventKind.TEST and event.kind.value not in operators.wanted:
        return False
    for address in operators.addresses:
        notices.promise(
            session,
            NoticeKind.OPERATOR,
            f"{event.key}:{_short(address)}",
            address=address,
            language=language,
            now=event.at,
            context={"event": event.kind.value, "at": event.at.isoformat(), **event.as_json()},
        )
    if operators.webhook:
        row = {
            "key": event.key,
            "state": WebhookState.PENDING.value,
            "body": body_of(event),
            "due_at": event.at,
            "attempts": 0,
            "answer": "",
            "created_at": event.at,
        }
        session.execute(insert_new(session, WebhookCall.__table__).values(row))  # type: ignore[attr-defined]
    return bool(operators.addresses or operators.webhook)


def body_of(event: Event) -> str:
    """Return the JSON of a webhook call, in the form of Standard Webhooks: type, timestamp, data."""
    stamp = event.at.isoformat(timespec="seconds").replace("+00:00", "Z")
    body = {"type": f"digest.{event.kind.value}", "timestamp": stamp, "data": event.as_json()}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _short(address: str) -> str:
    """Return a hash of an address, as keys stand in logs and Message-IDs."""
    return hashlib.sha256(address.casefold().encode()).hexdigest()[:12]
