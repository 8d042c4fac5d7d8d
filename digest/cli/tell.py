"""`digest tell`: test the notification of operators."""

from typing import Annotated, Any

import typer

from digest.cli.options import RelayOption
from digest.cli.shell import shell_of
from digest.runtime.errors import EXIT_ATTENTION, EXIT_ENVIRONMENT, UsageError
from digest.send.worker import try_telling


def tell(
    context: typer.Context,
    test: Annotated[bool, typer.Option("--test", help="Send the operators an event that says it is a test.")] = False,
    relay: RelayOption = "",
) -> None:
    """Tell the operators that this is a test, by mail and by webhook, and say what became of it."""
    if not test:
        raise UsageError("digest tell only tests whether operators are told", hint="Write: digest tell --test")
    shell = shell_of(context)
    data: dict[str, Any] = try_telling(shell.app, relay=relay).as_json()
    webhook = data["webhook"]

    def show() -> None:
        for mail in data["mails"]:
            shell.out.line(f"mail: {mail['state']} {mail['reason']}".rstrip())
        if webhook:
            shell.out.line(f"webhook: {webhook['state']} {webhook['answer']}".rstrip())

    shell.out.emit(data, show)
    if data["failure"]:
        shell.out.note(data["failure"])
        raise typer.Exit(EXIT_ENVIRONMENT)
    if any(mail["state"] != "accepted" for mail in data["mails"]) or (webhook and webhook["state"] != "told"):
        raise typer.Exit(EXIT_ATTENTION)
