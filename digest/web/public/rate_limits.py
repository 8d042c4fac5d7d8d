"""Rate limits of forms that send mail: by address, by network, and in all.

Counters have keyed hashes of addresses and networks, and last until their window ends.
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

# Prefix lengths of a household or office, and of a small provider.
NETWORK = {4: 24, 6: 64}
REGION = {4: 16, 6: 48}
_HASH_CHARACTERS = 32
_NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class Count:
    """A counter of a request: the rule's name, the limit, the keyed hash that it counts."""

    rule: str
    item: RateLimitItem
    whom: str


class Limiter:
    """Rate limiter of the pages. `secret` keys the hashes."""

    def __init__(self, limits: FormLimits, storage: Storage, secret: bytes) -> None:
        self._limiter = FixedWindowRateLimiter(storage)
        self._secret = secret
        self._items = {
            rule: parse_many(text) if text else []
            for rule in ("bare", "network", "region", "address", "all")
            if isinstance(text := getattr(limits, rule), str)
        }
        self._warned_until = 0.0

    def __call__(self, asking: Asking) -> int:
        """Return the seconds to wait; 0 admits the request and counts it.

        All counters are tested first, so that refused requests cost no write, then counted from the narrowest to the
        widest, so that one network cannot use up the limit for all.
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
        if count.rule == "all" and ends > self._warned_until:
            self._warned_until = ends
            log.warning(
                "Sign-ups reached [limits] all = %s/%s: no more are accepted for %d s. If you are not running a "
                "campaign, someone may be using the form to flood mailboxes; see docs/how-to/put-it-on-the-web.md",
                count.item.amount,
                count.item.GRANULARITY.name,
                wait,
            )
        return wait


def limiter(limits: FormLimits, secret: bytes, shared: Engine | None) -> Limiter:
    """Return the rate limiter, which counts in this process's memory or in the database `shared`."""
    storage = MemoryStorage() if shared is None else DatabaseStorage(shared)
    return Limiter(limits, storage, secret)


def network_of(host: str, lengths: dict[int, int]) -> str:
    """Return the network of a host; all invalid hosts share one."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return _NOWHERE
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, lengths[address.version]), strict=False))
