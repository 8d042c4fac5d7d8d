"""A worker that stays: woken by announcements and by the clock, until a signal says stop."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from digest.app import Works
from digest.delivery.wakeup.event import Bell
from digest.outbox.states import State
from digest.runtime.db import check_revision
from digest.runtime.signals import stopping_on_signals
from digest.send.worker import work


def stay(works: Works, number: int | None, *, relay: str, told: Callable[[str], None]) -> dict[str, Any]:
    """Deliver whatever becomes due (of one issue, or of all, and notices) until stopped; return all outcomes.

    `told` gets a line for a person whenever something was done. A relay that refuses us ends it, and so does a schema
    that is newer than this version, before anything is taken.
    """
    bell, outcomes = Bell(), Counter[str]({state.value: 0 for state in State})
    upcoming: datetime | None = None

    def deliver() -> None:
        nonlocal upcoming
        # the schema may have been upgraded since we began: whoever starts us again has the new version
        check_revision(works.engine)
        done = work(works, number, relay=relay, progress=lambda _settled: None, stopping=lambda: bell.stopping)
        outcomes.update(done["outcomes"])
        counts = ", ".join(f"{count} {outcome}" for outcome, count in done["outcomes"].items() if count)
        if counts or done["next_due"] != upcoming:
            told(_line(counts, done["next_due"]))
        upcoming = done["next_due"]

    with works.webhook.beside(), stopping_on_signals(bell.stop):
        told(f"Staying. Woken by {works.dispatcher.how}. SIGTERM or Ctrl-C stops it after the message on the wire.")
        works.dispatcher.run(deliver, bell, told, only=number)
    told("Stopped.")
    return {"outcomes": dict(outcomes), "next_due": upcoming}


def _line(counts: str, upcoming: datetime | None) -> str:
    later = f" More is due at {upcoming.isoformat(timespec='seconds')}." if upcoming else ""
    return f"{counts or 'Nothing was due'}.{later}"
