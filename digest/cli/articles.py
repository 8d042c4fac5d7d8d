"""`digest articles`: look at articles, and write them back."""

from pathlib import Path
from typing import Annotated, Any

import typer

from digest.articles import exporting, store
from digest.cli.shell import shell_of
from digest.runtime.errors import EXIT_ATTENTION


def list_(context: typer.Context) -> None:
    """List all articles."""
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        data: list[dict[str, Any]] = [
            {
                "slug": a.slug,
                "title": a.title,
                "language": a.language,
                "kind": a.kind,
                "section": a.section,
                "topics": a.topics,
                "date": a.date_text,
            }
            for a in store.list_articles(session)
        ]
    rows = [
        [d["slug"], d["language"], d["date"], d["section"], ", ".join(d["topics"]) or "everyone", d["title"]]
        for d in data
    ]
    columns = ["slug", "language", "date", "section", "topics", "title"]
    shell.out.emit(data, lambda: shell.out.table(columns, rows))


def show(context: typer.Context, slug: str) -> None:
    """Show one article as it is stored."""
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        data: dict[str, Any] = store.get(session, slug).model_dump(mode="json")

    def tell() -> None:
        shell.out.table(
            ["field", "value"], [[k, v] for k, v in data.items() if k != "body" and v not in (None, "", [])]
        )
        shell.out.line(f"\n{data['body']}")

    shell.out.emit(data, tell)


def export(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR")] = Path("articles"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Also over files that were edited there.")] = False,
) -> None:
    """Write the articles back as Markdown files, each where it came from."""
    shell = shell_of(context)
    with shell.session() as session:
        report = exporting.export(session, directory, overwrite=overwrite)
    data = {"written": report.written, "unchanged": report.unchanged, "left": report.left}

    def tell() -> None:
        shell.out.line(f"{len(report.written)} written, {len(report.unchanged)} unchanged in {directory}")
        for path in report.left:
            shell.out.line(f"Left alone, since it was edited there: {path}")

    shell.out.emit(data, tell)
    if report.left:
        raise typer.Exit(EXIT_ATTENTION)
