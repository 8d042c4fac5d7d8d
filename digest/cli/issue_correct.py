"""`digest issue correct`: a special issue for the readers who got a faulty article."""

from typing import Annotated

import typer

from digest.cli.audit import record
from digest.cli.options import RequiredIssueNumber
from digest.cli.shell import shell_of
from digest.cli.status import show_excluded
from digest.publish import correction
from digest.runtime.text import count_of


def correct(
    context: typer.Context,
    number: RequiredIssueNumber,
    article: Annotated[str, typer.Option(metavar="SLUG", help="The article that was wrong.")] = ...,  # type: ignore[assignment]
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the readers; create nothing.")] = False,
) -> None:
    """Correct an article for the readers who got it.

    This creates a draft issue for exactly those readers. Write its text, approve it and send it like any issue.
    """
    shell = shell_of(context)
    now = (shell.reader if dry_run else shell.app).clock.now()
    with shell.session(read_only=dry_run) as session:
        found = correction.correctable(session, number, article, now)
        made, slugs = None, []
        if not dry_run:
            issue = correction.correct(shell.app.publisher, session, found, now)
            made, slugs = issue.number, correction.articles_of(session, issue)
            record(shell, session, "correct", f"issue {number}", article=found.group, correction=made)
    data = found.as_json() | {"issue": made, "articles": slugs, "dry_run": dry_run}

    def show() -> None:
        shell.out.line(f"{count_of(found.reached, 'reader')} got “{found.title}” in issue {number}.")
        shell.out.table(
            ["edition", "language", "readers", "of these uncertain"],
            [[one.id, one.language, one.readers, one.uncertain] for one in found.editions],
        )
        shell.out.line(f"\n{count_of(found.readers, 'reader')} would get the correction now.")
        show_excluded(shell.out, found.missed)
        if made is not None:
            shell.out.line(f"\nIssue {made} is its draft. Write the text of: {', '.join(slugs)}")
            shell.out.line(f'Next: digest issue check {made}, then digest issue approve {made} --by "NAME"')

    shell.out.emit(data, show)
