"""SMTP client as a state machine after login: mail after mail on one connection, bytes in and bytes out. Pure.

With PIPELINING (RFC 2920) an envelope is one write, and so are the content of one message and the envelope of the next
(section 3.1 lets content begin a group): a message costs one round trip. Else each command waits for its answer.

To send once only: before the final dot may have left, any failure means that the server has nothing (deferred, or
rejected if it said so); afterwards only its answer tells, and without one the message is uncertain (RFC 1047). A
message of whose envelope nothing was answered was not acted upon: it goes again elsewhere.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Protocol

from digest.delivery.outcome import Phase, Reason, classify, explain
from digest.delivery.smtp.content import FINAL_DOT, Content, Stuffing
from digest.delivery.smtp.envelope import envelope_commands, mail_command, rcpt_command
from digest.delivery.smtp.relay import Timeouts
from digest.delivery.smtp.reply import GarbledReplyError, ReplyReader, SmtpReply
from digest.delivery.transport import Envelope, Parcel, Reply
from digest.outbox.states import Outcome

# From the first byte of CRLF.CRLF on, a lenient server may hold a message that it takes for complete.
_ENDING_BYTES = 5
_CLOSING = 421  # RFC 5321 section 3.8: the server closes after it, whatever the command was
# A control character, a space or an angle bracket would end the address and begin something else.
_BAD_ADDRESS = "5.1.3"
_TAKEN = 250
_UNSAFE = re.compile(r"[\x00-\x20\x7f<>]")
_CLOSED = "the server closed the connection"
_TOO_MANY = "the server sent more replies than there were commands"


class Mailbag(Protocol):
    """Source of a conversation's parcels, and receiver of their results."""

    def take(self) -> Parcel | None:
        """Return the next parcel, whose envelope is written at once; None if there is none."""

    def done(self, parcel: Parcel, reply: Reply) -> None:
        """Note how a parcel ended."""

    def hand_over(self, parcel: Parcel) -> bool:
        """Note that the end of a parcel's message is about to leave; return whether it may."""

    def again(self, parcel: Parcel, reply: Reply) -> None:
        """Retry an unanswered parcel on another connection; `reply` ends it after too many tries."""


class _Aside(Enum):
    """Answers that belong to no message."""

    RESET = auto()
    EMPTY = auto()  # the end of a message that has no recipient


class _Mail:
    """A message under way."""

    __slots__ = ("content", "is_answered", "parcel", "refusal")

    def __init__(self, parcel: Parcel, content: Content) -> None:
        self.parcel = parcel
        self.content = content
        self.is_answered = False
        self.refusal: tuple[Phase, SmtpReply] | None = None

    @property
    def size(self) -> int:
        return self.content.size - len(FINAL_DOT)


class Conversation:
    """One connection after its login. It takes the next parcel only when the envelope is about to be written."""

    def __init__(  # noqa: PLR0917 - each is used throughout
        self, relay: str, offers: Mapping[str, str], timeouts: Timeouts, most: int, bag: Mailbag, stuffing: Stuffing
    ) -> None:
        """`offers` is what EHLO announced, keys in lower case; at most `most` mails are carried."""
        self._relay = relay
        self._offers = offers
        self._pipelined = "pipelining" in offers
        announced = offers.get("size", "")
        self._size_limit = int(announced[:20]) if announced.isascii() and announced.isdecimal() else 0
        self._most = most
        self._bag = bag
        self._stuffing = stuffing
        self._reader = ReplyReader()
        self._expected: deque[tuple[Phase | _Aside, _Mail | None]] = deque()
        self.carried = 0
        """How many mails have begun."""
        self._out = b""
        self._out_at = 0
        self._dot_at = -1  # while no more than this has left, the final dot in `_out` has not
        self._ending: _Mail | None = None  # whose dot that is, until it may leave
        self._waits: dict[Phase | _Aside, float] = {
            Phase.MAIL: timeouts.mail,
            Phase.RCPT: timeouts.rcpt,
            Phase.DATA: timeouts.data,
            Phase.DOT: timeouts.dot,
            _Aside.RESET: timeouts.mail,
            _Aside.EMPTY: timeouts.dot,
        }
        self._block_wait = timeouts.block
        self.is_over = False
        self.in_transit: Callable[[], int] = lambda: 0
        """Returns how many sent bytes the server's machine has not confirmed; at most, as far as that is known."""

    @property
    def pending(self) -> int:
        return len(self._expected)

    @property
    def is_carrying(self) -> bool:
        return any(mail for _, mail in self._expected)

    @property
    def is_worn_out(self) -> bool:
        return self.carried >= self._most

    @property
    def has_unsent(self) -> bool:
        return self._out_at < len(self._out)

    @property
    def unsent(self) -> memoryview | bytes:
        return memoryview(self._out)[self._out_at :] if self._out_at else self._out

    @property
    def patience(self) -> float | None:
        """Seconds the next thing may take, counted from the last one; None when nothing is awaited."""
        if self._out_at <= self._dot_at:
            return self._block_wait
        return self._waits[self._expected[0][0]] if self._expected else None

    def retire(self) -> None:
        """Finish what is under way and take no more."""
        self._most = 0

    def begin(self) -> None:
        """Begin with a parcel, if nothing is under way and there is one."""
        if self._expected or self.is_over:
            return
        if not self._reader.is_read_up:
            self.lost(_TOO_MANY, closed=False)
        elif mail := self._next():
            self._announce(mail, b"")

    def may_send(self, count: int) -> bool:
        """Return whether the next `count` bytes may leave; if not, their message ends unsent, with the connection.

        Asked before any byte of a final dot, whose loss would leave the message's fate open.
        """
        mail = self._ending
        if mail is None or self._out_at + count <= self._dot_at:
            return True
        self._ending = None
        if self._bag.hand_over(mail.parcel):
            return True
        self._expected[0] = (_Aside.EMPTY, None)
        why = "the message was held back before its end"
        self._done(mail, Outcome.NOT_SENT, Phase.BODY, why)
        self.lost(why, closed=False)
        return False

    def sent(self, count: int) -> None:
        """Note that so many bytes more have left, or may have."""
        self._out_at += count

    def receive(self, data: bytes) -> int:
        """Take bytes from the server; return how many whole replies they had."""
        count = 0
        try:
            self._reader.feed(data)
            while not self.is_over and (answer := self._reader.next()) is not None:
                count += 1
                self._hear(answer)
        except GarbledReplyError as error:
            self.lost(str(error), closed=False)
        return count

    def lost(self, why: str, *, closed: bool) -> None:
        """End everything: the connection is gone, or cannot be trusted any more.

        `closed` means that the server closed it, which it may do between mails.
        """
        if self.is_over:
            return
        self.is_over = True
        expected = list(self._expected)
        self._expected.clear()
        seen: _Mail | None = None
        for position, (phase, mail) in enumerate(expected):
            if mail is not None and mail is not seen and isinstance(phase, Phase):
                seen = mail
                is_gone_between_mails = closed and self.carried > 1
                self._conclude(mail, phase, why, may_go_again=position > 0 or is_gone_between_mails)

    def _conclude(self, mail: _Mail, phase: Phase, why: str, *, may_go_again: bool) -> None:
        if phase is Phase.DOT:
            if self._dot_has_left():
                text = f"{why} after the final dot: it may or may not have accepted the message"
                return self._done(mail, Outcome.UNCERTAIN, Phase.DOT, text)
            phase = Phase.BODY
        elif mail.refusal:
            return self._done_by(mail, *mail.refusal)
        text = f"{why} before it had the whole message"
        if phase is not Phase.BODY and not mail.is_answered and may_go_again:
            return self._bag.again(mail.parcel, Reply(Outcome.DEFERRED, None, None, text, self._relay, phase))
        return self._done(mail, Outcome.DEFERRED, phase, text)

    def _hear(self, answer: SmtpReply) -> None:
        if not self._expected:
            # between mails: a goodbye, or something that would be taken for the answer to the next MAIL
            self.lost(_CLOSED if answer.code == _CLOSING else _TOO_MANY, closed=True)
            return
        phase, mail = self._expected.popleft()
        if mail and self._pipelined and answer.code // 100 == 2 and (phase is Phase.MAIL or phase is Phase.RCPT):
            mail.is_answered = True  # what comes nearly always; all else depends on the answer to DATA
        elif self.has_unsent and phase is not Phase.DOT and not self._is_in_group(phase):
            # an answer to what has not left: the server does not listen
            self._expected.appendleft((phase, mail))
            self.lost(_TOO_MANY, closed=False)
        elif mail is None:
            self._go_on(answer.code == 250 if phase is _Aside.RESET else answer.code != _CLOSING)
        elif phase is Phase.DOT:
            self._hear_fate(mail, answer)
        elif isinstance(phase, Phase):
            self._hear_envelope(phase, mail, answer)

    def _is_in_group(self, phase: Phase | _Aside) -> bool:
        """Return whether an answer may come before all of the same write has left."""
        return self._pipelined and phase in {Phase.MAIL, Phase.RCPT, _Aside.RESET} and bool(self._expected)

    def _hear_envelope(self, phase: Phase, mail: _Mail, answer: SmtpReply) -> None:
        mail.is_answered = True
        is_yes = answer.code == 354 if phase is Phase.DATA else answer.code // 100 == 2
        if not is_yes and mail.refusal is None:
            mail.refusal = (phase, answer)
        if answer.code == _CLOSING:
            self._hear_goodbye(mail, *(mail.refusal or (phase, answer)))
        elif not self._pipelined and is_yes and phase is not Phase.DATA:
            self._command(Phase.RCPT if phase is Phase.MAIL else Phase.DATA, mail)
        elif phase is Phase.DATA or not self._pipelined:
            if mail.refusal is None:
                self._hand_over(mail)
            else:
                self._refused(mail, *mail.refusal, answer if phase is Phase.DATA else None)

    def _hear_goodbye(self, mail: _Mail, phase: Phase, answer: SmtpReply) -> None:
        """End a mail by its first negative answer, which may be the 421 itself."""
        self._expected.clear()  # an envelope is always the last thing under way
        throttled = explain(answer.code, answer.enhanced, phase, answer.text) is Reason.THROTTLED
        if phase is Phase.MAIL and answer.code == _CLOSING and self.carried > 1 and not throttled:
            # it closes between mails and says so; had it come sooner, MAIL would not have been sent at all
            text = f"{_CLOSED} before it had the whole message"
            self._bag.again(
                mail.parcel, Reply(Outcome.DEFERRED, answer.code, answer.enhanced, text, self._relay, phase)
            )
        else:
            self._done_by(mail, phase, answer)
        self.is_over = True

    def _refused(self, mail: _Mail, phase: Phase, answer: SmtpReply, to_data: SmtpReply | None) -> None:
        """End a mail by its first negative answer, and bring the connection back to where one may begin."""
        is_wanted = to_data is not None and to_data.code == 354
        if to_data is not None and not is_wanted and not to_data.is_no and phase is not Phase.DATA:
            # then the answers are not those to our commands, and the refusal may not be one
            text = f"the server answered DATA with {to_data.code} after a refusal"
            self._done(mail, Outcome.DEFERRED, phase, text)
            self.lost(_TOO_MANY, closed=False)
            return
        self._done_by(mail, phase, answer)
        # a server that wants a message although it refused the sender could deliver an empty one
        if not answer.is_no or (phase is Phase.MAIL and is_wanted):
            self.lost(_CLOSED, closed=False)
        elif is_wanted:
            # RFC 2920 section 3.1: it waits for a message that has no recipient; end it with nothing in it
            self._expected.append((_Aside.EMPTY, None))
            self._put(FINAL_DOT)
        elif phase is Phase.MAIL:
            self.begin()
        else:
            self._reset()

    def _reset(self) -> None:
        self._expected.append((_Aside.RESET, None))
        self._put(b"RSET\r\n")
        if self._pipelined and (mail := self._next()):
            self._announce(mail, b"RSET\r\n")

    def _go_on(self, is_in_step: bool) -> None:
        """Begin the next mail, or wait for the answer to its envelope if that is on its way."""
        if not is_in_step or (self.has_unsent and not self._expected):
            self.lost(_CLOSED, closed=True)
        elif not self._expected:
            self.begin()

    def _hand_over(self, mail: _Mail) -> None:
        if not self._reader.is_read_up or self.has_unsent:
            # what lies here would be taken for the answer to the final dot
            self._done(mail, Outcome.DEFERRED, Phase.DATA, f"{_TOO_MANY} before it had the whole message")
            self.lost(_TOO_MANY, closed=False)
            return
        content = mail.content
        # In this order, so that an error in taking the next parcel leaves this one known and unsent.
        self._put(b"", dot_at=content.size - _ENDING_BYTES)
        self._ending = mail
        self._expected.append((Phase.DOT, mail))
        following = self._next() if self._pipelined else None
        if following:
            self._expect_envelope(following)
            self._out = b"".join((*content.pieces, self._envelope(following)))
        else:
            self._out = b"".join(content.pieces)

    def _hear_fate(self, mail: _Mail, answer: SmtpReply) -> None:
        phase = Phase.DOT if self._dot_has_left() else Phase.BODY
        is_in_time = answer.is_no or (phase is Phase.DOT and self.in_transit() <= self._out_at - self._dot_at)
        if is_in_time:
            self._done_by(mail, phase, answer)
        else:  # what it has not read it cannot have accepted; but if the dot is on its way, it may yet
            outcome = Outcome.UNCERTAIN if phase is Phase.DOT else Outcome.DEFERRED
            self._done(mail, outcome, phase, f"the server answered {answer.code} before it had the whole message")
        fits = answer.is_no or answer.code // 100 == 2
        self._go_on(is_in_time and phase is Phase.DOT and fits and answer.code != _CLOSING)

    def _dot_has_left(self) -> bool:
        return self._out_at > self._dot_at

    def _next(self) -> _Mail | None:
        """Return the next mail that this server can take; others end here."""
        while self.carried < self._most and (parcel := self._bag.take()):
            content = self._stuffing.content(parcel.message)
            if not (problem := self._problem(parcel.envelope, content)):
                self.carried += 1
                return _Mail(parcel, content)
            # but for a bad address, every reader would meet it at this relay
            outcome = Outcome.REJECTED if problem[0] == _BAD_ADDRESS else Outcome.DEFERRED
            self._bag.done(parcel, Reply(outcome, None, *problem, self._relay, Phase.BEFORE))
        return None

    def _problem(self, envelope: Envelope, content: Content) -> tuple[str, str] | None:
        """Return why a message cannot go, as a code (RFC 3463) and in words."""
        addresses = envelope.sender + envelope.recipient
        if not envelope.recipient or _UNSAFE.search(addresses):
            return _BAD_ADDRESS, "an address of the envelope is empty or has a character that no address may have"
        if not addresses.isascii() and "smtputf8" not in self._offers:
            return "5.6.7", "the relay does not support addresses with non-ASCII characters (SMTPUTF8)"
        if not content.is_ascii:
            return "5.6.3", "the message has 8-bit content, which a relay may refuse or garble"
        if 0 < self._size_limit < content.size:
            return "5.3.4", f"the message has {content.size} bytes; the relay's limit is {self._size_limit}"
        return None

    def _announce(self, mail: _Mail, before: bytes) -> None:
        if self._pipelined:
            self._expect_envelope(mail)
            self._put(before + self._envelope(mail))
        else:
            self._command(Phase.MAIL, mail)

    def _envelope(self, mail: _Mail) -> bytes:
        return envelope_commands(mail.parcel.envelope, mail.size, self._offers)

    def _expect_envelope(self, mail: _Mail) -> None:
        self._expected.extend(((Phase.MAIL, mail), (Phase.RCPT, mail), (Phase.DATA, mail)))

    def _command(self, phase: Phase, mail: _Mail) -> None:
        self._expected.append((phase, mail))
        if phase is Phase.MAIL:
            self._put(mail_command(mail.parcel.envelope, mail.size, self._offers))
        else:
            self._put(rcpt_command(mail.parcel.envelope, self._offers) if phase is Phase.RCPT else b"DATA\r\n")

    def _put(self, data: bytes, *, dot_at: int = -1) -> None:
        self._out = data
        self._out_at = 0
        self._dot_at = dot_at
        self._ending = None

    def _done_by(self, mail: _Mail, phase: Phase, answer: SmtpReply) -> None:
        enhanced, text, outcome = answer.enhanced, answer.text, Outcome.ACCEPTED
        if answer.code != _TAKEN:
            outcome = classify(answer.code, explain(answer.code, enhanced, phase, text))
        if phase is not Phase.DOT and not answer.is_no:
            # a yes or a question where neither belongs: the message was not handed over, and we are out of step
            outcome = Outcome.DEFERRED
        reply = Reply(outcome, answer.code, enhanced, text, self._relay, phase)
        self._bag.done(mail.parcel, reply)

    def _done(self, mail: _Mail, outcome: Outcome, phase: Phase, text: str) -> None:
        self._bag.done(mail.parcel, Reply(outcome, None, None, text, self._relay, phase))
