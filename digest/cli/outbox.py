"""`digest outbox`: how each promise stands, and what an operator may do about it."""

from typing import Annotated, Any

import typer

from digest.cli.reconcile import reconcile
from digest.cli.send import show_status
from digest.cli.shell import Shell, shell_of
from digest.cli.watching import clock_time, rate
from digest.runtime.errors import EXIT_ATTENTION, UsageError
from digest.runtime.keys import MAX_KEY
from digest.send import listing, operator

Number = Annotated[
    int | None,
    typer.Argument(min=1, max=MAX_KEY, help="The issue's number; default: the newest that is on its way."),
]
app = typer.Typer(
    name="outbox", help="How deliveries stand; hold, release, retry, cancel, resend.", no_args_is_help=True
)
Id = Annotated[int, typer.Argument(metavar="ID", min=1, max=MAX_KEY, help="A delivery, as `outbox list` numbers them.")]
Ids = Annotated[
    list[int] | None,
    typer.Argument(metavar="[ID]...", min=1, max=MAX_KEY, help="Deliveries, as `outbox list` numbers them."),
]
Of = Annotated[
    int | None,
    typer.Option("--issue", min=1, max=MAX_KEY, help="The issue; default: the newest that is on its way."),
]


@app.command("status")
def status(context: typer.Context, number: Number = None) -> None:
    """Print how many deliveries are in each state; the numbers add up to what was planned."""
    from digest.send import status as standing  # noqa: PLC0415

    shell = shell_of(context)
    data = standing.details(shell.app, number)
    show_status(shell, data, lambda: _show_details(shell, data))
    if data["states"]["uncertain"]:
        raise typer.Exit(EXIT_ATTENTION)


def _show_details(shell: Shell, data: dict[str, Any]) -> None:
    """What an operator watches, under the table of states; one family alone would say the same again."""
    out, now = shell.out, shell.app.clock.now()
    if len(data["families"]) > 1:
        _show_groups(shell, "mailboxes", data["families"])
    if data["relays"]:
        _show_groups(shell, "relay", data["relays"])
    if data["rate"]:
        until = f"; done at about {clock_time(data['eta'], now)}" if data["eta"] else ""
        out.line(f"\n{rate(data['rate'])} over the last minute{until}")
    for wait in data["waiting"]:
        until = f" until {clock_time(wait['until'], now)}" if wait["until"] else ""
        out.line(f"\n{wait['scope'].replace(':', ' ', 1)} waits{until}: {wait['why']}")
    if data["states"]["deferred"] and data["next_due"]:
        out.line(f"\nThe next is due at {clock_time(data['next_due'], now)}.")
    if data["workers"]:
        out.line()
        rows = [[w["host"], "yes" if w["alive"] else "no", w["started_at"], w["heartbeat_at"]] for w in data["workers"]]
        out.table(["worker on", "alive", "since", "last heartbeat"], rows)


def _show_groups(shell: Shell, title: str, groups: dict[str, dict[str, int]]) -> None:
    columns = list(dict.fromkeys(name for counts in groups.values() for name in counts))
    shell.out.line()
    shell.out.table([title, *columns], [[name, *(of.get(c, 0) for c in columns)] for name, of in groups.items()])


@app.command("list")
def list_(
    context: typer.Context,
    number: Number = None,
    state: Annotated[str, typer.Option(help="Only those in this state.")] = "",
) -> None:
    """List an issue's deliveries."""
    from digest.outbox.states import State  # noqa: PLC0415

    shell = shell_of(context)
    if state and state not in set(State):
        raise UsageError(f"There is no state {state!r}", hint=f"States: {', '.join(State)}")
    data = listing.deliveries(shell.app, number, State(state) if state else None)
    columns = ["id", "address", "edition", "state", "reason", "attempts"]
    shell.out.emit(data, lambda: shell.out.table(columns, [[entry[c] for c in columns] for entry in data]))


@app.command("show")
def show(context: typer.Context, delivery: Id) -> None:
    """Show one delivery with every attempt."""

    shell = shell_of(context)
    data = listing.delivery(shell.app, delivery)

    def tell() -> None:
        shell.out.table(["field", "value"], [[k, v] for k, v in data.items() if k != "tries"])
        shell.out.line()
        columns = ["started_at", "ended_at", "outcome", "code", "enhanced", "reply", "relay"]
        shell.out.table(columns, [[entry[c] for c in columns] for entry in data["tries"]])

    shell.out.emit(data, tell)


@app.command("hold")
def hold(context: typer.Context, number: Number = None) -> None:
    """Stop an issue: nothing more is started until it is released."""
    _held(context, number, held=True)


@app.command("release")
def release(context: typer.Context, number: Number = None) -> None:
    """Let a held issue go on."""
    _held(context, number, held=False)


def _held(context: typer.Context, number: int | None, *, held: bool) -> None:
    from digest.send import operator  # noqa: PLC0415

    shell = shell_of(context)
    steer = operator.hold if held else operator.release
    issue, changed = steer(shell.app, number)
    told = "held" if held else "released"
    line = f"Issue {issue} is {told}{'' if changed else ' (as it was)'}."
    shell.out.emit({"issue": issue, "held": held, "changed": changed}, lambda: shell.out.line(line))


@app.command("retry")
def retry(context: typer.Context, ids: Ids = None, number: Of = None) -> None:
    """Make deferred deliveries due at once: those named, or all of the issue."""
    from digest.send import operator  # noqa: PLC0415

    shell = shell_of(context)
    issue, count = operator.retry(shell.app, ids or (), number)
    _tell_count(shell, {"issue": issue, "due": count}, f"Due now: {count}. Next: digest worker {issue}")


@app.command("cancel")
def cancel(
    context: typer.Context,
    ids: Ids = None,
    number: Of = None,
    reason: Annotated[str, typer.Option(help="Why, for whoever asks later.")] = "cancelled by an operator",
    yes: Annotated[bool, typer.Option("--yes", help="Answer the confirmation.")] = False,
) -> None:
    """Cancel what has not been started: the deliveries named, or all of the issue."""
    from digest.outbox import operations  # noqa: PLC0415
    from digest.outbox.states import DUE, State  # noqa: PLC0415

    shell = shell_of(context)
    open_ones = DUE | {State.UNCERTAIN}
    with shell.session(read_only=True) as session:
        issue = operator.issue_of(session, ids or (), number, open_ones)
    what = f"{len(ids)} of the" if ids else "all open"
    shell.confirm(f"Cancel {what} deliveries of issue {issue.number}?", yes=yes)
    with shell.session() as session:
        assert issue.id is not None  # noqa: S101 - read from the database
        count = operations.cancel(session, issue.id, shell.app.clock.now(), reason=reason, ids=ids or None)
        operations.finish(session, issue.id, shell.app.clock.now())
    _tell_count(shell, {"issue": issue.number, "cancelled": count}, f"Cancelled: {count}.")


app.command("reconcile")(reconcile)


@app.command("resend")
def resend(
    context: typer.Context,
    delivery: Id,
    yes: Annotated[bool, typer.Option("--yes", help="Answer the confirmation.")] = False,
) -> None:
    """Send an uncertain delivery once more, because a person decided that it did not arrive."""
    from digest.send import operator  # noqa: PLC0415

    shell = shell_of(context)
    shell.confirm(f"Delivery {delivery} may have arrived. Send it again, with the same Message-ID?", yes=yes)
    operator.resend(shell.app, delivery)
    _tell_count(shell, {"id": delivery, "state": "pending"}, f"Delivery {delivery} is due again. Next: digest worker")


def _tell_count(shell: Shell, data: dict[str, Any], line: str) -> None:
    shell.out.emit(data, lambda: shell.out.line(line))
