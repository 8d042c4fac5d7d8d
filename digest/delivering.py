"""Keeping what was promised: a worker with all its parts. It knows nothing of how an issue is made, nor loads it."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from digest.address_change import forget_expired
from digest.bootstrap import Works, carrier_of, evidence_of, meter_of
from digest.delivery.ledger import PAUSES
from digest.delivery.stopping import stopping_on_signals
from digest.delivery.tally import Tally
from digest.delivery.transport import Carrier
from digest.delivery.worker import Run, Worker
from digest.issues import store as issue_store
from digest.outbox import store
from digest.outbox.states import DUE, State
from digest.runtime.db import session_scope


def deliver(works: Works, issue_id: int, carrier: Carrier, progress: Callable[[Tally], None]) -> Run:
    """Deliver notices and an issue until nothing is due, the relay gives up, or a signal says stop."""
    with _worker(works, carrier, progress) as worker, stopping_on_signals(worker):
        return worker.deliver_all([issue_id])


def work(
    works: Works,
    number: int | None,
    *,
    relay: str,
    progress: Callable[[Tally], None],
    stopping: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Deliver whatever is due, of every issue that is being sent (or of one), and all notices; return the outcomes.
    Requests for another address that came to nothing are forgotten, since somebody has to look at the clock.

    `stopping` is asked once, when signals begin to reach the worker: had one come before, it would work to the end.
    """
    issues = _issues(works, number)
    forget_expired(works)
    with _worker(works, carrier_of(works, relay), progress) as worker, stopping_on_signals(worker):
        if stopping():
            worker.stop()
        run = worker.deliver_all(issues)
    outcomes = {state.value: 0 for state in State} | run.outcomes
    uncertain = _count(works, issues, {State.UNCERTAIN})
    return {"outcomes": outcomes, "uncertain": uncertain, "next_due": run.next_due, "stopped": run.stopped}


def due(works: Works, number: int | None) -> int:
    """Return how many deliveries are still to be made, of every issue that is being sent or of one."""
    return _count(works, _issues(works, number), DUE)


def _count(works: Works, issues: Sequence[int], states: Collection[State]) -> int:
    with session_scope(works.engine, read_only=True) as session:
        return sum(store.counts(session, issue_id)[state] for issue_id in issues for state in states)


def _issues(works: Works, number: int | None) -> list[int]:
    with session_scope(works.engine, read_only=True) as session:
        return store.sending(session) if number is None else [issue_store.find(session, number).id or 0]


def _worker(works: Works, carrier: Carrier, progress: Callable[[Tally], None]) -> Worker:
    patience = works.settings.delivery.patience
    pauses: list[float] = []
    for pause in PAUSES:
        if sum(pauses) + pause <= patience:
            pauses.append(pause)
    return Worker(
        works.engine,
        carrier,
        works.letters,
        works.clock,
        works.place,
        meter=meter_of(works, carrier),
        evidence=evidence_of(carrier),
        progress=progress,
        pauses=tuple(pauses),
    )
