"""SMTP carrier: an event loop in one thread over many connections to any number of relays."""

import logging
import selectors
import ssl
import time
from collections.abc import Sequence
from functools import partial

from digest.delivery.smtp.background_login import Logins
from digest.delivery.smtp.connection import FOREVER, Link
from digest.delivery.smtp.content import Stuffing
from digest.delivery.smtp.conversation import Conversation
from digest.delivery.smtp.login import Connection
from digest.delivery.smtp.relay import RelayConfig
from digest.delivery.smtp.route import RETURNED_SECONDS, Route
from digest.delivery.transport import ParcelSource, Step
from digest.runtime.errors import ConfigError, DigestError, RelayUnreachableError

logger = logging.getLogger(__name__)

IDLE_SECONDS = 30.0
"""Idle connections are closed after so long: servers limit connections, and may give this one to others."""
_PER_CONNECTION = 2  # one message that waits for its last answer, and the envelope of the next behind it
_SLICE_SECONDS = 0.01


class Fleet:
    """A `Carrier` over SMTP. For one thread; logins run in background threads.

    A relay that refuses us or cannot be reached is a failure of the step, and is not tried again for a second, or until
    `allow` permits it. Parcels that a server left unanswered go on another connection, a few times and for 30 seconds
    at most, while the source lets them; else, with none to be had, or after `allow(relay, 0)`, they end as `not_sent`.
    """

    def __init__(self, relays: Sequence[RelayConfig], context: ssl.SSLContext | None = None) -> None:
        """Open nothing yet; `context` replaces the system's trusted authorities and must verify, too."""
        self._routes = {config.name: Route(config) for config in relays}
        if len(self._routes) < len(relays):
            raise ConfigError("Two [[relay]] tables have the same host and port.")
        self.relays = tuple(self._routes)
        self._context = context or ssl.create_default_context()
        self._stuffing = Stuffing()
        self._selector: selectors.BaseSelector | None = None
        self._logins: Logins | None = None
        self._earliest = FOREVER

    @property
    def capacity(self) -> int:
        return sum(route.allowed for route in self._routes.values()) * _PER_CONNECTION

    @property
    def under_way(self) -> int:
        return sum(route.under_way for route in self._routes.values())

    def allow(self, relay: str, connections: int) -> None:
        """Limit a relay's connections; its configuration stays an upper bound."""
        route = self._routes[relay]
        route.allow(connections)
        for link in list(route.links):
            self._settle(route, link)

    def step(self, source: ParcelSource, seconds: float) -> Step:
        """Make progress everywhere; return when something ended or failed, at the latest after `seconds`.

        What else is ready by then is done too, for at most some milliseconds; but once a server throttles, nothing more
        begins there before the next step.
        """
        until = time.monotonic() + seconds
        news_since = FOREVER
        for route in self._routes.values():
            route.source = source
        try:
            for route in self._routes.values():
                route.reconsider()
            if any(route.idle for route in self._routes.values()):
                self._handle(0)  # a connection that was closed meanwhile must not be given a parcel
            while True:
                self._get_going()
                now = time.monotonic()
                has_news = any(route.ended or route.failures for route in self._routes.values())
                news_since = min(news_since, now) if has_news else FOREVER
                happened = self._handle(0 if has_news else max(0.0, min(until, self._earliest) - now))
                is_urgent = any(route.has_urgent_news for route in self._routes.values())
                if now >= until or is_urgent or (has_news and not happened) or now - news_since > _SLICE_SECONDS:
                    return self._news()
        finally:
            for route in self._routes.values():
                route.source = None

    def close(self) -> None:
        """Send QUIT where nothing is under way, and free everything; `step` may be called again afterwards."""
        if self._logins is not None:
            self._logins.close()
        links = [(route, link) for route in self._routes.values() for link in route.links]
        for route, link in links:
            if link.conversation.is_carrying or link.is_leaving:
                self._drop(route, link)
            else:
                link.leave()
        until = time.monotonic() + max((route.config.timeouts.goodbye for route in self._routes.values()), default=0)
        if self._logins is not None and self._selector is not None:
            self._selector.unregister(self._logins.wakeup)
        while any(route.links for route in self._routes.values()) and time.monotonic() < until:
            self._handle(max(0.0, until - time.monotonic()))
        for route in self._routes.values():
            for link in list(route.links):
                self._drop(route, link)
            route.forget()
        if self._selector is not None:
            self._selector.close()
        self._selector = self._logins = None

    def _opened(self) -> tuple[selectors.BaseSelector, Logins]:
        if self._selector is None or self._logins is None:
            self._selector, self._logins = selectors.DefaultSelector(), Logins(self._context)
            self._selector.register(self._logins.wakeup, selectors.EVENT_READ, None)
        return self._selector, self._logins

    def _get_going(self) -> None:
        """Give work to idle connections, open missing ones, end what timed out."""
        now = time.monotonic()
        if now >= self._earliest:
            self._expire(now)
        for route in self._routes.values():
            if not route.may_need_a_look:
                continue
            if route.idle:
                self._employ(route)
            for _ in range(route.missing(now)):
                self._opened()[1].start(route.config, partial(self._came, route))
                route.logins += 1
            self._earliest = min(self._earliest, route.next_look)

    def _employ(self, route: Route) -> None:
        """Begin mails on idle connections, as many as parcels wait."""
        for link in list(route.idle)[: route.waiting]:
            route.idle.discard(link)
            try:
                link.begin()
            finally:
                self._settle(route, link)

    def _handle(self, seconds: float) -> int:
        """Wait at most so long for events; return how many were handled."""
        events = self._opened()[0].select(seconds)
        for key, _ in events:
            if key.data is None:
                self._opened()[1].deliver()
                continue
            route, link = key.data
            try:
                link.handle()
            finally:
                self._settle(route, link)
        return len(events)

    def _came(self, route: Route, outcome: Connection | DigestError) -> None:
        """Take a login's connection, or note why there is none."""
        route.logins -= 1
        if isinstance(outcome, DigestError):
            route.failed(outcome)
            return
        route.is_proven = True
        config = route.config
        most = config.max_messages_per_connection if len(route.links) < route.allowed else 0
        conversation = Conversation(config.name, outcome.offers, config.timeouts, most, route, self._stuffing)
        link = Link(outcome.sock, conversation, config.timeouts.goodbye)
        route.links.add(link)
        self._opened()[0].register(link.sock, selectors.EVENT_READ, (route, link))
        self._settle(route, link)

    def _settle(self, route: Route, link: Link) -> None:
        if link.is_idle:
            if link.conversation.is_worn_out:
                route.idle.discard(link)
                link.leave()
            elif link not in route.idle:
                route.idle.add(link)
                link.deadline = time.monotonic() + IDLE_SECONDS
        if link.is_over:
            if link.was_useless:
                # without this we would reconnect at once, and again
                route.failed(
                    RelayUnreachableError(f"{route.name} accepts the connection but closes it before any mail.")
                )
            self._drop(route, link)
            return
        if link.has_unsent is not link.is_watched_for_writing:
            link.is_watched_for_writing = link.has_unsent
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.has_unsent else 0)
            self._opened()[0].modify(link.sock, events, (route, link))
        self._earliest = min(self._earliest, link.deadline)

    def _expire(self, now: float) -> None:
        self._earliest = FOREVER
        for route in self._routes.values():
            for link in list(route.links):
                if link.deadline <= now:
                    logger.debug("%s: a connection was idle for too long", route.name)
                    if link.is_idle:
                        link.conversation.retire()
                    else:
                        link.expire()
                self._settle(route, link)
            route.give_back("no connection became available in time", before=now - RETURNED_SECONDS)

    def _drop(self, route: Route, link: Link) -> None:
        if link in route.links:
            route.links.discard(link)
            route.idle.discard(link)
            self._opened()[0].unregister(link.sock)
            link.close()

    def _news(self) -> Step:
        step = Step()
        for route in self._routes.values():
            ended, failures = route.take_news()
            step.ended += ended
            step.failures += failures
        return step
