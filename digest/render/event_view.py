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
            _("The articles of the month have been chosen. Review the issue as readers will see it, then approve it."),
        ),
        "needs_approval": (
            _("waits for approval"),
            _("The issue has not been approved yet. It is not sent until it is approved."),
        ),
        "started": (_("sending has started"), _("The audience is fixed, and the mails are being sent.")),
        "halted": (_("sending is on hold"), _("Sending has stopped. No delivery is lost. The next steps are below.")),
        "finished": (
            _("sending has finished"),
            _("Every delivery of the issue has ended. The numbers add up to the planned deliveries."),
        ),
        "missed": (
            _("the run was missed"),
            _("The month's issue was not sent on its date, and will not be sent automatically."),
        ),
        "uncertain_waiting": (
            _("uncertain deliveries need your decision"),
            _(
                "It is unknown whether these mails arrived. They are never sent again automatically: check the "
                "mail server's log, or decide yourself."
            ),
        ),
        "policy_bounces": (
            _("mails bounce because of the sender"),
            _(
                "Other servers refuse this publication's mails, no matter who the reader is. No reader is "
                "suppressed for this."
            ),
        ),
        "report": (
            _("the report is ready"),
            _(
                "Three days have passed, and most bounces and complaints have arrived. The report shows who did "
                "not get the issue, and why. The page is made where digest runs, because it names readers."
            ),
        ),
        "test": (_("a test"), _("This is a test. It shows that notifications reach you.")),
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
