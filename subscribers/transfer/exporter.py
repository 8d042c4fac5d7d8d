"""Export of all subscribers with consent and suppressions as CSV or JSON Lines, and of one person's data."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlmodel import Session

from subscribers import store, suppression
from subscribers.consent import ConsentKind
from subscribers.models import ConsentEvent, Subscriber, Suppression
from subscribers.transfer.rows import EXPORTED, as_cells

BATCH = 1_000


def export_csv(session: Session, secret: bytes) -> Iterator[str]:
    """Yield the lines of a CSV file for the import, with a byte order mark, without which spreadsheets garble Korean.

    It includes unsubscribed and suppressed people, so that other installations respect that; of erased people only the
    hash, made with `secret`.
    """
    yield "\ufeff" + as_csv(EXPORTED)
    for line in _everything(session, secret):
        events = json.dumps(line["consent"], ensure_ascii=False) if line.get("consent") is not None else ""
        cells = {column: line.get(column) or "" for column in EXPORTED} | {"consent": events}
        if "interests" in line:
            # A blank cell would come back as "all".
            cells["interests"] = ";".join(line["interests"]) or ";"
        yield as_csv(as_cells(cells, EXPORTED))


def export_json_lines(session: Session, secret: bytes) -> Iterator[str]:
    """Yield one JSON object a line: each subscriber, then the suppressed hashes without a subscriber."""
    for line in _everything(session, secret):
        yield json.dumps({name: value for name, value in line.items() if value is not None}, ensure_ascii=False) + "\n"


def as_csv(cells: Sequence[str]) -> str:
    """Return one line of CSV with its line end."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


def _everything(session: Session, secret: bytes) -> Iterator[Mapping[str, Any]]:
    for people in store.everyone(session, BATCH):
        ids = [person.id or 0 for person in people]
        events = {of: list(group) for of, group in groupby(store.events_of(session, ids), lambda e: e.subscriber_id)}
        held = store.suppressions_of(session, [person.suppression_key or "" for person in people])
        for person in people:
            mine = events.get(person.id or 0, [])
            yield _reader(person, mine, held.get(person.suppression_key or ""))
    made_with = suppression.key_id(secret)
    for lone in store.suppressions_without_subscriber(session, BATCH):
        yield {
            "suppression_key": f"{made_with}:{lone.key}",
            "suppressed": lone.reason,
            "suppressed_at": lone.created_at.isoformat(),
            "suppressed_by": lone.source,
        }


def _reader(person: Subscriber, events: Sequence[ConsentEvent], held: Suppression | None) -> dict[str, object]:
    imported = [event for event in events if event.kind == ConsentKind.IMPORTED]
    return {
        "email": person.address,
        "name": person.name,
        "interests": [slug for slug in person.interests.split(";") if slug],
        "language": person.language,
        "format": person.format,
        "frequency": person.frequency,
        "status": person.state,
        "confirmed_at": _written(person.confirmed_at),
        "consent_source": str(imported[-1].detail.get("source", "")) if imported else "",
        "paused_until": _written(person.paused_until),
        "ref": person.ref,
        "created_at": _written(person.created_at),
        "unsubscribed_at": _written(person.unsubscribed_at),
        "suppressed": held.reason if held else "",
        "suppressed_at": _written(held.created_at) if held else None,
        "suppressed_by": held.source if held else "",
        "consent": [event_view(event) for event in events],
    }


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def event_view(event: ConsentEvent) -> Mapping[str, Any]:
    """Return a consent event as exports have it."""
    return {
        "kind": event.kind,
        "method": event.method,
        "wording": event.wording,
        "detail": event.detail,
        "at": event.happened_at.isoformat(),
    }


def show_person(session: Session, person: Subscriber) -> dict[str, Any]:
    """Return the data in the subscribers' tables about a person, ready for JSON."""
    held = suppression.lookup(session, person.suppression_key) if person.suppression_key else None
    return {
        "address": person.address,
        "name": person.name,
        "language": person.language,
        "format": person.format,
        "frequency": person.frequency,
        "state": person.state,
        "interests": [slug for slug in person.interests.split(";") if slug],
        "created_at": person.created_at.isoformat(),
        "confirmed_at": _written(person.confirmed_at),
        "unsubscribed_at": _written(person.unsubscribed_at),
        "paused_until": _written(person.paused_until),
        "consent": [event_view(event) for event in store.events(session, person)],
        "suppression": {"reason": held.reason, "since": held.created_at.isoformat()} if held else None,
    }
