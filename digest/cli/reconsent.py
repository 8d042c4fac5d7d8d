"""`digest subscribers ask-to-confirm`: ask pending readers for their consent."""

from typing import Annotated

import typer

from digest.cli.options import DryRunCount, Yes
from digest.cli.shell import Shell, shell_of
from digest.membership import reconsent
from digest.runtime.text import count_of


def ask_to_confirm(
    context: typer.Context,
    per_hour: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of emails per hour. Default: [retention] asks_per_hour.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Include readers who were asked more than a day ago.")] = False,
    dry_run: DryRunCount = False,
    yes: Yes = False,
) -> None:
    """Ask pending readers, such as imported ones, to confirm.

    Each reader is asked once. The number of emails per hour is limited.
    """
    shell = shell_of(context)
    question = reconsent.confirmation(shell.app, again=again, per_hour=per_hour)
    with shell.session(read_only=True) as session:
        number = reconsent.count(session, question)
    rate = f"at most {question.per_hour} an hour"
    if dry_run:
        data = {"would_ask": number, "per_hour": question.per_hour, "dry_run": True}
        shell.out.emit(data, lambda: shell.out.line(f"Dry run: {count_of(number, 'person', 'people')} to ask, {rate}."))
        return
    if number:
        shell.confirm(
            f"Send {count_of(number, 'person', 'people')} an email with a confirmation link, {rate}?", yes=yes
        )
    _ask(shell, question)


def _ask(shell: Shell, question: reconsent.Question) -> None:
    with shell.out.counting("asked") as progress:
        done = reconsent.ask(shell.app, question, progress)
    data = {"asked": done.asked, "per_hour": question.per_hour, "first_due": done.first, "last_due": done.last}

    def tell() -> None:
        until = f"; the last email is due at {shell.out.local(done.last)}" if done.last else ""
        shell.out.line(
            f"Confirmation emails queued for {count_of(done.asked, 'person', 'people')}{until} (next: digest "
            "worker, or digest schedule run)."
        )

    shell.out.emit(data, tell)
