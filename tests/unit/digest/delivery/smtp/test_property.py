"""Whatever a server does, a message ends in one outcome that fits what the server did with it."""

from collections import Counter
from collections.abc import Iterator, Mapping

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.delivery.outcome import Outcome
from digest.delivery.smtp.content import Stuffing
from digest.delivery.smtp.conversation import Conversation
from digest.delivery.smtp.fleet import Fleet
from digest.delivery.smtp.relay import RelayConfig, Timeouts
from digest.delivery.smtp.transport import SmtpTransport
from digest.delivery.transport import Envelope, Parcel, RelayRefusedError
from digest.runtime.errors import RelayUnreachableError
from tests.support.mailbag import ListBag, ListSource, carry
from tests.support.odd_server import ACTIONS, WELL, Holdings, OddServer

IMPATIENT = Timeouts(*[0.06] * 8, goodbye=0.02)


def parcel(n: int, relay: str = "relay") -> Parcel:
    return Parcel(str(n), relay, Envelope(str(n), "a@example.org", "b@example.org"), [b"Id: %d" % n, b"\r\n\r\n.x\r\n"])


def check(endings: Mapping[bytes, Outcome], holds: Holdings) -> None:
    assert not holds.empty_to_somebody
    for key, outcome in endings.items():
        held = holds.said_yes[key] + holds.left_open[key]
        assert held <= 1, "the same message was handed over twice"
        if outcome is Outcome.ACCEPTED:
            assert holds.said_yes[key] + holds.began_a_yes[key] == 1
        if held:
            assert outcome in {Outcome.ACCEPTED, Outcome.UNCERTAIN}, "it would be sent again"
        if outcome is Outcome.REJECTED:
            assert not held


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTIONS, max_size=30), st.booleans())
def test_one_message_at_a_time_ends_as_the_server_holds_it(actions: list[str], pipelining: bool) -> None:
    with OddServer(actions, pipelining=pipelining) as server:
        config = RelayConfig("127.0.0.1", server.port, helo="x.example.org", timeouts=IMPATIENT)
        transport = SmtpTransport(config)
        endings = {}
        for n in range(4):
            one = parcel(n)
            try:
                endings[b"Id: %d" % n] = transport.send(one.envelope, one.message).outcome
            except (RelayRefusedError, RelayUnreachableError):
                endings[b"Id: %d" % n] = Outcome.NOT_SENT
        transport.close()
    check(endings, server.holds)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTIONS, max_size=60), st.booleans(), st.integers(1, 3))
def test_many_messages_at_once_end_as_the_server_holds_them(
    actions: list[str], pipelining: bool, connections: int
) -> None:
    with OddServer(actions, pipelining=pipelining) as server:
        config = RelayConfig(
            "127.0.0.1", server.port, helo="x.example.org", timeouts=IMPATIENT, connections=connections
        )
        fleet = Fleet([config])
        source = ListSource(parcel(n, config.name) for n in range(10))
        endings: dict[bytes, Outcome] = {}
        while source.waiting(config.name):
            fleet.allow(config.name, connections)  # after a failure: go on at once
            for one, reply in carry(fleet, source, taken_before=len(endings)).ended:
                key = one.message[0]
                assert key not in endings, "a parcel ended twice"
                endings[key] = reply.outcome
        fleet.close()
    assert len(endings) == 10
    check(endings, server.holds)


class PureServer:
    """Reads what a conversation writes and answers with its actions: `OddServer` without sockets and time."""

    def __init__(self, actions: list[str]) -> None:
        self._actions = iter(actions)
        self.holds = Holdings()

    def connect(self) -> None:
        self._ahead = b""
        self._body: list[bytes] | None = None
        self._recipients = 0

    def hear(self, data: bytes) -> Iterator[str]:
        *lines, self._ahead = (self._ahead + data).split(b"\r\n")
        for line in lines:
            if self._body is None:
                yield self._command(line)
            elif line != b".":
                self._body.append(line)
            else:
                yield self._message(self._body)

    def _command(self, line: bytes) -> str:
        verb = line[:4]
        said = next(self._actions, WELL) or ("354 go\r\n" if verb == b"DATA" else "250 ok\r\n")
        if verb in {b"MAIL", b"RCPT"}:
            self._recipients = (verb == b"RCPT") * (self._recipients + said.startswith("250"))
        if verb == b"DATA" and said == "354 go\r\n":
            self._body = []
        return said

    def _message(self, body: list[bytes]) -> str:
        self._body = None
        said = next(self._actions, WELL) or ("250 ok\r\n" if body else "554 nobody\r\n")
        if body:
            self.holds.note(body[0], said)
        else:
            self.holds.empty_to_somebody |= self._recipients > 0
        return said


@settings(max_examples=300, deadline=None)
@given(st.lists(ACTIONS, max_size=60), st.booleans(), st.lists(st.integers(1, 200), max_size=20))
def test_a_chain_ends_as_the_server_holds_it(actions: list[str], pipelining: bool, cuts: list[int]) -> None:
    server, bag = PureServer(actions), ListBag(map(parcel, range(8)))
    steps = iter(cuts)
    for _ in range(40):  # connections
        if not bag.waiting:
            break
        server.connect()
        talk = Conversation("relay", {"pipelining": ""} if pipelining else {}, Timeouts(), 100, bag, Stuffing())
        talk.begin()
        converse(talk, server, steps)
        bag.waiting.extendleft(one for one, _ in bag.returned)
        bag.returned.clear()
    ends = Counter(one.key for one, _ in bag.ended)
    assert not ends or max(ends.values()) == 1
    assert len(ends) == 8
    check({one.message[0]: reply.outcome for one, reply in bag.ended}, server.holds)


def converse(talk: Conversation, server: PureServer, steps: Iterator[int]) -> None:
    """Let them speak until the conversation is over or nobody has anything to say; what is said arrives in pieces."""
    said = b""
    while not talk.is_over and (talk.has_unsent or said):
        if talk.has_unsent:
            data = bytes(talk.unsent)[: next(steps, 10_000)]
            talk.sent(len(data))
            for action in server.hear(data):
                if action in {"drop", "reset", "silent"}:
                    talk.receive(said)
                    talk.lost("it ended", closed=action != "silent")
                    return
                said += action.encode("latin-1")
        size = next(steps, 10_000)
        talk.receive(said[:size])
        said = said[size:]
    if not talk.is_over:
        talk.lost("it ended", closed=True)


@settings(max_examples=300, deadline=None)
@given(st.booleans(), st.lists(st.one_of(st.binary(max_size=30), st.integers(0, 200), ACTIONS), max_size=60))
def test_any_bytes_at_any_time_leave_each_parcel_with_one_end(
    pipelining: bool, events: list[bytes | int | str]
) -> None:
    bag = ListBag(map(parcel, range(20)))
    talk = Conversation("relay", {"pipelining": ""} if pipelining else {}, Timeouts(), 100, bag, Stuffing())
    talk.begin()
    for event in events:
        if isinstance(event, int):
            talk.sent(min(event, len(talk.unsent)))
        else:
            talk.receive(event if isinstance(event, bytes) else (event or "250 ok\r\n").encode("latin-1"))
        assert (talk.patience is None) is (talk.pending == 0)
    talk.lost("it ended", closed=True)
    taken = 20 - len(bag.waiting)
    assert Counter(one.key for one, _ in [*bag.ended, *bag.returned]) == Counter(map(str, range(taken)))
