"""Who did not get an issue, or not for certain, and why: read in batches, and written as CSV."""

import csv
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from digest.issues.models import Issue
from digest.outbox.states import State
from digest.runtime.atomic_file import whole_file
from digest.send import listing
from digest.send.context import SendContext

UNREACHED = (State.REJECTED, State.EXPIRED, State.UNCERTAIN, State.DEFERRED, State.CANCELLED, State.SKIPPED)
"""States of deliveries that have not reached their readers, or not for certain, in the order of the list."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class MissedReader:
    """Somebody who did not get an issue; without name and address if they were erased since.

    `state` is that of their delivery, or `excluded` for somebody who has none.
    """

    address: str
    name: str
    state: str
    reason: str

    @property
    def text(self) -> str:
        """The reason without the state."""
        return self.reason.removeprefix(self.state).removeprefix(": ")


def missed(context: SendContext, issue: Issue) -> Iterator[MissedReader]:
    """Yield who did not get an issue: those with a delivery by state, then the excluded. Nobody before it is frozen."""
    if issue.frozen_at is None:
        return
    for state in (*UNREACHED, listing.EXCLUDED):
        yield from in_state(context, issue.number, state)


def in_state(context: SendContext, number: int, state: str) -> Iterator[MissedReader]:
    for one in listing.listed(context, number, state):
        yield MissedReader(one.address, one.name, str(state), one.why)


def write_csv(path: Path, readers: Iterator[MissedReader]) -> int:
    """Write a file for spreadsheets, readable by its owner only; return the number of its lines.

    A cell that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    count = 0
    with whole_file(path, mode=0o600) as partial, partial.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(MissedReader))
        for count, one in enumerate(readers, start=1):  # noqa: B007 - the last number is the result
            cells = asdict(one).values()
            writer.writerow(f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells)
    return count
