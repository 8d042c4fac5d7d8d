"""Core tables of the outbox: no ORM objects on the path of each delivery (PERFORMANCE, ledger)."""

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, Table, Update, text, update
from sqlmodel import SQLModel

from digest.editions.models import Edition as _Edition
from digest.issues.models import Issue as _Issue
from digest.outbox.models import Attempt as _Attempt
from digest.outbox.models import BreakerRecord as _Breaker
from digest.outbox.models import Delivery as _Delivery
from digest.outbox.models import Notice as _Notice
from digest.outbox.models import PaceRecord as _Pace
from digest.outbox.models import WorkerRecord as _Worker
from digest.outbox.states import DUE, State, moves_to
from subscribers.models import Subscriber as _Subscriber
from subscribers.models import Suppression as _Suppression


def _table(model: type[SQLModel]) -> Table:
    table = SQLModel.metadata.tables[str(model.__tablename__)]
    assert isinstance(table, Table)  # noqa: S101 - for the type checker
    return table


ATTEMPT: Final = _table(_Attempt)
BREAKER: Final = _table(_Breaker)
DELIVERY: Final = _table(_Delivery)
EDITION: Final = _table(_Edition)
ISSUE: Final = _table(_Issue)
NOTICE: Final = _table(_Notice)
PACE: Final = _table(_Pace)
SUBSCRIBER: Final = _table(_Subscriber)
SUPPRESSION: Final = _table(_Suppression)
WORKER: Final = _table(_Worker)


class Promised(StrEnum):
    """Kind of promise: delivery of an issue, or notice. Both have the columns of `models.Promise`."""

    DELIVERY = "delivery"
    NOTICE = "notice"

    @property
    def table(self) -> Table:
        return DELIVERY if self is Promised.DELIVERY else NOTICE

    @property
    def attempt_key(self) -> str:
        """The column of `attempt` that refers to it."""
        return f"{self.value}_id"


# Written out, not as parameters: only then can the planners match the conditions of the partial indexes.
IS_DUE: Final = text(f"state IN ({', '.join(repr(state.value) for state in State if state in DUE)})")
IS_STARTED: Final = text(f"state = {State.STARTED.value!r}")


def move(
    table: Table, new: State, old: Collection[State], *conditions: ColumnElement[bool], restored: bool = False
) -> Update:
    """Return an UPDATE of the promises that meet `conditions` from one of `old` to `new`, if the states allow it."""
    state, values = table.c.state, moves_to(new, *old, restored=restored)
    before = state == values[0] if len(values) == 1 else state.in_(values)
    return update(table).where(*conditions, before).values(state=new.value)
