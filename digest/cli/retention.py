"""`digest subscribers retention`: apply the retention rules."""

from dataclasses import asdict

import typer

from digest.cli.options import DryRunCount, Yes
from digest.cli.shell import shell_of
from digest.membership import retention as rules
from digest.runtime.text import count_of


def retention(context: typer.Context, dry_run: DryRunCount = False, yes: Yes = False) -> None:
    """Delete data that [retention] no longer keeps.

    Also asks readers to confirm again where [retention] says so. `digest tick` does this daily.
    """
    shell = shell_of(context)
    now = shell.app.clock.now()
    due = rules.due(shell.app, now)
    if not dry_run and due.anything:
        people = due.pending_forgotten + due.unanswered
        shell.confirm(
            f"Delete or end the subscriptions of {count_of(people, 'person', 'people')}, ask {due.asked_again} "
            "again, and empty old replies?",
            yes=yes,
        )
        with shell.out.counting("done") as progress:
            due = rules.apply(shell.app, now, progress)
    counts = asdict(due)
    rows = [[what.replace("_", " "), number] for what, number in counts.items()]
    title = "would be" if dry_run else "done"
    shell.out.emit({**counts, "dry_run": dry_run}, lambda: shell.out.table(["what", title], rows))
