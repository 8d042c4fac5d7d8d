"""Printing the status of deliveries, for `digest send` and `digest outbox status`."""

import shlex
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from digest.cli.output import Output
from digest.cli.progress import clock_time, counted, rate
from digest.outbox.states import TO_LOOK_AT

Status = Mapping[str, Any]


def show_status(out: Output, data: Status, now: datetime, more: Callable[[], None] = lambda: None) -> None:
    """Print the status of an issue; `more` prints what belongs under the table."""

    def show() -> None:
        out.line(f"Issue {data['issue']}: {data['planned']} planned")
        out.table(["state", "deliveries"], [[k, v] for k, v in data["states"].items() if v])
        show_excluded(out, data["excluded"])
        more()
        _show_what_to_do(out, data, now)

    out.emit(data, show)


def _show_what_to_do(out: Output, data: Status, now: datetime) -> None:
    if data["rest_at"] and not data["held"]:
        until = clock_time(data["rest_at"], now)
        out.line(
            f"\nThe canary group has been sent. The other emails wait until {until}, when its results are evaluated."
        )
        out.line(f"After that, `digest tick` sends the rest, or: digest send {data['issue']}")
    if data["held"]:
        out.line(f"\nHeld: {data['held_reason']}.")
        out.line("\nWhen the problem is fixed, or if there is none:")
        for command in data["next"]:
            out.line(f"  {command}")
    for state in TO_LOOK_AT:
        if data["states"].get(state):
            out.line(f"\nList them: digest outbox list {data['issue']} --state {state}")
    if data["states"].get("rejected"):
        out.line("To stop sending to an address that does not exist: digest suppress add ADDRESS")


def show_excluded(out: Output, excluded: Mapping[str, int]) -> None:
    """Print who does not get the issue, by reason."""
    if excluded:
        out.line("Excluded: " + ", ".join(f"{count} {reason}" for reason, count in sorted(excluded.items())))


def show_details(out: Output, data: Status, now: datetime) -> None:
    """Print what an operator watches, under the table of states; one family alone would say the same again."""
    if len(data["families"]) > 1:
        _show_groups(out, "mailboxes", data["families"])
    if data["relays"]:
        _show_groups(out, "relay", data["relays"])
    _show_waits(out, data, now)
    if data["workers"]:
        out.line()
        rows = [[w["host"], "yes" if w["alive"] else "no", w["started_at"], w["heartbeat_at"]] for w in data["workers"]]
        out.table(["working on", "alive", "since", "last heartbeat"], rows)


def _show_waits(out: Output, data: Status, now: datetime) -> None:
    if data["rate"]:
        until = f"; finishes at about {clock_time(data['eta'], now)}" if data["eta"] else ""
        out.line(f"\n{rate(data['rate'])} over the last minute{until}")
    for wait in data["waiting"]:
        until = f" until {clock_time(wait['until'], now)}" if wait["until"] else ""
        out.line(f"\n{wait['scope'].replace(':', ' ', 1)} waits{until}: {wait['why']}")
    if data["states"]["deferred"] and data["next_due"]:
        out.line(f"\nThe next delivery is due at {clock_time(data['next_due'], now)}.")


def _show_groups(out: Output, title: str, groups: Mapping[str, Mapping[str, int]]) -> None:
    columns = list(dict.fromkeys(name for counts in groups.values() for name in counts))
    out.line()
    out.table([title, *columns], [[name, *(of.get(c, 0) for c in columns)] for name, of in groups.items()])


def tell_stopped(
    out: Output, states: Mapping[str, int], to_go: int, command: str, number: int | None, relay: str
) -> None:
    """Note on stderr that a delivery was stopped, and the command that goes on with it."""
    stopped = f"Stopped: {counted(states)}, {to_go:,} left. Nothing is lost"
    words = ["digest", command, *([str(number)] if number else []), *(["--relay", shlex.quote(relay)] if relay else [])]
    again = " ".join([*words, *(["--yes"] if command == "send" else [])])
    out.note(f"{stopped}; resume with: {again}" if to_go else f"{stopped}.")
