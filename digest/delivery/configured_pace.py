"""Rate limits of [[relay]] and [delivery.families], as a Meter."""

from collections.abc import Sequence

from digest.delivery.mailbox_families import families
from digest.delivery.meter import Meter, Way
from digest.delivery.pace import PaceLimits
from digest.settings.delivery import PaceSettings, Relay, RelayLimits
from digest.settings.root import Settings


def gauges(settings: Settings) -> Meter:
    """Return a meter of every configured relay and family, to read their state from."""
    return meter_of(settings, [f"{relay.host}:{relay.port}" for relay in settings.relay])


def meter_of(settings: Settings, relays: Sequence[str]) -> Meter:
    """Return a meter of `relays` (`HOST:PORT`) with their configured limits."""
    configured = {f"{relay.host}:{relay.port}": relay for relay in settings.relay}
    ways = []
    for name in relays:
        relay = configured.get(name, Relay(host="localhost"))
        ways.append(Way(name, limits_of(relay.limits), relay.weight, relay.limits.connections))
    kept = settings.delivery.families
    by_family = {name: limits_of(one) for name, one in kept.items()}
    return Meter(ways, by_family, families({name: one.domains for name, one in kept.items()}))


def limits_of(asked: PaceSettings) -> PaceLimits:
    """Return the limits of a relay or family; a relay's connections are limited by its transport."""
    if isinstance(asked, RelayLimits):
        return PaceLimits(None, asked.per_second, asked.per_hour, asked.per_day, asked.warm_up)
    return PaceLimits(asked.connections, asked.per_second, asked.per_hour, asked.per_day)
