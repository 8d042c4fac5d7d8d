"""`digest subscribers`: add, show and erase readers."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from digest.cli.options import Address, Yes
from digest.cli.output import Output
from digest.cli.shell import shell_of
from digest.membership import importing, notices
from digest.membership.own_data import data_at
from digest.runtime.errors import EnvironmentFailedError
from subscribers.address import EmailAddress
from subscribers.address_doubts import doubt


def add(
    context: typer.Context,
    address: Address,
    name: Annotated[str, typer.Option(help="How the mail addresses them.")] = "",
    interests: Annotated[str, typer.Option(help="Joined by ;  * = all.")] = "*",
    language: Annotated[str, typer.Option(help="Default: the publication's.")] = "",
    confirmed_by: Annotated[
        str, typer.Option(help="Where their consent is on record. Without it they are asked by mail.")
    ] = "",
) -> None:
    """Add one reader. Without proof of their consent they are pending, and get a mail with a link to confirm."""
    shell = shell_of(context)
    state = importing.add_subscriber(
        shell.app, address, name=name, interests=interests, language=language, confirmed_by=confirmed_by
    )
    outcome = "is confirmed" if state == "confirmed" else "is asked to confirm (next: digest worker)"
    if found := doubt(EmailAddress.parse(address).key):
        shell.out.note(f"{found.message}; it was added as you gave it.")
    shell.out.emit({"address": address, "state": state}, lambda: shell.out.line(f"{address} {outcome}."))


def show(context: typer.Context, address: Address) -> None:
    """Show everything that is known about one person; with --json it is the answer to a request for their data."""
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        data = data_at(session, address)
    shell.out.emit(data, lambda: _show(shell.out, data))


def _show(out: Output, data: Mapping[str, Any]) -> None:
    out.table(
        ["field", "value"], [[k, v] for k, v in data.items() if not isinstance(v, list | dict) or k == "interests"]
    )
    out.line()
    rows = [[e["at"], e["kind"], e["method"], e["detail"].get("source", "")] for e in data["consent"]]
    out.table(["at", "what", "how", "source"], rows)
    sent = [[d["planned_at"], f"issue {d['number']}", d["state"], d["reason"]] for d in data["issues"]]
    sent += [[n["created_at"], n["kind"], n["state"], ""] for n in data["notices"]]
    if sent:
        out.line()
        out.table(["at", "mail", "state", "why"], sorted(sent))


def erase(context: typer.Context, address: Address, yes: Yes = False) -> None:
    """Erase a person, then look for them in every table and file: nothing personal stays but a keyed hash."""
    shell = shell_of(context)
    shell.confirm(f"Erase {address} for good?", yes=yes)
    proof = notices.erase_subscriber(shell.app, address)

    def tell() -> None:
        shell.out.line(f"{address} is erased. Looked for them in:")
        rows = [[one.place, one.size, one.address, one.name] for one in proof.looked]
        shell.out.table(["place", "rows or bytes", "address found", "name found"], rows)
        if proof.names:
            shell.out.line("Where the name is found, it is somebody else's or in an article.")

    shell.out.emit({"address": address, "state": "erased", "proof": proof.document()}, tell)
    if proof.found:
        raise EnvironmentFailedError(
            "The address is still found in the places above", hint="Stop what uses the database, and erase again."
        )
