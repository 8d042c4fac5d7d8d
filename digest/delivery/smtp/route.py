"""State of one relay in a fleet: its connections, limits, results and failures."""

import time
from collections import deque
from collections.abc import Callable

from digest.delivery.outcome import Phase, Reason
from digest.delivery.pace import throttle
from digest.delivery.smtp.connection import Link
from digest.delivery.smtp.relay import RelayConfig
from digest.delivery.transport import Parcel, ParcelSource, RelayRefusedError, Reply
from digest.outbox.states import Outcome
from digest.runtime.errors import DigestError

AFTER_FAILURE_SECONDS = 1.0
MAX_RETURNS = 10
"""How often a parcel may come back unanswered: a server that closes after each mail can hit it on each connection."""
RETURNED_SECONDS = 30.0
"""How long a returned parcel waits for a connection: its recipient was checked when it was given."""
_LOGINS_AT_ONCE = 4
# What MAIL may be refused for that another message would not meet: its SIZE, its SMTPUTF8.
_ABOUT_THE_MESSAGE = frozenset({Reason.MESSAGE_TOO_BIG, Reason.ADDRESS_UNSUPPORTED})
_WHAT_MAIL_MEETS = {Reason.LOGIN: "requires a login before mail", Reason.QUOTA: "temporarily accepts no more mail"}


class Route:
    """A relay of a fleet; the mailbag of its conversations."""

    def __init__(self, config: RelayConfig) -> None:
        self.config = config
        self.name = config.name
        self.allowed = config.connections
        self.source: ParcelSource | None = None
        self.links: set[Link] = set()
        self.idle: set[Link] = set()
        self.logins = 0
        self.under_way = 0
        self.ended: list[tuple[Parcel, Reply]] = []
        self.failures: list[tuple[str, DigestError]] = []
        self.paused_until = 0.0
        self.has_urgent_news = False
        """Whether a server throttles: nothing more begins before the parcels' source has heard it."""
        self.is_proven = False
        """Whether the relay let us in."""
        self._returned: deque[Parcel] = deque()
        self._returns: dict[str, tuple[int, float]] = {}

    @property
    def waiting(self) -> int:
        """How many parcels wait to begin, and may."""
        if self.has_urgent_news:
            return 0
        return len(self._returned) + (self.source.waiting(self.name) if self.source and self.allowed else 0)

    @property
    def may_need_a_look(self) -> bool:
        """Whether a parcel could begin here, or a connection be opened, if parcels wait."""
        return bool(self.idle or self._returned) or len(self.links) + self.logins < self.allowed

    @property
    def next_look(self) -> float:
        """When something is to be done although nothing happens (monotonic clock)."""
        oldest = min((self._returns[parcel.key][1] for parcel in self._returned), default=float("inf"))
        return min(oldest + RETURNED_SECONDS, self.paused_until or float("inf"))

    def missing(self, now: float) -> int:
        """Return how many connections to open now.

        One login at a time until one has succeeded: a wrong password is not tried in parallel.
        """
        if now < self.paused_until:
            return 0
        self.paused_until = 0.0
        room = self.allowed - len(self.links) - self.logins
        at_once = (_LOGINS_AT_ONCE if self.is_proven else 1) - self.logins
        if room <= 0 or at_once <= 0:
            return 0
        return max(0, min(room, at_once, self.waiting - len(self.idle) - self.logins))

    def take_news(self) -> tuple[list[tuple[Parcel, Reply]], list[tuple[str, DigestError]]]:
        """Return and forget what has ended and what failed."""
        result = self.ended, self.failures
        self.ended, self.failures, self.has_urgent_news = [], [], False
        return result

    def allow(self, connections: int) -> None:
        """Use at most so many connections; surplus ones finish their mail and go."""
        self.allowed = max(0, min(connections, self.config.connections))
        if self.allowed:
            self.paused_until = 0.0
        else:
            self.give_back("the relay is no longer used")
        kept = sorted((link for link in self.links if not link.is_leaving), key=lambda link: link.is_idle)
        for link in kept[self.allowed :]:
            link.conversation.retire()

    def failed(self, error: DigestError) -> None:
        """Note a failed login or a refusal; the relay is paused for a while."""
        if not self.failures:  # of several logins at once, one tells the story
            self.failures.append((self.name, error))
        self.is_proven = False
        self.paused_until = time.monotonic() + AFTER_FAILURE_SECONDS
        if not any(not link.is_leaving for link in self.links):
            self.give_back(error.message)

    def take(self) -> Parcel | None:
        """Return the next parcel: a returned one before a new one."""
        if self.source is None or not self.allowed or self.has_urgent_news:
            return None
        if self._returned:
            self.reconsider()
            if self._returned:
                return self._returned.popleft()
        parcel = self.source.next(self.name)
        self.under_way += parcel is not None
        return parcel

    def done(self, parcel: Parcel, reply: Reply) -> None:
        self.under_way -= 1
        if self._returns:
            self._returns.pop(parcel.key, None)
        if reply.phase is Phase.MAIL and reply.refuses_us and reply.reason not in _ABOUT_THE_MESSAGE:
            # no other message fares better
            what = _WHAT_MAIL_MEETS.get(reply.reason, "refuses the sender's address")
            hint = ""
            if reply.reason is Reason.LOGIN and self.config.username is None:
                hint = "Set username and password_file, or a token, in this [[relay]]. This attempt sent nothing."
            error = RelayRefusedError(f"{self.name} {what}: {reply.code} {reply.text}", hint=hint)
            reply = Reply(Outcome.NOT_SENT, reply.code, reply.enhanced, reply.text, reply.relay, reply.phase)
            for link in self.links:
                link.conversation.retire()
            self.failed(error)
        self.ended.append((parcel, reply))
        self.has_urgent_news = self.has_urgent_news or throttle(reply) is not None

    def hand_over(self, parcel: Parcel) -> bool:
        return self.source is not None and self.source.hand_over(parcel)

    def again(self, parcel: Parcel, reply: Reply) -> None:
        """Keep an unanswered parcel for another connection."""
        now = time.monotonic()
        times, since = self._returns.get(parcel.key, (0, now))
        if times >= MAX_RETURNS:
            self.done(parcel, reply)
        elif not self.allowed:
            self._not_sent(parcel, "the relay is no longer used")
        else:
            self._returns[parcel.key] = (times + 1, since)
            self._returned.append(parcel)

    def reconsider(self) -> None:
        """End returned parcels that may not go any more, as not sent: their recipients were checked some time ago."""
        if self._returned and self.source is not None:
            self._keep_returned(self.source.may_go, "it waited for another connection and may no longer be sent")

    def give_back(self, why: str, *, before: float = float("inf")) -> None:
        """End returned parcels, or those that came back before a moment, as not sent."""
        self._keep_returned(lambda parcel: self._returns[parcel.key][1] >= before, why)

    def _keep_returned(self, wanted: Callable[[Parcel], bool], why_not: str) -> None:
        returned, self._returned = self._returned, deque()
        for parcel in returned:
            if wanted(parcel):
                self._returned.append(parcel)
            else:
                self._not_sent(parcel, why_not)

    def forget(self) -> None:
        """Reset, as if nothing had been under way."""
        self.idle.clear()
        self.links.clear()
        self._returned.clear()
        self._returns.clear()
        self.take_news()
        self.logins = self.under_way = 0

    def _not_sent(self, parcel: Parcel, why: str) -> None:
        self.done(parcel, Reply(Outcome.NOT_SENT, None, None, why, self.name, Phase.BEFORE))
