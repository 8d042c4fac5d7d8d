"""Each file in dialogues/ is one conversation with a relay and how its messages must end."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from digest.delivery.outcome import Outcome, Phase
from digest.delivery.smtp.fleet import Fleet
from digest.delivery.smtp.relay import RelayConfig, Timeouts, Tls
from digest.delivery.smtp.transport import SmtpTransport
from digest.delivery.transport import Envelope, Parcel, RelayRefusedError, Reply
from digest.runtime.errors import DigestError, RelayUnreachableError
from tests.support.mailbag import ListSource, carry
from tests.support.scripted_server import ScriptedServer, Step, read_dialogue

DIALOGUES = sorted((Path(__file__).parent / "dialogues").glob("*.txt"))
ERRORS = {"refused": RelayRefusedError, "unreachable": RelayUnreachableError}


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
def test_a_dialogue_ends_as_written(path: Path) -> None:
    steps = read_dialogue(path)
    assert any(step.word == "expect" for step in steps)
    with ScriptedServer(steps) as server:
        Client(server.port, steps).run()


class Client:
    """The client's side of a dialogue."""

    def __init__(self, port: int, steps: list[Step]) -> None:
        self._steps = [step for step in steps if step.word in {"to", "size", "expect"}]
        words = {step.word: step.text for step in steps}
        seconds = float(words.get("timeout", "5"))
        timeouts = Timeouts(
            seconds, seconds, seconds, seconds, seconds, seconds, seconds, seconds, goodbye=min(seconds, 0.5)
        )
        most = int(words.get("most", "100"))
        config = RelayConfig(
            "127.0.0.1",
            port,
            Tls(words["tls"]) if "tls" in words else None,
            username="editor" if "login" in words else None,
            password="secret" if "login" in words else None,
            helo="digest.example.org",
            max_messages_per_connection=most,
            timeouts=timeouts,
        )
        self._config = config
        self._is_chained = "chained" in words

    def run(self) -> None:
        if self._is_chained:
            self._run_chained()
            return
        transport = SmtpTransport(self._config)
        try:
            for parcel, step in self._parcels():
                if error := ERRORS.get(step.text):
                    with pytest.raises(error) as caught:
                        transport.send(parcel.envelope, parcel.message)
                    check_error(caught.value)
                else:
                    check(transport.send(parcel.envelope, parcel.message), step)
        finally:
            transport.close()

    def _run_chained(self) -> None:
        """Let a fleet of one connection carry all messages, which are there from the beginning."""
        expected = {parcel.key: (parcel, step) for parcel, step in self._parcels()}
        fleet = Fleet([replace(self._config, connections=1)])
        try:
            whole = carry(fleet, ListSource(parcel for parcel, _ in expected.values()))
        finally:
            fleet.close()
        for parcel, reply in whole.ended:
            check(reply, expected.pop(parcel.key)[1])
        for (_, step), (_, error) in zip(expected.values(), whole.failures, strict=True):
            assert type(error) is ERRORS[step.text]
            check_error(error)

    def _parcels(self) -> Iterator[tuple[Parcel, Step]]:
        to, size = "reader@example.org", 100
        for step in self._steps:
            match step.word:
                case "to":
                    to = step.text
                case "size":
                    size = int(step.text)
                case _:
                    body = b"Subject: hello\r\n\r\n" + b".x\r\n" * (size // 4)
                    envelope = Envelope(str(step.number), "sender@example.org", to)
                    yield Parcel(str(step.number), self._config.name, envelope, [body[:9], body[9:]]), step


def check(reply: Reply, step: Step) -> None:
    outcome, phase, *codes = step.text.split()
    found = [str(reply.code), str(reply.enhanced)]
    expected = codes or ["None"]
    assert (reply.outcome, reply.phase) == (Outcome(outcome), Phase(phase)), f"line {step.number}: {reply}"
    assert found[: len(expected)] == expected, f"line {step.number}: {reply}"


def check_error(error: DigestError) -> None:
    assert "secret" not in str(error)
    assert error.hint
