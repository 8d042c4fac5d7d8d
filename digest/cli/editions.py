"""`digest editions`: which edition has which articles, and how many readers get it."""

from typing import Annotated, Any

import typer
from sqlmodel import Session

from digest.cli.options import IssueNumber
from digest.cli.shell import Shell, shell_of
from digest.issues import store
from digest.publish import build
from digest.publish.edition_filter import EditionFilter
from digest.runtime.text import count_of

MOST_ROWS = 100
MOST_CHOICES = 3  # that one edition is for


def editions(
    context: typer.Context,
    number: IssueNumber = None,
    language: Annotated[str, typer.Option(help="Show only editions in this language.")] = "",
    interest: Annotated[
        str, typer.Option(metavar="SLUG", help="Show only editions for readers with this interest.")
    ] = "",
    article: Annotated[
        str, typer.Option(metavar="SLUG", help="Show only editions with this article or its translation.")
    ] = "",
) -> None:
    """Print the matrix of editions, articles and readers."""
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        made = build_of(shell, session, number)
    chosen = EditionFilter.chosen(shell.reader.publisher, made, language, interest, article)
    rows = [row for row, edition in zip(edition_rows(made), made.editions, strict=True) if chosen.matches(edition)]

    def show() -> None:
        readers = sum(row["readers"] for row in rows)
        shell.out.line(f"Issue {made.issue.number}: {count_of(readers, 'reader')}, {count_of(len(rows), 'edition')}")
        show_editions(shell, rows)
        shell.out.line(f"\nNext: digest preview {made.issue.number}")

    shell.out.emit({"issue": made.issue.number, "editions": rows}, show)


def build_of(shell: Shell, session: Session, number: int | None) -> build.Build:
    """Build an issue for the present audience."""
    issue = store.find(session, number)
    return build.build(shell.reader.publisher, session, issue, shell.reader.clock.now())


def edition_rows(made: build.Build) -> list[dict[str, Any]]:
    """Return the rows of `editions --json`."""
    return [
        {
            "id": place,
            "language": edition.selection.language,
            "interests": [[slug for slug in group.interests.split(";") if slug] for group in edition.groups],
            "frequency": edition.selection.frequency,
            "articles": edition.slugs,
            "readers": edition.readers,
            "html_bytes": edition.rendered.html_bytes,
        }
        for place, edition in enumerate(made.editions, start=1)
    ]


def show_editions(shell: Shell, rows: list[dict[str, Any]]) -> None:
    """Print the matrix as a table, of many editions those with most readers."""
    many = sorted(rows, key=lambda row: -row["readers"]) if len(rows) > MOST_ROWS else rows
    rows, rest = sorted(many[:MOST_ROWS], key=lambda row: row["id"]), many[MOST_ROWS:]
    columns = ["edition", "language", "interests", "articles", "readers", "HTML bytes"]
    cells = [[r["id"], r["language"], _audience(r), len(r["articles"]), r["readers"], r["html_bytes"]] for r in rows]
    shell.out.table(columns, cells)
    if rest:
        readers = sum(row["readers"] for row in rest)
        more = "filter with `--language`, `--interest` or `--article`, or list all with `--json`"
        shell.out.line(
            f"... and {count_of(len(rest), 'edition')} with fewer readers ({count_of(readers, 'reader')} "
            f"together); {more}"
        )


def _audience(row: dict[str, Any]) -> str:
    often = "" if row["frequency"] == "every" else f" (every {row['frequency']} issue)"
    shown, more = row["interests"][:MOST_CHOICES], len(row["interests"]) - MOST_CHOICES
    return " | ".join(map(_interests_label, shown)) + (f" and {more:,} more" if more > 0 else "") + often


def _interests_label(interests: list[str]) -> str:
    return "everything" if interests == ["*"] else ", ".join(interests) or "no interests"
