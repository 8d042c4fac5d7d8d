"""`digest tell`: test the notification of operators."""

from typing import Annotated, Any

import typer

from digest.cli.options import RelayOption
from digest.cli.shell import shell_of
from digest.runtime.errors import EXIT_ATTENTION, EXIT_ENVIRONMENT, UsageError
from digest.send.worker import try_telling


def tell(
    context: typer.Context,
    test: Annotated[bool, typer.Option("--test", help="Send the test notification.")] = False,
    relay: RelayOption = "",
) -> None:
    """Send a test notification to the operators. Uses email and the webhook, and reports the result of each."""
    if not test:
        raise UsageError("digest tell only sends a test notification", hint="Run: digest tell --test")
    shell = shell_of(context)
    data: dict[str, Any] = try_telling(shell.app, relay=relay).as_json()
    webhook = data["webhook"]

    def show() -> None:
        for mail in data["mails"]:
            shell.out.line(f"email: {mail['state']} {mail['reason']}".rstrip())
        if webhook:
            shell.out.line(f"webhook: {webhook['state']} {webhook['answer']}".rstrip())

    shell.out.emit(data, show)
    if data["failure"]:
        shell.out.note(data["failure"])
        raise typer.Exit(EXIT_ENVIRONMENT)
    if any(mail["state"] != "accepted" for mail in data["mails"]) or (webhook and webhook["state"] != "told"):
        raise typer.Exit(EXIT_ATTENTION)
