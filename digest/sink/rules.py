"""Rules of the sink for every recipient: the options of `digest sink`, and the counters they need."""

import math
import re
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from digest.runtime.errors import UsageError
from digest.sink.faults import Fault

DEFAULT_SIZE_LIMIT = 32 * 1024 * 1024
_WINDOWS = {"second": 1, "minute": 60, "hour": 3600}
_QUOTA = re.compile(rf"([1-9][0-9]{{0,6}})/({'|'.join(_WINDOWS)})", re.ASCII)
# Of the addresses that were greylisted or throttled the oldest are forgotten first.
_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Quota:
    """A rate limit: so many messages within so many seconds."""

    messages: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> "Quota":
        """Read `20/minute`. Raises UsageError for anything else."""
        match = _QUOTA.fullmatch(text.strip())
        if not match:
            raise UsageError(
                f"{text!r} is not a valid quota.", hint="Use N/second, N/minute or N/hour, such as 20/minute."
            )
        return cls(int(match[1]), _WINDOWS[match[2]])


@dataclass(frozen=True, slots=True)
class Login:
    """The only user and password that the sink accepts."""

    user: str
    password: str

    @classmethod
    def parse(cls, text: str) -> "Login":
        """Read `USER:PASSWORD`; the password may have colons. Raises UsageError without echoing what came."""
        user, colon, password = text.partition(":")
        if not user or not colon or not password:
            raise UsageError("--auth needs a user and a password.", hint="Use --auth USER:PASSWORD.")
        return cls(user, password)


@dataclass(frozen=True, slots=True)
class SinkRules:
    """The options: sizes in bytes, times in seconds, `rejects` in percent; 0 or None switches one off."""

    size_limit: int = DEFAULT_SIZE_LIMIT
    slow_seconds: float = 5
    delay: float = 0
    quota: Quota | None = None
    close_after: int = 0
    login: Login | None = None
    rejects: float = 0
    pipelining: bool = False

    def __post_init__(self) -> None:
        """Raise UsageError for impossible values."""
        if self.size_limit <= 0:
            raise UsageError("A size limit must be at least one byte.", hint="Omit --size for 32 MiB.")
        if not 0 <= self.rejects <= 100:
            raise UsageError(f"{self.rejects:g} is not a percentage.", hint="Use a value of --rejects from 0 to 100.")
        # The comparison also fails for what is no number.
        if not (0 <= self.delay < math.inf and 0 <= self.slow_seconds < math.inf and self.close_after >= 0):
            raise UsageError("Delays and numbers of messages must be finite and not negative.")


class MessageQuota:
    """Sliding-window rate limit of messages."""

    def __init__(self, quota: Quota | None, monotonic: Callable[[], float]) -> None:
        self._quota = quota
        self._monotonic = monotonic
        self._times: deque[float] = deque(maxlen=quota.messages if quota else 0)

    def admits(self) -> bool:
        """Return whether one more message fits, and count it if so."""
        if self._quota is None:
            return True
        now = self._monotonic()
        if len(self._times) == self._quota.messages and now - self._times[0] < self._quota.seconds:
            return False
        self._times.append(now)
        return True


class Tries:
    """Remembers the addresses met by faults that act once for each address."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._met: OrderedDict[str, float] = OrderedDict()

    def is_due(self, fault: Fault, address: str) -> bool:
        """Return whether the fault acts on this address now, and remember it if so."""
        if fault.again_after is None:
            return True
        now = self._monotonic()
        key = address.casefold()
        if key in self._met and now - self._met[key] < fault.again_after:
            return False
        self._met[key] = now
        self._met.move_to_end(key)
        if len(self._met) > _REMEMBERED:
            self._met.popitem(last=False)
        return True
