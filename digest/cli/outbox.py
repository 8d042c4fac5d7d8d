"""`digest outbox`: list deliveries; hold, release, retry, cancel and resend them."""

from typing import Annotated, Any, Literal

import typer

from digest.accounts.audit import machine_user
from digest.cli.options import DeliveredIssueNumber, DeliveryId, DeliveryIds, IssueOption, JsonLines, Yes
from digest.cli.shell import Shell, shell_of
from digest.outbox.operations import CANCELLABLE
from digest.outbox.states import State
from digest.runtime.errors import UsageError
from digest.runtime.text import count_of
from digest.send import listing, operator


def list_(
    context: typer.Context,
    number: DeliveredIssueNumber = None,
    state: Annotated[
        str, typer.Option(help="Show only deliveries in this state; excluded: readers without a delivery, and why.")
    ] = "",
    after: Annotated[str, typer.Option(help="Continue after this entry; the previous page ends with the value.")] = "",
    jsonl: JsonLines = False,
) -> None:
    """List an issue's deliveries. The table shows one page; --json and --jsonl list all deliveries."""
    shell = shell_of(context)
    if state and state not in {*State, listing.EXCLUDED}:
        raise UsageError(f"Unknown state {state!r}", hint=f"Valid states: {', '.join((*State, listing.EXCLUDED))}.")
    entries = ({"cursor": one.cursor, **one.as_json()} for one in listing.listed(shell.reader, number, state, after))
    command = f"digest outbox list{f' {number}' if number else ''}{f' --state {state}' if state else ''}"
    columns = ["id", "address", "edition", "state", "reason", "attempts"]
    shell.out.listing(columns, entries, lambda: listing.count(shell.reader, number, state), command, lines=jsonl)


def show(context: typer.Context, delivery: DeliveryId) -> None:
    """Show one delivery and all its attempts."""
    shell = shell_of(context)
    data: dict[str, Any] = listing.delivery(shell.reader, delivery).as_json()

    def tell() -> None:
        shell.out.table(["field", "value"], [[k, v] for k, v in data.items() if k != "tries"])
        shell.out.line()
        columns = ["started_at", "ended_at", "outcome", "code", "enhanced", "reply", "relay"]
        shell.out.table(columns, [[entry[c] for c in columns] for entry in data["tries"]])

    shell.out.emit(data, tell)


def hold(context: typer.Context, number: DeliveredIssueNumber = None) -> None:
    """Stop starting an issue's deliveries until it is released."""
    _held(context, number, held=True)


def release(context: typer.Context, number: DeliveredIssueNumber = None) -> None:
    """Resume an issue that is held."""
    _held(context, number, held=False)


def _held(context: typer.Context, number: int | None, *, held: bool) -> None:
    shell = shell_of(context)
    issue, changed = (operator.hold if held else operator.release)(shell.app, number, machine_user())
    line = f"Issue {issue} is {'held' if held else 'released'}{'' if changed else ' (no change)'}."
    shell.out.emit({"issue": issue, "held": held, "changed": changed}, lambda: shell.out.line(line))


def retry(
    context: typer.Context,
    ids: DeliveryIds = None,
    number: IssueOption = None,
    state: Annotated[
        Literal["deferred", "rejected"] | None,
        typer.Option(
            help="Which of the issue's deliveries. Default: deferred. Those that bounced after acceptance stay "
            "rejected."
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="Reason to record, such as: relay repaired.")] = "",
    yes: Yes = False,
) -> None:
    """Make deferred or rejected deliveries due now.

    Applies to the deliveries that you name, or to all. It also works for an issue that has been sent.
    """
    shell = shell_of(context)
    plan = operator.plan_retry(shell.app, ids or (), number, State(state) if state else None)
    left = f" ({plan.bounced} bounced after the relay accepted them, and stay rejected)" if plan.bounced else ""
    if plan.count:
        again = "" if plan.state is State.DEFERRED else " again"
        shell.confirm(
            f"Send {count_of(plan.count, f'{plan.state} delivery', f'{plan.state} deliveries')} of issue "
            f"{plan.number}{again}{left}?",
            yes=yes,
        )
    count = operator.retry(shell.app, plan, reason=reason, by=machine_user()) if plan.count else 0
    steps = [*([f"digest outbox release {plan.number}"] if plan.held else []), f"digest worker {plan.number}"]
    following = f" Next: {', then '.join(steps)}" if count else ""
    _tell_count(shell, {**plan.as_json(), "due": count}, f"Due now: {count}{left}.{following}")


def cancel(
    context: typer.Context,
    ids: DeliveryIds = None,
    number: IssueOption = None,
    reason: Annotated[str, typer.Option(help="Reason to record.")] = "cancelled by an operator",
    yes: Yes = False,
) -> None:
    """Cancel deliveries that have not started.

    Applies to the deliveries that you name, or to all of the issue.
    """
    shell = shell_of(context)
    app = shell.app
    with shell.session(read_only=True) as session:
        issue = operator.issue_of(session, ids or (), number, CANCELLABLE)
    what = f"{count_of(len(ids), 'delivery', 'deliveries')}" if ids else "all open deliveries"
    shell.confirm(f"Cancel {what} of issue {issue.number}?", yes=yes)
    count = operator.cancel(app, issue, reason=reason, ids=ids or None, by=machine_user())
    _tell_count(shell, {"issue": issue.number, "cancelled": count}, f"Cancelled: {count}.")


def resend(context: typer.Context, delivery: DeliveryId, yes: Yes = False) -> None:
    """Send an uncertain delivery again. Use it when you have decided that the email did not arrive."""
    shell = shell_of(context)
    shell.confirm(f"Delivery {delivery} may have arrived. Send it again with the same Message-ID?", yes=yes)
    operator.resend(shell.app, delivery, machine_user())
    _tell_count(shell, {"id": delivery, "state": "pending"}, f"Delivery {delivery} is due now. Next: digest worker")


def _tell_count(shell: Shell, data: dict[str, Any], line: str) -> None:
    shell.out.emit(data, lambda: shell.out.line(line))
