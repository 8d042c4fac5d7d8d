"""Each file in dialogues/ is one conversation with a relay and how its messages must end."""

from pathlib import Path

import pytest

from digest.delivery.outcome import Outcome
from digest.delivery.relay import RelayConfig, Timeouts, Tls
from digest.delivery.smtp import SmtpTransport
from digest.delivery.transport import Envelope, Phase, RelayRefusedError, Reply
from digest.runtime.errors import RelayUnreachableError
from tests.unit.digest.delivery.scripted_server import ScriptedServer, Step, read_dialogue

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
        self._transport = SmtpTransport(config)
        self._to = "reader@example.org"
        self._size = 100

    def run(self) -> None:
        try:
            for step in self._steps:
                match step.word:
                    case "to":
                        self._to = step.text
                    case "size":
                        self._size = int(step.text)
                    case _:
                        self._expect(step)
        finally:
            self._transport.close()

    def _expect(self, step: Step) -> None:
        if error := ERRORS.get(step.text):
            with pytest.raises(error) as caught:
                self._send()
            assert "secret" not in str(caught.value)
            assert caught.value.hint
            return
        outcome, phase, *codes = step.text.split()
        reply = self._send()
        found = [str(reply.code), str(reply.enhanced)]
        expected = codes or ["None"]
        assert (reply.outcome, reply.phase) == (Outcome(outcome), Phase(phase)), f"line {step.number}: {reply}"
        assert found[: len(expected)] == expected, f"line {step.number}: {reply}"

    def _send(self) -> Reply:
        body = b"Subject: hello\r\n\r\n" + b".x\r\n" * (self._size // 4)
        return self._transport.send(Envelope("7", "sender@example.org", self._to), [body[:9], body[9:]])
