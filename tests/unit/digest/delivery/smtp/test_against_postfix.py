"""The same transport against Postfix's own test server, which can be told to misbehave."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from digest.delivery.outcome import Outcome, Phase
from digest.delivery.transport import Envelope
from digest.runtime.errors import RelayUnreachableError
from tests.support.smtp_transports import MakeTransport

SMTP_SINK = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(SMTP_SINK is None, reason="Postfix's smtp-sink is not installed")

Ending = tuple[Outcome, Phase, int | None, str | None]
ACCEPTED: Ending = (Outcome.ACCEPTED, Phase.DOT, 250, "2.0.0")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def smtp_sink(tmp_path: Path) -> Iterator[Callable[..., int]]:
    running: list[subprocess.Popen[bytes]] = []

    def start(*options: str, port: int = 0) -> int:
        port = port or free_port()
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [str(SMTP_SINK), *user, *options, f"127.0.0.1:{port}", "10"]
        running.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=tmp_path))
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                time.sleep(0.01)
            else:
                return port
        pytest.fail(f"smtp-sink {options} did not start")

    yield start
    for process in running:
        process.terminate()
        process.wait()


def endings(make_transport: MakeTransport, port: int, count: int) -> list[Ending]:
    transport = make_transport(port)
    message = [b"Subject: hello\r\n\r\n", b".line\r\n" * 10_000]
    replies = [transport.send(Envelope("7", "sender@example.org", f"r{n}@example.org"), message) for n in range(count)]
    return [(reply.outcome, reply.phase, reply.code, reply.enhanced) for reply in replies]


@pytest.mark.parametrize("options", [[], ["-8", "-e"], ["-p"]], ids=["pipelining", "old server", "no pipelining"])
def test_mails_are_accepted(smtp_sink: Callable[..., int], make_transport: MakeTransport, options: list[str]) -> None:
    found = endings(make_transport, smtp_sink(*options), 3)
    assert [ending[:3] for ending in found] == [ACCEPTED[:3]] * 3


@pytest.mark.parametrize("pipelining", [[], ["-p"]], ids=["pipelined", "not pipelined"])
@pytest.mark.parametrize(
    ("options", "ending"),
    [
        (["-f", "rcpt"], (Outcome.DEFERRED, Phase.RCPT, 500, "5.3.0")),
        (["-B", "550 5.1.1 no such user", "-f", "rcpt"], (Outcome.REJECTED, Phase.RCPT, 550, "5.1.1")),
        (["-r", "mail"], (Outcome.DEFERRED, Phase.MAIL, 450, "4.3.0")),
        (["-b", "421 4.7.28 too fast", "-r", "mail"], (Outcome.DEFERRED, Phase.MAIL, 421, "4.7.28")),
        (["-r", "rcpt"], (Outcome.DEFERRED, Phase.RCPT, 450, "4.3.0")),
        (["-r", "data"], (Outcome.DEFERRED, Phase.DATA, 450, "4.3.0")),
        (["-f", "."], (Outcome.DEFERRED, Phase.DOT, 500, "5.3.0")),
        (["-r", "."], (Outcome.DEFERRED, Phase.DOT, 450, "4.3.0")),
        (["-q", "data"], (Outcome.DEFERRED, Phase.DATA, None, None)),
        (["-q", "."], (Outcome.UNCERTAIN, Phase.DOT, None, None)),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_each_failure_has_its_ending(
    smtp_sink: Callable[..., int],
    make_transport: MakeTransport,
    options: list[str],
    ending: Ending,
    pipelining: list[str],
) -> None:
    assert endings(make_transport, smtp_sink(*options, *pipelining), 2) == [ending, ending]


def test_a_server_that_ends_after_two_mails_fails_no_message(
    smtp_sink: Callable[..., int], make_transport: MakeTransport
) -> None:
    port = smtp_sink("-M", "2")
    transport = make_transport(port)
    envelope = Envelope("7", "sender@example.org", "reader@example.org")
    replies = [transport.send(envelope, [b"Subject: x\r\n\r\n"]).outcome for _ in range(2)]
    with pytest.raises(RelayUnreachableError):
        transport.send(envelope, [b"Subject: x\r\n\r\n"])
    smtp_sink(port=port)
    replies.append(transport.send(envelope, [b"Subject: x\r\n\r\n"]).outcome)
    # it sometimes ends before its last answer is out
    assert replies in [[Outcome.ACCEPTED, second, Outcome.ACCEPTED] for second in (Outcome.ACCEPTED, Outcome.UNCERTAIN)]
