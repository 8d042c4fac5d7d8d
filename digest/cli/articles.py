"""`digest articles`: list, show, remove and export articles."""

from pathlib import Path
from typing import Annotated, Any

import typer

from digest.articles import exporting, store
from digest.cli.shell import shell_of
from digest.publish.remove_articles import remove_article
from digest.runtime.errors import EXIT_ATTENTION


def list_(context: typer.Context) -> None:
    """List all articles."""
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        articles = store.list_articles(session)
    names = ("slug", "title", "language", "kind", "section", "topics")
    data = [{name: getattr(a, name) for name in names} | {"date": a.date_text} for a in articles]
    columns = ["slug", "language", "date", "section", "topics", "title"]
    rows = [[a.slug, a.language, a.date_text, a.section, ", ".join(a.topics) or "everyone", a.title] for a in articles]
    shell.out.emit(data, lambda: shell.out.table(columns, rows))


def show(context: typer.Context, slug: str) -> None:
    """Show one article as it is stored."""
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        data: dict[str, Any] = store.get(session, slug).model_dump(mode="json")

    def tell() -> None:
        rows = [[k, v] for k, v in data.items() if k != "body" and v not in (None, "", [])]
        shell.out.table(["field", "value"], rows)
        shell.out.line(f"\n{data['body']}")

    shell.out.emit(data, tell)


def remove(context: typer.Context, slug: str) -> None:
    """Remove an article that is in no issue. Its file stays, and the next import would add it again."""
    shell = shell_of(context)
    with shell.session() as session:
        source = store.get(session, slug).source_path
        remove_article(session, slug)
    shell.out.emit({"removed": slug, "source_path": source}, lambda: shell.out.line(f"Removed: {slug}"))


def export(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR")] = Path("articles"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also overwrite files that were edited there.")
    ] = False,
) -> None:
    """Write articles back to their Markdown files."""
    shell = shell_of(context)
    with shell.session() as session:
        report = exporting.export(session, directory, overwrite=overwrite)
    data = {"written": report.written, "unchanged": report.unchanged, "left": report.left}

    def tell() -> None:
        shell.out.line(f"{len(report.written)} written, {len(report.unchanged)} unchanged in {directory}")
        for path in report.left:
            shell.out.line(f"Skipped because it was edited there: {path}")

    shell.out.emit(data, tell)
    if report.left:
        raise typer.Exit(EXIT_ATTENTION)
