"""`digest issue verify`: whether what is stored of an issue is what was frozen."""

import typer

from digest.cli.options import RequiredIssueNumber
from digest.cli.output import Output
from digest.cli.shell import shell_of
from digest.editions.fragments import in_editions
from digest.issues import store
from digest.publish.verification import Verification, verify
from digest.runtime.errors import EXIT_ATTENTION


def verify_(context: typer.Context, number: RequiredIssueNumber) -> None:
    """Compare a frozen issue's stored editions with their hashes and with a new build; exit code 1 if one differs.

    The build is made from the present articles, templates and settings, and nothing is stored. Where they have changed
    since the approval, that is said.
    """
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        found = verify(shell.reader.publisher, session, store.find(session, number))
    shell.out.emit(found.as_json(), lambda: _show(shell.out, found))
    if found.differs:
        raise typer.Exit(EXIT_ATTENTION)


def _show(out: Output, found: Verification) -> None:
    if not found.differs:
        out.line(f"Issue {found.issue}: all {found.editions} stored editions are equal to a new build.")
        if found.changed:
            out.line(f"What has changed since the approval shows in none of them: {'; '.join(found.changed)}.")
        return
    out.line(f"Issue {found.issue}: of {found.editions} stored editions, not all are equal to a new build.")
    for one in found.differs:
        out.line(f"- {one.message}{'' if one.fragment else in_editions(one.editions)}.")
    for remedy in dict.fromkeys(one.what.remedy for one in found.differs):
        out.line(f"  → {remedy}")
