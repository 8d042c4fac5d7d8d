"""Many connections in one thread, against real servers: who is busy, closed, hung, wrong or gone stops nobody else."""

import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from digest.delivery.outcome import Outcome, Phase
from digest.delivery.smtp import fleet as smtp_fleet
from digest.delivery.smtp import route as smtp_route
from digest.delivery.smtp.fleet import Fleet
from digest.delivery.smtp.relay import RelayConfig, Timeouts, Tls
from digest.delivery.smtp.route import Route
from digest.delivery.transport import Carrier, Envelope, Parcel, ParcelSource, RelayRefusedError, Reply, Step
from digest.runtime.errors import ConfigError, RelayUnreachableError
from tests.support.mailbag import ListSource, carry
from tests.support.odd_server import WELL, OddServer
from tests.support.smtp_transports import SHORT, MakeTransport

MakeFleet = Callable[..., Fleet]
Ended = tuple[Parcel, Reply]


@pytest.fixture
def make_fleet() -> Iterator[MakeFleet]:
    fleets: list[Fleet] = []

    def make(*configs: RelayConfig, context: ssl.SSLContext | None = None) -> Fleet:
        fleets.append(Fleet(configs, context))
        return fleets[-1]

    yield make
    for fleet in fleets:
        fleet.close()


def relay(port: int, **more: Any) -> RelayConfig:
    return RelayConfig("127.0.0.1", port, **{"helo": "x.example.org", "timeouts": SHORT, **more})


def parcels(count: int, name: str, body: bytes = b".x\r\n") -> list[Parcel]:
    return [
        Parcel(str(n), name, Envelope(str(n), "a@example.org", "b@example.org"), [b"Id: %d\r\n" % n, b"\r\n", body])
        for n in range(count)
    ]


def outcomes(step: Step) -> Counter[Outcome]:
    return Counter(reply.outcome for _, reply in step.ended)


def all_once(server: OddServer, count: int) -> bool:
    return server.holds.said_yes == Counter({b"Id: %d" % n: 1 for n in range(count)})


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_it_is_a_carrier(make_fleet: MakeFleet) -> None:
    fleet: Carrier = make_fleet(relay(25, connections=3), relay(26, connections=4))
    assert fleet.relays == ("127.0.0.1:25", "127.0.0.1:26")
    assert (fleet.capacity, fleet.under_way) == (14, 0)
    fleet.allow("127.0.0.1:25", 1)
    fleet.allow("127.0.0.1:26", 100)
    assert fleet.capacity == 10
    with pytest.raises(ConfigError, match="same host and port"):
        Fleet([relay(25), relay(25)])


@pytest.mark.parametrize("pipelining", [True, False])
def test_many_connections_carry_everything_once(make_fleet: MakeFleet, pipelining: bool) -> None:
    with OddServer(pipelining=pipelining) as server:
        config = relay(server.port, connections=8)
        fleet = make_fleet(config)
        step = carry(fleet, ListSource(parcels(300, config.name)))
        fleet.close()
    assert outcomes(step) == {Outcome.ACCEPTED: 300}
    assert all_once(server, 300)
    assert 1 < server.connections <= 8


def test_no_more_connections_are_opened_than_parcels_wait(make_fleet: MakeFleet) -> None:
    with OddServer() as server:
        config = relay(server.port, connections=8)
        fleet = make_fleet(config)
        for _ in range(3):
            assert outcomes(carry(fleet, ListSource(parcels(1, config.name)))) == {Outcome.ACCEPTED: 1}
        fleet.close()
    assert server.connections == 1


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("after", [1, 2, 7])
def test_a_server_that_closes_after_some_mails_costs_no_mail(
    make_fleet: MakeFleet, after: int, pipelining: bool
) -> None:
    with OddServer(close_after=after, pipelining=pipelining) as server:
        config = relay(server.port, connections=3)
        fleet = make_fleet(config)
        step = carry(fleet, ListSource(parcels(30, config.name)))
        fleet.close()
    assert outcomes(step) == {Outcome.ACCEPTED: 30}
    assert not step.failures
    assert all_once(server, 30)
    assert server.connections >= 30 // after


GREETING_AND_EHLO = [WELL, WELL]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT])
@pytest.mark.parametrize("answer", ["421 4.7.28 too fast\r\n", "450 4.7.28 too fast\r\n"])
def test_after_a_wish_to_be_left_alone_nothing_begins_untold(
    make_fleet: MakeFleet, answer: str, phase: Phase, pipelining: bool
) -> None:
    actions = [*GREETING_AND_EHLO, *([WELL] if phase is Phase.RCPT else []), answer]
    with OddServer(actions, pipelining=pipelining) as server:
        config = relay(server.port, connections=1)
        fleet = make_fleet(config)
        source = ListSource(parcels(5, config.name))
        step = fleet.step(source, 10)
        assert [(reply.outcome, reply.phase) for _, reply in step.ended] == [(Outcome.DEFERRED, phase)]
        assert source.taken == 1
        assert outcomes(carry(fleet, source, taken_before=1)) == {Outcome.ACCEPTED: 4}
        fleet.close()


def test_a_slow_reader_with_a_small_window_gets_every_byte(make_fleet: MakeFleet) -> None:
    body = b"".join(b"%d line\r\n.dot\r\n" % n for n in range(20_000))
    with OddServer(window=4096) as server:
        config = relay(server.port, connections=2)
        fleet = make_fleet(config)
        step = carry(fleet, ListSource(parcels(4, config.name, body)))
        fleet.close()
    assert outcomes(step) == {Outcome.ACCEPTED: 4}
    stuffed = body.replace(b"\r\n.", b"\r\n..")
    assert server.bodies == {b"Id: %d" % n: b"Id: %d\r\n\r\n%b" % (n, stuffed) for n in range(4)}


@pytest.mark.parametrize("protection", [Tls.IMPLICIT, Tls.REQUIRED])
def test_tls_carries_chains(
    make_fleet: MakeFleet, authority: trustme.CA, trusting: ssl.SSLContext, protection: Tls
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    body = b".line of a message\r\n" * 20_000
    if protection is Tls.IMPLICIT:
        with OddServer(context=context) as server:
            config = relay(server.port, connections=2, tls=protection)
            fleet = make_fleet(config, context=trusting)
            step = carry(fleet, ListSource(parcels(12, config.name, body)))
            fleet.close()
        got = list(server.bodies.values())
    else:
        with Mailboxes(tls_context=context, require_starttls=True) as mailboxes:
            config = relay(mailboxes.port, connections=2, tls=protection)
            fleet = make_fleet(config, context=trusting)
            step = carry(fleet, ListSource(parcels(12, config.name, body)))
            fleet.close()
        got = [mail.replace(b"\r\n.", b"\r\n..") for mail in mailboxes.mails]
    assert outcomes(step) == {Outcome.ACCEPTED: 12}
    stuffed = body.replace(b"\r\n.", b"\r\n..")
    assert sorted(got) == sorted(b"Id: %d\r\n\r\n.%b" % (n, stuffed) for n in range(12))


class Mailboxes(Controller):
    """aiosmtpd, which reads what is pipelined although it does not say so; here it says so."""

    def __init__(self, **more: Any) -> None:
        self.mails: list[bytes] = []
        self.logins = 0
        super().__init__(self, hostname="127.0.0.1", port=0, authenticator=self._authenticate, **more)

    def __enter__(self) -> "Mailboxes":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _trigger_server(self) -> None:
        # aiosmtpd tries whether it answers at the port it was given, which is not the one that 0 has become
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()  # type: ignore[no-untyped-call]

    def _authenticate(self, *_: Any) -> AuthResult:
        self.logins += 1
        return AuthResult(success=False, handled=False)

    async def handle_EHLO(  # noqa: N802 aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", *responses[1:]]

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope.original_content)
        return "250 2.0.0 kept"


def test_a_wrong_password_is_tried_once_and_again_when_asked(make_fleet: MakeFleet) -> None:
    with Mailboxes(auth_require_tls=False) as server:
        config = relay(server.port, connections=8, username="editor", password="wrong")
        fleet = make_fleet(config)
        source = ListSource(parcels(20, config.name))
        step = carry(fleet, source)
        assert [type(error) for _, error in step.failures] == [RelayRefusedError]
        assert (step.ended, source.taken) == ([], 0)
        once = server.logins
        assert once <= 2  # smtplib tries PLAIN, then LOGIN
        fleet.step(source, 0.05)
        assert server.logins == once
        fleet.allow(config.name, 8)
        assert carry(fleet, source).failures
        assert server.logins == 2 * once
        fleet.close()


def test_after_a_second_a_relay_that_was_away_is_tried_again(
    make_fleet: MakeFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_route, "AFTER_FAILURE_SECONDS", 0.05)
    config = relay(closed_port())
    fleet, source = make_fleet(config), ListSource(parcels(2, config.name))
    assert [type(error) for _, error in carry(fleet, source).failures] == [RelayUnreachableError]
    assert [type(error) for _, error in carry(fleet, source).failures] == [RelayUnreachableError]
    assert source.taken == 0


@pytest.mark.parametrize("what", ["certificate", "starttls"])
def test_a_relay_that_is_not_what_it_should_be_gets_nothing(
    make_fleet: MakeFleet, trusting: ssl.SSLContext, what: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with Mailboxes(**({"tls_context": context} if what == "certificate" else {})) as server:
        config = relay(server.port, tls=Tls.REQUIRED, username="editor", password="right")
        fleet = make_fleet(config, context=trusting)
        source = ListSource(parcels(5, config.name))
        step = carry(fleet, source)
        fleet.close()
    assert [type(error) for _, error in step.failures] == [RelayRefusedError]
    assert (source.taken, server.mails, server.logins) == (0, [], 0)


def test_a_relay_that_hangs_or_is_gone_does_not_stop_another(make_fleet: MakeFleet) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf, OddServer() as server:
        patient = Timeouts(60, 60, 60, 60, 60, 60, 60, 60, goodbye=0.2)
        hung = relay(deaf.getsockname()[1], timeouts=patient)
        gone = relay(closed_port())
        good = relay(server.port, connections=4)
        fleet = make_fleet(hung, gone, good)
        source = ListSource([*parcels(5, hung.name), *parcels(5, gone.name), *parcels(50, good.name)])
        ended, failures = [], []
        while len(ended) < 50:
            step = fleet.step(source, 10)
            ended += step.ended
            failures += step.failures
        fleet.close()
    assert all_once(server, 50)
    assert {name for name, _ in failures} <= {gone.name}
    assert {parcel.relay for parcel, _ in ended} == {good.name}


def test_a_server_that_says_nothing_any_more_is_given_up(make_fleet: MakeFleet) -> None:
    short = Timeouts(5, 5, 5, 0.2, 0.2, 0.2, 0.2, 0.2, goodbye=0.1)
    with OddServer(["", "", "", "", "", "silent"]) as server:
        config = relay(server.port, connections=1, timeouts=short)
        fleet = make_fleet(config)
        step = carry(fleet, ListSource(parcels(3, config.name)))
        fleet.close()
    assert {p.key: (r.outcome, r.phase) for p, r in step.ended} == {
        "0": (Outcome.UNCERTAIN, Phase.DOT),
        "1": (Outcome.ACCEPTED, Phase.DOT),
        "2": (Outcome.ACCEPTED, Phase.DOT),
    }
    assert server.holds.left_open == {b"Id: 0": 1}


def test_a_server_that_closes_before_it_answers_defers_the_mail(make_fleet: MakeFleet) -> None:
    with OddServer(["", "", "drop"] * 10) as server:
        config = relay(server.port, connections=1)
        fleet = make_fleet(config)
        step = carry(fleet, ListSource(parcels(2, config.name)))
        fleet.close()
    assert outcomes(step) == {Outcome.DEFERRED: 2}
    assert not server.holds.said_yes


def test_a_parcel_comes_back_ten_times_and_then_is_deferred() -> None:
    route = Route(relay(25))
    route.source = ListSource(parcels(1, route.name))
    unbegun = Reply(Outcome.DEFERRED, None, None, "closed", route.name, Phase.MAIL)
    for _ in range(smtp_route.MAX_RETURNS + 1):
        assert not route.ended
        parcel = route.take()
        assert parcel
        route.again(parcel, unbegun)
    assert route.ended == [(parcel, unbegun)]
    assert route.take() is None
    assert route.under_way == 0


def test_a_login_wanted_at_mail_retires_connections_only(make_fleet: MakeFleet) -> None:
    with OddServer(["", ""] + ["530 5.7.0 login\r\n"] * 400) as server:
        config = relay(server.port, connections=1)
        fleet = make_fleet(config)
        source = ListSource(parcels(10, config.name))
        step = carry(fleet, source)
        fleet.close()
    assert outcomes(step) == {Outcome.NOT_SENT: 1}
    assert [type(error) for _, error in step.failures] == [RelayRefusedError]
    assert source.waiting(config.name) == 9


@pytest.mark.parametrize("how", ["disallowed", "stale", "refused"])
def test_what_came_back_and_may_not_go_again_was_not_sent(
    make_fleet: MakeFleet, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    with Frozen() as server:
        config = relay(server.port, connections=1, timeouts=Timeouts(goodbye=0.1))
        fleet = make_fleet(config)
        source = ListSource(parcels(2, config.name))
        ended = []
        while len(ended) < 1:
            ended += fleet.step(source, 10).ended
        assert fleet.under_way == 1
        if how == "disallowed":
            fleet.allow(config.name, 0)
        elif how == "refused":
            source.refused = {"0", "1"}
        else:
            monkeypatch.setattr(smtp_route, "RETURNED_SECONDS", 0.0)
        while len(ended) < 2:
            ended += fleet.step(source, 0.01).ended
        fleet.close()
    assert [(r.outcome, r.phase) for _, r in ended] == [(Outcome.ACCEPTED, Phase.DOT), (Outcome.NOT_SENT, Phase.BEFORE)]


class Frozen:
    """A relay that takes one mail, closes at the envelope of the next, and then lets everybody wait at the door."""

    def __init__(self, *, chained: bool = True) -> None:
        self._chained = chained
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "Frozen":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 x\r\n")
            lines.readline()
            connection.sendall(b"250-x\r\n250 PIPELINING\r\n")
            while lines.readline() != b"DATA\r\n":
                pass
            connection.sendall(b"250 ok\r\n250 ok\r\n354 go\r\n")
            if not self._chained:
                while lines.readline() != b".\r\n":
                    pass
                connection.sendall(b"250 ok\r\n")
            while lines.readline() != b"DATA\r\n":
                pass
            if self._chained:
                connection.sendall(b"250 ok\r\n")


def test_a_relay_that_closes_at_once_is_not_knocked_at_for_ever(make_fleet: MakeFleet) -> None:
    class Paced(ListSource):
        def next(self, relay: str) -> Parcel | None:
            return None

    with OddServer(hangs_up=True) as server:
        config = relay(server.port, connections=1)
        fleet = make_fleet(config)
        source, failures = Paced(parcels(3, config.name)), []
        while not failures:
            failures += fleet.step(source, 10).failures
        assert not fleet.step(source, 0.1).failures
        fleet.close()
    assert [type(error) for _, error in failures] == [RelayUnreachableError]
    assert server.connections == 1


def test_a_message_that_cannot_go_again_is_an_error_for_a_waiter(
    make_transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_route, "RETURNED_SECONDS", 0.0)
    with Frozen(chained=False) as server:
        transport = make_transport(server.port)
        first, second = parcels(2, "")
        assert transport.send(first.envelope, first.message).outcome is Outcome.ACCEPTED
        with pytest.raises(RelayUnreachableError, match="in time"):
            transport.send(second.envelope, second.message)
        transport.close()


def test_fewer_connections_finish_what_they_carry_and_go(make_fleet: MakeFleet) -> None:
    with OddServer() as server:
        config = relay(server.port, connections=6)
        fleet = make_fleet(config)
        source = ListSource(parcels(200, config.name))
        ended = fleet.step(source, 10).ended
        fleet.allow(config.name, 0)
        while fleet.under_way:
            ended += fleet.step(source, 10).ended
        taken = source.taken
        assert not fleet.step(source, 0.01).ended
        assert (source.taken, len(ended)) == (taken, taken)
        fleet.allow(config.name, 1)
        ended += carry(fleet, source, taken_before=len(ended)).ended
        fleet.close()
    assert len(ended) == 200
    assert all_once(server, 200)


def test_an_idle_connection_is_given_up(make_fleet: MakeFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_fleet, "IDLE_SECONDS", 0.05)
    with OddServer() as server:
        config = relay(server.port)
        fleet = make_fleet(config)
        for _ in range(2):
            assert outcomes(carry(fleet, ListSource(parcels(1, config.name)))) == {Outcome.ACCEPTED: 1}
            for _ in range(4):
                fleet.step(ListSource([]), 0.05)
        fleet.close()
    assert server.connections == 2


def test_a_source_that_fails_loses_no_parcel(make_fleet: MakeFleet) -> None:
    class Failing(ListSource):
        def next(self, relay: str) -> Parcel | None:
            if self.taken == 5 and not broken:
                broken.append(True)
                raise LookupError("the database is away")
            return super().next(relay)

    broken: list[bool] = []
    with OddServer() as server:
        config = relay(server.port, connections=1)
        fleet = make_fleet(config)
        source: ParcelSource = Failing(parcels(10, config.name))
        ended: list[Ended] = []
        with pytest.raises(LookupError):
            step_until_it_fails(fleet, source, ended)
        while fleet.under_way or source.waiting(config.name):
            ended += fleet.step(source, 10).ended
        fleet.close()
    keys = [parcel.key for parcel, _ in ended]
    assert len(keys) == len(set(keys))
    accepted = {b"Id: %b" % parcel.key.encode() for parcel, reply in ended if reply.outcome is Outcome.ACCEPTED}
    assert accepted <= set(server.holds.said_yes)
    assert max(server.holds.said_yes.values()) == 1
    assert [reply.outcome for parcel, reply in ended if reply.outcome is not Outcome.ACCEPTED] == [Outcome.DEFERRED]


def step_until_it_fails(fleet: Fleet, source: ParcelSource, ended: list[Ended]) -> None:
    for _ in range(1000):
        ended += fleet.step(source, 10).ended


def test_it_can_be_closed_with_parcels_under_way_and_used_again(make_fleet: MakeFleet) -> None:
    with OddServer() as server:
        config = relay(server.port, connections=2)
        fleet = make_fleet(config)
        fleet.close()
        fleet.step(ListSource(parcels(100, config.name, b"x\r\n" * 100_000)), 10)
        fleet.close()
        assert fleet.under_way == 0
        assert outcomes(carry(fleet, ListSource(parcels(3, config.name)))) == {Outcome.ACCEPTED: 3}
        fleet.close()


def test_who_came_back_is_asked_about_before_another_envelope(make_fleet: MakeFleet) -> None:
    class Refusing(ListSource):
        def may_go(self, parcel: Parcel) -> bool:
            asked.append(parcel.key)
            return False

    asked: list[str] = []
    with OddServer(close_after=1) as server:
        config = relay(server.port, connections=1)
        fleet = make_fleet(config)
        step = carry(fleet, Refusing(parcels(10, config.name)))
        fleet.close()
    ends = {parcel.key: reply.outcome for parcel, reply in step.ended}
    assert asked
    assert {key for key, outcome in ends.items() if outcome is Outcome.NOT_SENT} == set(asked)
    assert len(ends) == 10
    assert set(server.holds.said_yes) == {b"Id: %b" % key.encode() for key in ends if key not in asked}


class Sends:
    """What had been handed over at each call that gave bytes to the system, and whether they had a message's end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type[socket.socket], source: ListSource) -> None:
        self.with_end: list[list[str]] = []
        self.without: list[list[str]] = []
        send: Callable[..., int] = kind.send

        def watched(sock: socket.socket, data: Any, *flags: int) -> int:
            # any byte of it: the line end in front of the dot is a part of the end
            has_end = b"x\r\n.\r\n" in bytes(data) or bytes(data).startswith((b"\r\n.\r\n", b"\n.\r\n", b".\r\n"))
            (self.with_end if has_end else self.without).append(list(source.handed_over))
            return send(sock, data, *flags)

        monkeypatch.setattr(kind, "send", watched)


@pytest.mark.parametrize("way", ["pipelined", "one by one", "tls"])
@pytest.mark.parametrize("size", [1, 300_000])
def test_the_hand_over_is_noted_before_the_end_leaves_not_sooner(
    make_fleet: MakeFleet,
    authority: trustme.CA,
    trusting: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    size: int,
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with OddServer(pipelining=way != "one by one", context=context if way == "tls" else None) as server:
        config = relay(server.port, connections=1, **({"tls": Tls.IMPLICIT} if way == "tls" else {}))
        source = ListSource(parcels(3, config.name, b"y" * 70 + b"\r\n" + b"x" * size + b"\r\n"))
        sends = Sends(monkeypatch, ssl.SSLSocket if way == "tls" else socket.socket, source)
        fleet = make_fleet(config, context=trusting)
        assert outcomes(carry(fleet, source)) == {Outcome.ACCEPTED: 3}
        fleet.close()
    assert [marked for marked in sends.with_end if marked] == [["0"], ["0", "1"], ["0", "1", "2"]]
    assert [] in sends.without
    assert source.handed_over == ["0", "1", "2"]


def test_a_message_held_back_at_its_end_is_not_sent(make_fleet: MakeFleet) -> None:
    with OddServer() as server:
        config = relay(server.port, connections=1)
        source = ListSource(parcels(5, config.name))
        source.held_back, source.refused = {"1"}, {"2"}
        fleet = make_fleet(config)
        ends = {parcel.key: reply.outcome for parcel, reply in carry(fleet, source).ended}
        fleet.close()
    assert ends == {**dict.fromkeys("034", Outcome.ACCEPTED), **dict.fromkeys("12", Outcome.NOT_SENT)}
    assert set(server.holds.said_yes) == {b"Id: %b" % key.encode() for key in ("0", "3", "4")}
