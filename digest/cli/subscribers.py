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
    name: Annotated[str, typer.Option(help="The name that emails use for the reader.")] = "",
    interests: Annotated[str, typer.Option(help="Interests, separated by semicolons (;). * means all.")] = "*",
    language: Annotated[str, typer.Option(help="Default: the publication's.")] = "",
    confirmed_by: Annotated[
        str,
        typer.Option(help="Where the reader's consent is recorded. Without it, they are asked to confirm by email."),
    ] = "",
) -> None:
    """Add one reader.

    Without proof of consent, the reader is pending and receives an email with a confirmation link.
    """
    shell = shell_of(context)
    state = importing.add_subscriber(
        shell.app, address, name=name, interests=interests, language=language, confirmed_by=confirmed_by
    )
    outcome = "is confirmed" if state == "confirmed" else "will receive a confirmation email (next: digest worker)"
    if found := doubt(EmailAddress.parse(address).key):
        shell.out.note(f"{found.message}; it was added as entered.")
    shell.out.emit({"address": address, "state": state}, lambda: shell.out.line(f"{address} {outcome}."))


def show(context: typer.Context, address: Address) -> None:
    """Show all data held about one person. Use --json to answer a request for access to personal data."""
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
    """Erase a person's data and check that none is left.

    Every table and file is searched afterwards. Only a keyed hash of the address remains.
    """
    shell = shell_of(context)
    shell.confirm(f"Erase {address} permanently?", yes=yes)
    proof = notices.erase_subscriber(shell.app, address)

    def tell() -> None:
        shell.out.line(f"{address} has been erased. Search for remaining data:")
        rows = [[one.place, one.size, one.address, one.name] for one in proof.looked]
        shell.out.table(["place", "rows or bytes", "address found", "name found"], rows)
        if proof.names:
            shell.out.line("Names that were found belong to someone else or are part of an article.")

    shell.out.emit({"address": address, "state": "erased", "proof": proof.document()}, tell)
    if proof.found:
        raise EnvironmentFailedError(
            "The address was still found in the places above",
            hint="Stop everything that uses the database, then erase again.",
        )
