"""How much may be asked for by the forms that send mail: for one address, from one network, and in all.

Counted are keyed hashes, never an address or a network, and only until their window is over.
"""

import hashlib
import hmac
import ipaddress
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage, Storage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy import Engine

from digest.settings.web import FormLimits
from digest.web.public.rate_storage import DatabaseStorage
from subscribers.pages import Asking

log = logging.getLogger(__name__)

# What one household or office has, and what one small provider has.
NETWORK = {4: 24, 6: 64}
REGION = {4: 16, 6: 48}
_HASH_CHARACTERS = 32
_NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class Count:
    """One counter that an asking goes through: the rule's name, the limit, whom it counts."""

    rule: str
    item: RateLimitItem
    whom: str


class Limiter:
    """The gate of the pages. `secret` keys the hashes."""

    def __init__(self, limits: FormLimits, storage: Storage, secret: bytes) -> None:
        self._limiter = FixedWindowRateLimiter(storage)
        self._secret = secret
        self._items = {
            rule: parse_many(text) if text else []
            for rule in ("bare", "network", "region", "address", "all")
            if isinstance(text := getattr(limits, rule), str)
        }
        self._told_until = 0.0

    def __call__(self, asking: Asking) -> int:
        """Return how many seconds somebody has to wait, 0 if not at all; who may pass is counted.

        First all counters are only looked at, so that somebody who is held back costs no write. They are then counted
        from the narrowest to the widest: a single network cannot use up what there is for all.
        """
        counts = list(self._counts(asking))
        for count in counts:
            if not self._limiter.test(count.item, count.rule, count.whom):
                return self._held_back(count)
        for count in counts:
            if not self._limiter.hit(count.item, count.rule, count.whom):
                return self._held_back(count)
        return 0

    def _counts(self, asking: Asking) -> Iterator[Count]:
        network, region = network_of(asking.host, NETWORK), network_of(asking.host, REGION)
        whom = {"network": network, "region": region, "address": asking.address_key, "all": ""}
        if asking.bare:
            whom = {"bare": network} | whom
        for rule, name in whom.items():
            for item in self._items[rule]:
                yield Count(rule, item, self._hash(rule, name))

    def _hash(self, rule: str, name: str) -> str:
        message = f"limit:{rule}:{name}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._secret, message, hashlib.sha256).hex()[:_HASH_CHARACTERS]

    def _held_back(self, count: Count) -> int:
        ends = self._limiter.get_window_stats(count.item, count.rule, count.whom).reset_time
        wait = max(1, math.ceil(ends - time.time()))
        if count.rule == "all" and ends > self._told_until:
            self._told_until = ends
            log.warning(
                "Sign-ups reached [limits] all = %s/%s: no more are taken for %d s. If this is no campaign of yours, "
                "somebody may be using the form to flood mailboxes; see docs/how-to/put-it-on-the-web.md",
                count.item.amount,
                count.item.GRANULARITY.name,
                wait,
            )
        return wait


def limiter(limits: FormLimits, secret: bytes, shared: Engine | None) -> Limiter:
    """Return the gate: it counts in this process's memory, or in the database `shared`."""
    storage = MemoryStorage() if shared is None else DatabaseStorage(shared)
    return Limiter(limits, storage, secret)


def network_of(host: str, lengths: dict[int, int]) -> str:
    """Return the network that a host is in; one and the same for all hosts that are none."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return _NOWHERE
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, lengths[address.version]), strict=False))
