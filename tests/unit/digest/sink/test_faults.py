"""Every magic recipient through the real transport: what the worker will be told, what the sink has, what comes next."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.outcome import Outcome, Phase, Reason
from digest.delivery.smtp.relay import Timeouts
from digest.delivery.transport import Envelope, Reply
from digest.sink import faults
from digest.sink.faults import NAMES, fault_for, is_rejected
from digest.sink.rules import SinkRules
from digest.sink.server import Sink
from tests.support.smtp_transports import MakeTransport

MESSAGE = [b"Subject: hello\r\n\r\n", b"one\r\n.two\r\n"]
# More than the buffers of two sockets hold, so that the client notices before it has handed over everything.
BIG = [b"Subject: big\r\n\r\n", (b"x" * 78 + b"\r\n") * 300_000]
IMPATIENT = Timeouts(5, 5, 5, 5, rcpt=0.5, data=5, block=5, dot=1.5, goodbye=0.2)
FINE = (Outcome.ACCEPTED, Phase.DOT, 250)

KEPT, NOT_KEPT = 1, 0
MATRIX = {
    "421": (Outcome.DEFERRED, Phase.RCPT, 421, NOT_KEPT),
    "450": (Outcome.DEFERRED, Phase.RCPT, 450, NOT_KEPT),
    "452": (Outcome.DEFERRED, Phase.RCPT, 452, NOT_KEPT),
    "550": (Outcome.REJECTED, Phase.RCPT, 550, NOT_KEPT),
    "550+ada": (Outcome.REJECTED, Phase.RCPT, 550, NOT_KEPT),
    "599": (Outcome.DEFERRED, Phase.RCPT, 599, NOT_KEPT),
    "TempFail": (Outcome.DEFERRED, Phase.RCPT, 451, NOT_KEPT),
    "full": (Outcome.DEFERRED, Phase.RCPT, 452, NOT_KEPT),
    "greylist": (Outcome.DEFERRED, Phase.RCPT, 450, NOT_KEPT),
    "throttle": (Outcome.DEFERRED, Phase.RCPT, 421, NOT_KEPT),
    "drop-at-rcpt": (Outcome.DEFERRED, Phase.RCPT, None, NOT_KEPT),
    "never-at-rcpt": (Outcome.DEFERRED, Phase.RCPT, None, NOT_KEPT),
    "drop-before-dot": (Outcome.DEFERRED, Phase.DATA, None, NOT_KEPT),
    "early": (Outcome.DEFERRED, Phase.DATA, 250, NOT_KEPT),
    # A small message has left as a whole before the client can notice: nobody can know.
    "drop-in-body": (Outcome.UNCERTAIN, Phase.DOT, None, NOT_KEPT),
    "421-after-dot": (Outcome.DEFERRED, Phase.DOT, 421, NOT_KEPT),
    "451-after-dot": (Outcome.DEFERRED, Phase.DOT, 451, NOT_KEPT),
    "550-after-dot": (Outcome.DEFERRED, Phase.DOT, 550, NOT_KEPT),
    "554-After-Dot": (Outcome.DEFERRED, Phase.DOT, 554, NOT_KEPT),
    "drop-after-dot": (Outcome.UNCERTAIN, Phase.DOT, None, KEPT),
    "reset-after-dot": (Outcome.UNCERTAIN, Phase.DOT, None, KEPT),
    "never": (Outcome.UNCERTAIN, Phase.DOT, None, KEPT),
    "garbage": (Outcome.UNCERTAIN, Phase.DOT, None, KEPT),
    "mixed": (Outcome.UNCERTAIN, Phase.DOT, None, KEPT),
    "endless": (Outcome.UNCERTAIN, Phase.DOT, None, KEPT),
    "slow": (*FINE, KEPT),
    "drip": (*FINE, KEPT),
    "multiline": (*FINE, KEPT),
    "goodbye": (*FINE, KEPT),
}


@pytest.fixture(params=[False, True], ids=["one by one", "pipelined"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sink]:
    with Sink(tmp_path, rules=SinkRules(slow_seconds=0.2, pipelining=request.param)) as sink:
        yield sink


def kept(tmp_path: Path) -> int:
    return len(list((tmp_path / "new").iterdir()))


def ending(reply: Reply) -> tuple[Outcome, Phase, int | None]:
    return reply.outcome, reply.phase, reply.code


@pytest.mark.parametrize("name", MATRIX)
def test_a_magic_recipient_fails_by_its_name_and_the_next_goes(
    sink: Sink, make_transport: MakeTransport, tmp_path: Path, name: str
) -> None:
    *expected, arrived = MATRIX[name]
    transport = make_transport(sink.port, timeouts=IMPATIENT)
    reply = transport.send(Envelope("1", "sender@example.org", f"{name}@example.org"), MESSAGE)
    assert ending(reply) == tuple(expected), reply.text
    assert kept(tmp_path) == arrived
    assert ending(transport.send(Envelope("2", "sender@example.org", "reader@example.org"), MESSAGE)) == FINE
    assert kept(tmp_path) == arrived + 1


def test_the_matrix_docstring_and_guide_have_every_name(repo_root: Path) -> None:
    tried = {name.casefold().partition("+")[0] for name in MATRIX}
    assert set(NAMES) <= tried
    guide = (repo_root / "docs" / "how-to" / "see-failures.md").read_text("utf-8")
    for text in (faults.__doc__ or "", guide):
        rows = {
            name
            for row in re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
            for name in re.findall("`([^`-][^`]*)`", row)
        }
        assert {row.removesuffix("@") for row in rows} == {*NAMES, "NNN", "NNN-after-dot"}


@pytest.mark.parametrize(("name", "reason"), [
    ("550", Reason.MAILBOX_UNKNOWN), ("full", Reason.MAILBOX_FULL), ("throttle", Reason.THROTTLED), ("550-after-dot", Reason.POLICY),
])  # fmt: skip
def test_the_enhanced_code_says_why(tmp_path: Path, make_transport: MakeTransport, name: str, reason: Reason) -> None:
    with Sink(tmp_path) as sink:
        envelope = Envelope("1", "sender@example.org", f"{name}@example.org")
        assert make_transport(sink.port).send(envelope, MESSAGE).reason is reason


def test_a_big_message_cut_off_is_known_not_to_have_arrived(
    sink: Sink, make_transport: MakeTransport, tmp_path: Path
) -> None:
    reply = make_transport(sink.port).send(Envelope("1", "sender@example.org", "drop-in-body@example.org"), BIG)
    assert ending(reply) == (Outcome.DEFERRED, Phase.BODY, None)
    assert kept(tmp_path) == 0


@pytest.mark.parametrize("name", ["greylist", "throttle"])
def test_who_was_put_off_once_is_taken_at_the_next_try(
    sink: Sink, make_transport: MakeTransport, tmp_path: Path, name: str
) -> None:
    transport = make_transport(sink.port)
    tries = [f"{name}+ada@example.org", f"{name}+bo@example.org", f"{name}+Ada@example.org", f"{name}+bo@example.org"]
    replies = [transport.send(Envelope("1", "sender@example.org", address), MESSAGE) for address in tries]
    assert [reply.outcome for reply in replies] == [Outcome.DEFERRED] * 2 + [Outcome.ACCEPTED] * 2
    assert kept(tmp_path) == 2


@pytest.mark.parametrize("code", ["421", "421-after-dot"])
def test_after_421_the_sink_closes_the_connection(tmp_path: Path, code: str) -> None:
    with Sink(tmp_path) as sink, socket.create_connection(("127.0.0.1", sink.port), timeout=10) as client:
        client.sendall(b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<%s@x>\r\nDATA\r\n.\r\nNOOP\r\n" % code.encode())
        with client.makefile("rb") as answers:
            lines = answers.read().splitlines()
    assert lines[-1].startswith(b"421 4.3.2 "), "it says so last, and answers nothing more"


@pytest.mark.parametrize(
    "name", ["250", "354", "600", "5500", "55", "٥٥٠", "550x", "550-after", "x-after-dot", "reader", "", "+550"]
)
def test_other_names_are_ordinary(name: str) -> None:
    assert fault_for(f"{name}@example.org") is None


def test_without_an_at_nothing_is_magic() -> None:
    assert fault_for("550") is None


@given(st.text(), st.floats(0, 100), st.floats(0, 100))
def test_who_is_among_few_that_are_refused_is_among_more(address: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert not is_rejected(address, 0)
    assert is_rejected(address, 100)
    assert is_rejected(address, low) <= is_rejected(address, high)
    assert is_rejected(address, high) == is_rejected(address.casefold(), high)


def test_about_as_many_are_refused_as_asked_for() -> None:
    refused = sum(is_rejected(f"reader{number}@example.org", 10) for number in range(10_000))
    assert 900 < refused < 1100


@given(st.text())
def test_any_text_is_magic_or_not(text: str) -> None:
    fault_for(text)
