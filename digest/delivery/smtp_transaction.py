"""One mail transaction: MAIL, RCPT, DATA, the message, the final dot; it knows at every moment how far it came.

The rule that keeps "once" true: before the final dot may have left, whatever goes wrong means that the server has
nothing (deferred, or rejected if it said so); afterwards only its answer tells, and without one the message is
uncertain (RFC 1047).
"""

from dataclasses import dataclass

from digest.delivery.outcome import Outcome, classify
from digest.delivery.relay import Timeouts
from digest.delivery.smtp_dialogue import Answer, ConnectionLostError, GarbledReplyError, NoAnswerError
from digest.delivery.smtp_login import Connection
from digest.delivery.transport import Envelope, Phase

FINAL_DOT = b".\r\n"
# From the first byte of CRLF.CRLF on, a lenient server may hold a message that it takes for complete.
_ENDING_BYTES = 5
_CLOSING = 421  # RFC 5321 section 3.8: the server closes after it, whatever the command was


@dataclass(frozen=True, slots=True)
class Ending:
    """How a transaction ended. `in_step` says whether the connection can carry another one."""

    outcome: Outcome
    phase: Phase
    text: str
    code: int | None = None
    enhanced: str | None = None
    in_step: bool = False
    closed_between_mails: bool = False


class Transaction:
    """One message to one recipient on one connection; used once."""

    def __init__(self, connection: Connection, timeouts: Timeouts) -> None:
        self._wire = connection.wire
        self._offers = connection.offers
        self._timeouts = timeouts
        self._phase = Phase.MAIL
        self._answers: dict[Phase, Answer] = {}

    def run(self, envelope: Envelope, data: bytes) -> Ending:
        """Carry it out; `data` is dot-stuffed and ends with the final dot."""
        try:
            self._announce(_commands(envelope, data, self._offers))
            refusal = self._refusal()
            return _answered(*refusal, in_step=self._clear(refusal)) if refusal else self._hand_over(data)
        except ConnectionLostError as error:
            refusal = self._refusal()
            return _answered(*refusal, in_step=False) if refusal else _lost(error, self._phase)

    def _announce(self, commands: dict[Phase, bytes]) -> None:
        """Send the envelope, in one write where the server allows that (RFC 2920), and collect the answers."""
        timeouts = self._timeouts
        waits = {Phase.MAIL: timeouts.mail, Phase.RCPT: timeouts.rcpt, Phase.DATA: timeouts.data}
        is_pipelined = "pipelining" in self._offers
        if is_pipelined:
            self._wire.write(b"".join(commands.values()), timeouts.mail)
        for phase, wait in waits.items():
            self._phase = phase
            if not is_pipelined:
                self._wire.write(commands[phase], wait)
            answer = self._answers[phase] = self._wire.read(wait)
            if answer.code == _CLOSING or (not is_pipelined and not _is_yes(phase, answer)):
                return

    def _refusal(self) -> tuple[Phase, Answer] | None:
        """Return the first answer that was not a yes; with pipelining the later ones only follow from it."""
        return next(((phase, answer) for phase, answer in self._answers.items() if not _is_yes(phase, answer)), None)

    def _clear(self, refusal: tuple[Phase, Answer]) -> bool:
        """Bring the connection back to where a mail may begin; return whether that worked."""
        phase, answer = refusal
        if not _is_no(answer) or any(a.code == _CLOSING for a in self._answers.values()):
            return False
        if phase is Phase.MAIL:
            # a server that wants a message nevertheless could give somebody an empty one
            return Phase.DATA not in self._answers or _is_no(self._answers[Phase.DATA])
        if phase is Phase.RCPT and Phase.DATA in self._answers and _is_yes(Phase.DATA, self._answers[Phase.DATA]):
            # RFC 2920 section 3.1: it waits for a message that has no recipient; end it with nothing in it
            self._wire.write(FINAL_DOT, self._timeouts.block)
            self._wire.read(self._timeouts.dot)
            return True
        self._wire.write(b"RSET\r\n", self._timeouts.mail)
        return self._wire.read(self._timeouts.mail).code == 250

    def _hand_over(self, data: bytes) -> Ending:
        if not self._wire.is_read_up():
            # what lies here would be taken for the answer to the final dot
            raise GarbledReplyError("the server answered more often than it was asked")
        self._phase = Phase.BODY
        try:
            self._wire.write(data, self._timeouts.block)
        except ConnectionLostError as error:
            if error.handed > len(data) - _ENDING_BYTES:
                self._phase = Phase.DOT
            # a server that has had enough says why before it closes; if it does not, the first error is the story
            return self._last_words() or _lost(error, self._phase)
        self._phase = Phase.DOT
        return _answered(Phase.DOT, self._wire.read(self._timeouts.dot), in_step=True)

    def _last_words(self) -> Ending | None:
        try:
            answer = self._wire.read(self._timeouts.goodbye)
        except ConnectionLostError:
            return None
        return _answered(self._phase, answer, in_step=False)


def _is_yes(phase: Phase, answer: Answer) -> bool:
    return answer.code == 354 if phase is Phase.DATA else answer.code // 100 == 2


def _is_no(answer: Answer) -> bool:
    return answer.code // 100 in {4, 5}


def _commands(envelope: Envelope, data: bytes, offers: dict[str, str]) -> dict[Phase, bytes]:
    size = f" SIZE={len(data) - len(FINAL_DOT)}" if "size" in offers else ""
    utf8 = "" if (envelope.sender + envelope.recipient).isascii() else " SMTPUTF8"
    return {
        Phase.MAIL: f"MAIL FROM:<{envelope.sender}>{size}{utf8}\r\n".encode(),
        Phase.RCPT: f"RCPT TO:<{envelope.recipient}>\r\n".encode(),
        Phase.DATA: b"DATA\r\n",
    }


def _answered(phase: Phase, answer: Answer, *, in_step: bool) -> Ending:
    outcome = classify(answer.code)
    if phase is not Phase.DOT and not _is_no(answer):
        # a yes or a question where neither belongs: the message was not handed over, and we are out of step
        outcome = Outcome.DEFERRED
    fits = _is_no(answer) or outcome is Outcome.ACCEPTED
    return Ending(
        outcome, phase, answer.text, answer.code, answer.enhanced, in_step and fits and answer.code != _CLOSING
    )


def _lost(error: ConnectionLostError, phase: Phase) -> Ending:
    if phase is Phase.DOT:
        text = f"{error} after the final dot: it may or may not have the message"
        return Ending(Outcome.UNCERTAIN, phase, text)
    closed = phase is Phase.MAIL and not isinstance(error, NoAnswerError | GarbledReplyError)
    return Ending(Outcome.DEFERRED, phase, f"{error} before it had the whole message", closed_between_mails=closed)
