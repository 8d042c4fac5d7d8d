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
    return Meter(ways, by_family, families_of(settings))


def families_of(settings: Settings) -> dict[str, str]:
    """Return a map from domain to mailbox family, with those of [delivery.families]."""
    return families({name: one.domains for name, one in settings.delivery.families.items()})


def limits_of(asked: PaceSettings) -> PaceLimits:
    """Return the limits of a relay or family; a relay's connections are limited by its transport."""
    if isinstance(asked, RelayLimits):
        return PaceLimits(None, asked.per_second, asked.per_hour, asked.per_day, asked.warm_up)
    return PaceLimits(asked.connections, asked.per_second, asked.per_hour, asked.per_day)


def most_processes(settings: Settings, relays: Sequence[Relay]) -> int:
    """Return among how many processes the connections can be divided, so that each gets one of every kind."""
    families = [family.connections for family in settings.delivery.families.values()]
    return min([relay.limits.connections for relay in relays] + [most for most in families if most], default=500)


def divided(settings: Settings, relays: Sequence[Relay], place: int, count: int) -> Settings:
    """Return settings in which `relays` and families have the connections of one process among `count`.

    `place` counts from 0. Rates are not divided: their counts are shared through the database.
    """

    def part(limit: int) -> int:
        return limit // count + (place < limit % count)

    def less(table: PaceSettings) -> PaceSettings:
        return table.model_copy(update={"connections": part(table.connections)}) if table.connections else table

    shares = tuple(relay.model_copy(update={"limits": less(relay.limits)}) for relay in relays)
    families = {name: less(family) for name, family in settings.delivery.families.items()}
    rules = settings.delivery.model_copy(update={"families": families})
    return settings.model_copy(update={"relay": shares, "delivery": rules})
