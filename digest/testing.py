"""Public fakes at our own ports, for our tests and others'; held to the ports' contracts."""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from digest.delivery.transport import Envelope, Reply
from digest.outbox.states import Outcome


class FrozenClock:
    """A clock that moves only when told to, or when somebody sleeps on it."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._monotonic = self._asleep = 0.0

    def now(self) -> datetime:
        """Return the instant it was set to."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds it was moved by in all."""
        return self._monotonic

    def asleep(self) -> float:
        """Return how many of these the machine was suspended."""
        return self._asleep

    def sleep(self, seconds: float) -> None:
        """Move on by `seconds` at once."""
        self.move(seconds=seconds)

    def move(self, *, seconds: float = 0, days: float = 0, suspended: bool = False) -> None:
        """Move on, perhaps as a machine that is suspended meanwhile."""
        step = timedelta(seconds=seconds, days=days)
        self._now += step
        self._monotonic += step.total_seconds()
        self._asleep += step.total_seconds() if suspended else 0.0


class ScriptedTransport:
    """A transport that answers from a script and keeps what it was given; past the script it accepts."""

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        self._outcomes = deque(outcomes)
        self.sent: list[tuple[Envelope, bytes]] = []

    def send(self, envelope: Envelope, message: Sequence[bytes]) -> Reply:
        """Keep the message and answer with the next outcome."""
        self.sent.append((envelope, b"".join(message)))
        outcome = self._outcomes.popleft() if self._outcomes else Outcome.ACCEPTED
        codes = {Outcome.ACCEPTED: (250, "2.0.0"), Outcome.DEFERRED: (451, "4.3.0"), Outcome.REJECTED: (550, "5.1.1")}
        code, enhanced = codes.get(outcome, (None, None))
        return Reply(outcome, code, enhanced, f"scripted: {outcome.value}", "scripted")

    def close(self) -> None:
        """Nothing is held."""
