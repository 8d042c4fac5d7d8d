"""Translated words of the report's pages: reasons, what follows from them, parts of a bar. Pure."""

from collections.abc import Callable, Mapping, Sequence

from digest.outbox.states import State
from digest.workspace.report.reasons import FORGOTTEN

Translate = Callable[[str], str]
PARTS: Mapping[str, Sequence[State]] = {
    "got": (State.ACCEPTED,),
    "bad": (State.REJECTED, State.EXPIRED),
    "odd": (State.UNCERTAIN,),
    "due": (State.PENDING, State.STARTED, State.DEFERRED),
    "off": (State.SKIPPED, State.CANCELLED),
}
"""Parts of a bar, by the class that colours them."""


def parts(translate: Translate) -> dict[str, str]:
    """Return the names of the parts."""
    _ = translate
    return {
        "got": _("accepted"),
        "bad": _("refused"),
        "odd": _("uncertain"),
        "due": _("still waiting"),
        "off": _("not sent"),
    }


def reason(translate: Translate, state: str, words: str) -> tuple[str, str]:
    """Return the name of a reason and what follows from it; of one that a person wrote, their words."""
    _ = translate
    if state == State.UNCERTAIN:
        return _("It is unknown whether it arrived"), _("It is not sent again automatically: a person decides.")
    if state == State.DEFERRED:
        return f"{_reasons(translate).get(words, (words, ''))[0]} ({_('deferred')})", _("It will be retried.")
    return _reasons(translate).get(words, (words, ""))


def _reasons(translate: Translate) -> dict[str, tuple[str, str]]:
    _ = translate
    ours = _("The sender, not the reader, caused it. See below for what to do.")
    again = _("The next issue will be sent. After three issues in a row, the reader gets no more.")
    ended = _("The reader gets no more issues.")
    return {
        "no such mailbox": (_("The mailbox does not exist"), ended),
        "inactive": (_("The mailbox is closed or not in use"), ended),
        "full": (_("The mailbox is full"), again),
        "network": (_("Their mail server could not be reached"), again),
        "policy": (_("Refused by a policy about senders"), ours),
        "content": (_("Refused because of its content or size"), ours),
        "rate": (_("Refused because too many emails came at once"), ours),
        "relay": (_("Refused by our own mail server"), ours),
        "unknown": (_("The reason is unknown"), ""),
        "unsubscribed": (_("They had unsubscribed"), ""),
        "unconfirmed": (_("They have not confirmed their address"), _("Unconfirmed readers get no issue.")),
        "paused": (_("They have paused"), ""),
        "suppressed": (
            _("Their address is on the never-send list"),
            _("It bounced, complained, or was added by an operator."),
        ),
        "frequency": (_("They chose to get fewer issues"), _("They get every second or third issue.")),
        "empty": (_("No article was about their interests"), ""),
        "unaffected": (_("They did not get the article that is corrected"), ""),
        "erased": (_("They have been erased"), ""),
        FORGOTTEN: (_("They have been erased since"), ""),
        "changed since": (_("Their preferences have changed since"), ""),
        "the issue was withdrawn": (_("The issue was withdrawn"), ""),
    }
