"""`digest issue verify`: whether what is stored of an issue is what was frozen."""

import typer

from digest.cli.options import RequiredIssueNumber
from digest.cli.output import Output
from digest.cli.shell import shell_of
from digest.editions.fragments import in_editions
from digest.issues import store
from digest.publish.verification import Verification, verify
from digest.runtime.errors import EXIT_ATTENTION
from digest.runtime.text import count_of


def verify_(context: typer.Context, number: RequiredIssueNumber) -> None:
    """Compare a frozen issue's editions with a new build.

    Each stored edition is also compared with its hash. The new build uses the current articles, templates and
    settings, and is not stored; if they have changed since approval, the output says so. Exit code 1: at least one
    edition differs.
    """
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        found = verify(shell.reader.publisher, session, store.find(session, number))
    shell.out.emit(found.as_json(), lambda: _show(shell.out, found))
    if found.differs:
        raise typer.Exit(EXIT_ATTENTION)


def _show(out: Output, found: Verification) -> None:
    if not found.differs:
        out.line(f"Issue {found.issue}: all {count_of(found.editions, 'stored edition')} equal a new build.")
        if found.changed:
            out.line(f"These changes since the approval affect no edition: {'; '.join(found.changed)}.")
        return
    out.line(f"Issue {found.issue}: some of the stored editions ({found.editions}) differ from a new build.")
    for one in found.differs:
        out.line(f"- {one.message}{'' if one.fragment else in_editions(one.editions)}.")
    for remedy in dict.fromkeys(one.what.remedy for one in found.differs):
        out.line(f"  → {remedy}")
