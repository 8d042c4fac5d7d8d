"""`digest outbox`: list deliveries; hold, release, retry, cancel and resend them."""

from typing import Annotated, Any, Literal

import typer

from digest.cli.options import DeliveredIssueNumber, DeliveryId, DeliveryIds, IssueOption, JsonLines, Yes
from digest.cli.shell import Shell, shell_of
from digest.outbox.operations import CANCELLABLE
from digest.outbox.states import State
from digest.runtime.errors import UsageError
from digest.send import listing, operator


def list_(
    context: typer.Context,
    number: DeliveredIssueNumber = None,
    state: Annotated[str, typer.Option(help="Only those in this state; excluded: who has none, and why.")] = "",
    after: Annotated[str, typer.Option(help="Go on after this one, as the page before says.")] = "",
    jsonl: JsonLines = False,
) -> None:
    """List an issue's deliveries. The table is a page; --json and --jsonl list them all, as they are read."""
    shell = shell_of(context)
    if state and state not in {*State, listing.EXCLUDED}:
        raise UsageError(f"There is no state {state!r}", hint=f"States: {', '.join((*State, listing.EXCLUDED))}")
    entries = ({"cursor": one.cursor, **one.as_json()} for one in listing.listed(shell.reader, number, state, after))
    command = f"digest outbox list{f' {number}' if number else ''}{f' --state {state}' if state else ''}"
    columns = ["id", "address", "edition", "state", "reason", "attempts"]
    shell.out.listing(columns, entries, lambda: listing.count(shell.reader, number, state), command, lines=jsonl)


def show(context: typer.Context, delivery: DeliveryId) -> None:
    """Show one delivery with every attempt."""
    shell = shell_of(context)
    data: dict[str, Any] = listing.delivery(shell.reader, delivery).as_json()

    def tell() -> None:
        shell.out.table(["field", "value"], [[k, v] for k, v in data.items() if k != "tries"])
        shell.out.line()
        columns = ["started_at", "ended_at", "outcome", "code", "enhanced", "reply", "relay"]
        shell.out.table(columns, [[entry[c] for c in columns] for entry in data["tries"]])

    shell.out.emit(data, tell)


def hold(context: typer.Context, number: DeliveredIssueNumber = None) -> None:
    """Stop an issue: nothing more is started until it is released."""
    _held(context, number, held=True)


def release(context: typer.Context, number: DeliveredIssueNumber = None) -> None:
    """Let a held issue go on."""
    _held(context, number, held=False)


def _held(context: typer.Context, number: int | None, *, held: bool) -> None:
    shell = shell_of(context)
    issue, changed = (operator.hold if held else operator.release)(shell.app, number)
    line = f"Issue {issue} is {'held' if held else 'released'}{'' if changed else ' (as it was)'}."
    shell.out.emit({"issue": issue, "held": held, "changed": changed}, lambda: shell.out.line(line))


def retry(
    context: typer.Context,
    ids: DeliveryIds = None,
    number: IssueOption = None,
    state: Annotated[
        Literal["deferred", "rejected"] | None,
        typer.Option(help="Which deliveries of the issue; default: deferred. Those that bounced later stay rejected."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for whoever asks later, such as: relay repaired.")] = "",
    yes: Yes = False,
) -> None:
    """Make deferred or rejected deliveries due at once, in an issue that was sent, too: those named, or all."""
    shell = shell_of(context)
    plan = operator.plan_retry(shell.app, ids or (), number, State(state) if state else None)
    left = f" ({plan.bounced} bounced after the relay took them, and stay)" if plan.bounced else ""
    if plan.count:
        again = "" if plan.state is State.DEFERRED else " again"
        shell.confirm(f"Send {plan.count} {plan.state} deliveries of issue {plan.number}{again}{left}?", yes=yes)
    count = operator.retry(shell.app, plan, reason=reason) if plan.count else 0
    steps = [*([f"digest outbox release {plan.number}"] if plan.held else []), f"digest worker {plan.number}"]
    following = f" Next: {', then '.join(steps)}" if count else ""
    _tell_count(shell, {**plan.as_json(), "due": count}, f"Due now: {count}{left}.{following}")


def cancel(
    context: typer.Context,
    ids: DeliveryIds = None,
    number: IssueOption = None,
    reason: Annotated[str, typer.Option(help="Why, for whoever asks later.")] = "cancelled by an operator",
    yes: Yes = False,
) -> None:
    """Cancel what has not been started: the deliveries named, or all of the issue."""
    shell = shell_of(context)
    app = shell.app
    with shell.session(read_only=True) as session:
        issue = operator.issue_of(session, ids or (), number, CANCELLABLE)
    what = f"{len(ids)} of the" if ids else "all open"
    shell.confirm(f"Cancel {what} deliveries of issue {issue.number}?", yes=yes)
    count = operator.cancel(app, issue, reason=reason, ids=ids or None)
    _tell_count(shell, {"issue": issue.number, "cancelled": count}, f"Cancelled: {count}.")


def resend(context: typer.Context, delivery: DeliveryId, yes: Yes = False) -> None:
    """Send an uncertain delivery once more, because a person decided that it did not arrive."""
    shell = shell_of(context)
    shell.confirm(f"Delivery {delivery} may have arrived. Send it again, with the same Message-ID?", yes=yes)
    operator.resend(shell.app, delivery)
    _tell_count(shell, {"id": delivery, "state": "pending"}, f"Delivery {delivery} is due again. Next: digest worker")


def _tell_count(shell: Shell, data: dict[str, Any], line: str) -> None:
    shell.out.emit(data, lambda: shell.out.line(line))
