"""`digest issue archive`, `digest issue note` and `digest articles archive`: changes to the archive by editors."""

from typing import Annotated, Any

import typer

from digest.cli.options import RequiredIssueNumber, TextLanguage
from digest.cli.shell import shell_of
from digest.issues import store
from digest.publish import archive_notes


def keep_issue_out(
    context: typer.Context,
    number: RequiredIssueNumber,
    keep_out: Annotated[
        bool, typer.Option("--keep-out/--show", help="Hide it from the list, search and feeds, or show it there.")
    ] = ...,  # type: ignore[assignment]
) -> None:
    """Hide an issue from the public archive, or show it again.

    Its emails and their view links stay as they are.
    """
    shell = shell_of(context)
    with shell.session() as session:
        issue = store.find(session, number, lock=True)
        changed = archive_notes.set_kept_out(issue, shell.app.clock.now(), kept_out=keep_out)
        session.add(issue)
    data = {"issue": number, "kept_out": keep_out, "changed": changed}
    where = "hidden from the archive" if keep_out else "in the archive once it is published"
    shell.out.emit(data, lambda: shell.out.line(f"Issue {number} is {where}."))


def note(
    context: typer.Context,
    number: RequiredIssueNumber,
    text: Annotated[str, typer.Argument(help='The note\'s text; "" removes the note.')],
    language: TextLanguage = "*",
) -> None:
    """Add a note above an issue's page in the archive.

    Use it, for example, to link to a correction. The issue itself does not change.
    """
    shell = shell_of(context)
    shell.app.settings.require_language(language, or_all=True)
    with shell.session() as session:
        issue = store.find(session, number, lock=True)
        archive_notes.set_note(issue, language, text, shell.app.clock.now())
        session.add(issue)
        data = {"issue": number, "note": issue.note}
    shell.out.emit(data, lambda: shell.out.line(f"Issue {number} has {'a' if data['note'] else 'no'} note."))


def keep_article_out(
    context: typer.Context,
    slug: str,
    keep_out: Annotated[
        bool, typer.Option("--keep-out/--show", help="Hide it from issue pages, search and feeds, or show it there.")
    ] = ...,  # type: ignore[assignment]
) -> None:
    """Hide an article from the public archive, or show it again.

    This includes its translations. Emails stay as they are.
    """
    shell = shell_of(context)
    with shell.session() as session:
        now = shell.app.clock.now()
        renewed = archive_notes.keep_article_out(shell.app.publisher, session, slug, now, kept_out=keep_out)
    data: dict[str, Any] = {
        "slug": slug,
        "kept_out": keep_out,
        "renewed": [{"issue": one.number, "changes": list(one.changes)} for one in renewed],
    }

    def tell() -> None:
        shell.out.line(f"{slug} is {'hidden from' if keep_out else 'shown in'} the archive.")
        for one in renewed:
            shell.out.line(f"The page of issue {one.number} was rebuilt without it.")
            if one.changes:
                shell.out.line(
                    f"It now shows the articles' current text. Changes since the approval: {'; '.join(one.changes)}."
                )

    shell.out.emit(data, tell)
