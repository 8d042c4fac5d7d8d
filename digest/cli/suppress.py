"""`digest suppress`: the never-send list."""

from collections.abc import Sequence
from typing import Annotated

import typer

from digest.app import App
from digest.cli.options import Address, JsonLines
from digest.cli.shell import Shell, shell_of
from digest.delivery.outcome import clean_reply
from digest.feedback import evidence
from digest.runtime.errors import NotFoundError, UsageError
from subscribers import suppression
from subscribers.address import EmailAddress


def _key(app: App, address: str) -> str:
    return suppression.key_of(EmailAddress.parse(address).key, app.settings.suppression_key)


def add(
    context: typer.Context,
    address: Address,
    note: Annotated[str, typer.Option(help="Why, in your own words, without personal data.")] = "command",
) -> None:
    """Never send to this address again."""
    shell = shell_of(context)
    with shell.session() as session:
        new = suppression.add(
            session, _key(shell.app, address), suppression.SuppressionReason.MANUAL, shell.app.clock.now(), source=note
        )
    state = "is now suppressed" if new else "was already suppressed"
    shell.out.emit({"address": address, "suppressed": True, "new": new}, lambda: shell.out.line(f"{address} {state}."))


def remove(
    context: typer.Context,
    address: Address,
    reason: Annotated[
        str, typer.Option(help="Why email may be sent there again, in your own words; it is recorded.")
    ] = "",
) -> None:
    """Take an address off the never-send list.

    Entries that a reader caused (unsubscribed, erased) cannot be removed.
    """
    shell = shell_of(context)
    if not reason.strip():
        raise UsageError(
            "A reason is needed to take an address off the list", hint="Add --reason TEXT; it is recorded."
        )
    with shell.session() as session:
        key, now = _key(shell.app, address), shell.app.clock.now()
        if not suppression.remove(session, key):
            raise NotFoundError(f"{address} is not on the list")
        evidence.note_lifted(session, key, clean_reply(reason), now)
    shell.out.emit(
        {"address": address, "suppressed": False}, lambda: shell.out.line(f"{address} has been taken off the list.")
    )


def lookup(context: typer.Context, address: Address) -> None:
    """Show whether and why an address is suppressed. Also shows the bounces and complaints received for it."""
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        key = _key(shell.reader, address)
        row, events = suppression.lookup(session, key), evidence.of_address(session, key)
    data = {
        "address": address,
        "suppressed": row is not None,
        "reason": row.reason if row else None,
        "since": row.created_at if row else None,
        "source": row.source if row else None,
        "evidence": [event.as_json() for event in events],
    }
    answer = f"suppressed since {row.created_at:%Y-%m-%d}: {row.reason} ({row.source})" if row else "not suppressed"
    shell.out.emit(data, lambda: _show(shell, f"{address}: {answer}", events))


def _show(shell: Shell, answer: str, events: Sequence[evidence.Evidence]) -> None:
    shell.out.line(answer)
    if events:
        shell.out.table(["at", "issue", "kind", "reason", "words"], [event.cells for event in events])


def list_(
    context: typer.Context,
    after: Annotated[str, typer.Option(help="Continue after this key; the previous page ends with it.")] = "",
    jsonl: JsonLines = False,
) -> None:
    """List the entries. Addresses are kept only as keyed hashes."""
    shell = shell_of(context)
    columns = ["key", "reason", "source", "since"]
    with shell.session(read_only=True) as session:
        last = suppression.lookup(session, after) if after else None
        if after and last is None:
            raise UsageError(
                f"--after {after[:70]!r} is not an entry of the list",
                hint="Use a key as shown by `digest suppress list`.",
            )
        rows = suppression.listing(session, last)
        entries = ({"cursor": row[0], **dict(zip(columns, row, strict=True))} for row in rows)
        shell.out.listing(columns, entries, lambda: suppression.count(session), "digest suppress list", lines=jsonl)
