"""What a relay can do wrong, and what becomes of the readers: one table, for the tests and for the page about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.proof.bad_server import CLOSE, SILENCE, Behaviour

READERS = 6


@dataclass(frozen=True)
class Fault:
    """One way to fail, and where six readers are when the run is over, before anything is tried again.

    `sink`: options of Postfix's smtp-sink; `server`: how our own server behaves; `relay`: how ours is configured; `ends`:
    the error that ends the run, empty if it ends by itself; `held`: what it did to the issue. `happens` and `why` are
    what the page says.
    """

    happens: str
    states: Mapping[str, int]
    why: str
    sink: tuple[str, ...] | None = None
    server: Behaviour | None = None
    relay: Mapping[str, Any] = field(default_factory=dict)
    ends: str = ""
    held: bool = False


def every(state: str) -> dict[str, int]:
    return {state: READERS}


def says(command: bytes, answer: bytes) -> Behaviour:
    return Behaviour({command: answer})


PUT_OFF = every("deferred or pending")
REFUSED, AWAY = "RelayRefusedError", "RelayUnreachableError"
LOGIN = {"username": "editor", "password": "wrong"}
RECONNECTS = "it may close between two messages; the next uses a new connection"
NOTHING_YET = "before the final dot, it has nothing; retried after five minutes, then at longer intervals"
SAID_SO = "it says that it has nothing"
FOR_GOOD = "it concerns the mailbox and is permanent; held, because nothing was accepted"
ABOUT_US = "it concerns the sender, not a reader; held after three in a row"
HEARD = "it says that it has nothing; if the connection is lost before the answer arrives, the delivery is retried"
NOBODY_KNOWS = "it may or may not have the message; the outcome is unknown (RFC 1047)"
OUR_FAULT = "it concerns the sender, not a reader: the run ends, and no reader was tried"
NOT_REACHED = "no message was started; the run waits (`[delivery] patience`), then ends"
OTHERS_WAIT = "the first is deferred; the others wait, not started, until the pause is over"

FAULTS = (
    # It works, if slowly or in its own way
    Fault("nothing", every("accepted"), "each reader has one message", sink=()),
    Fault(
        "it is an old server without extensions",
        every("accepted"),
        "each command waits for its answer",
        sink=("-8", "-e"),
    ),
    Fault(
        "it takes seconds to answer DATA",
        every("accepted"),
        "the worker waits, for up to two minutes",
        sink=("-w", "2"),
        relay={"connections": READERS},
    ),
    Fault("it reads slowly", every("accepted"), "the worker waits while data is read", server=Behaviour(slow=True)),
    Fault("it closes after every two messages", every("accepted"), RECONNECTS, server=Behaviour(most=2)),
    Fault(
        "it says `421` after every two messages", every("accepted"), RECONNECTS, server=Behaviour(most=2, goodbye=True)
    ),
    # It says no
    Fault(
        "`550 5.1.1` to RCPT",
        every("rejected"),
        FOR_GOOD,
        sink=("-B", "550 5.1.1 no such user", "-f", "rcpt"),
        held=True,
    ),
    Fault(
        "`550 User unknown` to RCPT", every("rejected"), FOR_GOOD, server=says(b"RCPT", b"550 User unknown"), held=True
    ),
    Fault("`552 5.2.2` to RCPT", every("rejected"), FOR_GOOD, server=says(b"RCPT", b"552 5.2.2 full"), held=True),
    Fault("any other `5yz` to RCPT", PUT_OFF, ABOUT_US, sink=("-f", "rcpt"), held=True),
    Fault(
        "`550 5.7.1 Unable to relay`", PUT_OFF, ABOUT_US, server=says(b"RCPT", b"550 5.7.1 Unable to relay"), held=True
    ),
    Fault("`554 Relay access denied`", PUT_OFF, ABOUT_US, server=says(b"RCPT", b"554 Relay access denied"), held=True),
    Fault("`550 5.4.5`: a day's limit", PUT_OFF, ABOUT_US, server=says(b"RCPT", b"550 5.4.5 Daily limit"), held=True),
    Fault("`552` after the final dot", PUT_OFF, ABOUT_US, server=says(b".", b"552 Quota exceeded"), held=True),
    Fault(
        "`554` spam, after the final dot", PUT_OFF, ABOUT_US, server=says(b".", b"554 5.7.1 Looks like spam"), held=True
    ),
    Fault(
        "`5yz` to MAIL: it does not accept the sender", every("pending"), OUR_FAULT, sink=("-f", "mail"), ends=REFUSED
    ),
    Fault(
        "`552 5.2.2` to MAIL: the sender's quota",
        every("pending"),
        OUR_FAULT,
        server=says(b"MAIL", b"552 5.2.2 quota"),
        ends=REFUSED,
    ),
    Fault("`5yz` to DATA", PUT_OFF, ABOUT_US, sink=("-f", "data"), held=True),
    Fault("`5yz` after the final dot", PUT_OFF, ABOUT_US, sink=("-f", "."), held=True),
    Fault("`550` in the middle of the message", PUT_OFF, HEARD, sink=("-A", "0")),
    Fault("SIZE is smaller than the message", PUT_OFF, ABOUT_US, server=Behaviour(size=1000), held=True),
    # It says not now
    Fault("`4yz` to MAIL", every("deferred"), NOTHING_YET, sink=("-r", "mail")),
    Fault("`4yz` to RCPT", every("deferred"), NOTHING_YET, sink=("-r", "rcpt")),
    Fault("`4yz` to DATA", every("deferred"), NOTHING_YET, sink=("-r", "data")),
    Fault("`4yz` after the final dot", every("deferred"), SAID_SO, sink=("-r", ".")),
    Fault(
        "`421 4.7.28` to MAIL: too fast for this relay",
        {"deferred": 1, "pending": 5},
        OTHERS_WAIT,
        sink=("-b", "421 4.7.28 too fast", "-r", "mail"),
    ),
    Fault(
        "`421 4.7.28` to RCPT: too fast for this domain",
        {"deferred": 1, "pending": 5},
        OTHERS_WAIT,
        sink=("-b", "421 4.7.28 too fast", "-r", "rcpt"),
    ),
    Fault("`421` instead of a greeting", every("pending"), NOT_REACHED, server=Behaviour(greeting=b"421"), ends=AWAY),
    # It goes away
    Fault("it does not listen", every("pending"), NOT_REACHED, ends=AWAY),
    Fault("it closes at MAIL", every("deferred"), NOTHING_YET, sink=("-q", "mail")),
    Fault("it closes at RCPT", every("deferred"), NOTHING_YET, sink=("-q", "rcpt")),
    Fault("it closes at DATA", every("deferred"), NOTHING_YET, sink=("-q", "data")),
    Fault("it closes after the final dot, without an answer", every("uncertain"), NOBODY_KNOWS, sink=("-q", ".")),
    Fault(
        "it ends after three messages and does not come back",
        {"accepted": 3, "pending": 3},
        NOT_REACHED,
        server=Behaviour(most=3, dies=True),
        ends=AWAY,
    ),
    # It says nothing any more, and the connection stays open
    Fault("silence, no greeting", every("pending"), NOT_REACHED, server=Behaviour(greeting=SILENCE), ends=AWAY),
    Fault("silence after MAIL", every("deferred"), NOTHING_YET, server=Behaviour({b"MAIL": SILENCE})),
    Fault("silence after RCPT", every("deferred"), NOTHING_YET, server=Behaviour({b"RCPT": SILENCE})),
    Fault("silence after DATA", every("deferred"), NOTHING_YET, server=Behaviour({b"DATA": SILENCE})),
    Fault("silence after the final dot", every("uncertain"), NOBODY_KNOWS, server=Behaviour({b".": SILENCE})),
    # It is not the server that we want, or does not want us
    Fault(
        "its certificate is not trusted",
        every("pending"),
        OUR_FAULT,
        server=Behaviour(tls=True),
        relay={"tls": "required"},
        ends=REFUSED,
    ),
    Fault(
        "STARTTLS is required and not offered",
        every("pending"),
        f"{OUR_FAULT}; no password is sent",
        server=Behaviour(),
        relay={"tls": "required", **LOGIN},
        ends=REFUSED,
    ),
    Fault(
        "`535` to the login",
        every("pending"),
        OUR_FAULT,
        server=Behaviour({b"AUTH": b"535 5.7.8 wrong"}),
        relay=LOGIN,
        ends=REFUSED,
    ),
    Fault(
        "`530` to MAIL: it requires a login",
        every("pending"),
        OUR_FAULT,
        server=Behaviour({b"MAIL": b"530 5.7.0 login first"}),
        ends=REFUSED,
    ),
    Fault(
        "it speaks another protocol", every("pending"), NOT_REACHED, server=Behaviour(greeting=b"HTTP/1.1"), ends=AWAY
    ),
    Fault("nonsense after the final dot", every("uncertain"), NOBODY_KNOWS, server=Behaviour({b".": b"what?"})),
    Fault("`354` after the final dot", every("uncertain"), NOBODY_KNOWS, server=Behaviour({b".": b"354 go on"})),
    Fault(
        "it closes after the final dot, in the middle of its answer",
        every("uncertain"),
        NOBODY_KNOWS,
        server=Behaviour({b".": b"25" + CLOSE}),
    ),
)
