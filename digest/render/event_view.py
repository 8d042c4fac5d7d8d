"""Translated texts of operators' events for mails. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class EventView:
    """An event for templates: texts, labelled numbers, commands."""

    headline: str
    meaning: str
    why: str
    numbers: tuple[tuple[str, int], ...]
    commands: tuple[str, ...]
    at: str


def event_view(stored: Mapping[str, Any], translate: Callable[[str], str], zone: ZoneInfo) -> EventView:
    """Return the view of an event that `digest.notify` stored; an unknown kind is its own headline."""
    _ = translate
    kind = str(stored["event"])
    headline, meaning = _words(translate).get(kind, (kind, ""))
    about = str(stored.get("period") or "")
    if stored.get("issue") is not None:
        about = _("Issue No. %(number)s") % {"number": stored["issue"]}
    names = _names(translate)
    counted: Mapping[str, int] = stored.get("numbers") or {}
    numbers = tuple((names.get(name, name), int(count)) for name, count in counted.items())
    at = datetime.fromisoformat(str(stored["at"])).astimezone(zone)
    return EventView(
        headline=f"{about}: {headline}" if about else headline,
        meaning=meaning,
        why=str(stored.get("why") or ""),
        numbers=numbers,
        commands=tuple(map(str, stored.get("next") or ())),
        at=f"{at:%Y-%m-%d %H:%M} {zone.key}",
    )


def _words(translate: Callable[[str], str]) -> dict[str, tuple[str, str]]:
    _ = translate
    return {
        "assembled": (
            _("assembled"),
            _("The articles of the month were chosen. Look at the issue as its readers will see it, and approve it."),
        ),
        "needs_approval": (
            _("waits for approval"),
            _("The issue is not approved yet. Until somebody approves it, it is not sent."),
        ),
        "started": (_("sending has begun"), _("The audience is fixed, and the mails are going out.")),
        "halted": (_("sending was halted"), _("Sending has stopped, and no reader is lost. What to do is below.")),
        "finished": (
            _("sending is finished"),
            _("Every delivery of the issue has ended; the numbers add up to what was planned."),
        ),
        "missed": (
            _("the run was missed"),
            _("The month's issue was not sent on its day, and will not be sent by itself."),
        ),
        "uncertain_waiting": (
            _("uncertain deliveries wait for you"),
            _(
                "It is not known whether these mails arrived. They are never sent again by themselves: "
                "the mail server's log or a person decides."
            ),
        ),
        "policy_bounces": (
            _("mails come back for reasons that are ours"),
            _("Other servers refuse our mails, for every reader there. No reader is suppressed for it."),
        ),
        "report": (
            _("the report is ready"),
            _(
                "Three days have passed, and most bounces and complaints have come in. The report says who did not "
                "get the issue, and why; the page is made where digest runs, since it names readers."
            ),
        ),
        "test": (_("a test"), _("Nothing happened. Somebody tried whether you would be told if something did.")),
    }


def _names(translate: Callable[[str], str]) -> dict[str, str]:
    _ = translate
    return {
        "planned": _("planned"),
        "pending": _("pending"),
        "started": _("started"),
        "deferred": _("deferred"),
        "accepted": _("accepted"),
        "rejected": _("rejected"),
        "expired": _("expired"),
        "skipped": _("skipped"),
        "cancelled": _("cancelled"),
        "uncertain": _("uncertain"),
        "excluded": _("excluded"),
        "complaints": _("complaints"),
        "articles": _("articles"),
        "editions": _("editions"),
        "readers": _("readers"),
    }
