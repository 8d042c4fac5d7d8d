"""`digest articles`: bring content in, look at it, write it back."""

from pathlib import Path
from typing import Annotated, Any

import typer

from digest.cli.shell import shell_of
from digest.publish import import_articles
from digest.runtime.errors import EXIT_ATTENTION

app = typer.Typer(name="articles", help="Import, list, show and export articles.", no_args_is_help=True)


@app.command("import")
def import_(
    context: typer.Context,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files (.md, .csv, .json) or folders.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Where both sides changed, take the file's.")] = False,
) -> None:
    """Import articles. A bad file stops no other; where file and database both changed, nothing is overwritten."""

    shell = shell_of(context)
    report = import_articles.import_articles(
        shell.app.publisher, paths, now=shell.app.clock.now(), dry_run=dry_run, overwrite=overwrite
    )
    data: dict[str, Any] = {
        "created": report.created,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "kept": report.kept,
        "conflicts": [{"slug": c.slug, "path": c.path, "diff": c.diff} for c in report.conflicts],
        "problems": [{"path": p.path, "line": p.line, "message": p.message, "hint": p.hint} for p in report.problems],
        "dry_run": dry_run,
    }

    def show() -> None:
        counts = [f"{len(data[key])} {key}" for key in ("created", "updated", "unchanged", "kept") if data[key]]
        shell.out.line(("Would be: " if dry_run else "") + (", ".join(counts) or "nothing to import"))
        if report.kept:
            shell.out.line(f"Changed here since the last import, kept: {', '.join(report.kept)}")
        for conflict in report.conflicts:
            shell.out.line(
                f"\n{conflict.slug} changed here and in {conflict.path}; neither was taken:\n{conflict.diff}"
            )

    shell.out.emit(data, show)
    for problem in report.problems:
        shell.out.note(f"{problem}\n  → {problem.hint}" if problem.hint else str(problem))
    if report.needs_a_person:
        raise typer.Exit(EXIT_ATTENTION)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List all articles."""
    from digest.articles import store  # noqa: PLC0415

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


@app.command("show")
def show(context: typer.Context, slug: str) -> None:
    """Show one article as it is stored."""
    from digest.articles import store  # noqa: PLC0415

    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        data: dict[str, Any] = store.get(session, slug).model_dump(mode="json")

    def tell() -> None:
        shell.out.table(
            ["field", "value"], [[k, v] for k, v in data.items() if k != "body" and v not in (None, "", [])]
        )
        shell.out.line(f"\n{data['body']}")

    shell.out.emit(data, tell)


@app.command("archive")
def archive_(
    context: typer.Context,
    slug: str,
    keep_out: Annotated[
        bool, typer.Option("--keep-out/--show", help="Keep it out of issue pages, search and feeds, or show it there.")
    ] = ...,  # type: ignore[assignment]
) -> None:
    """Keep an article, with its translations, out of the public archive, or show it again. Mails stay as they are."""
    from digest.publish import archive_notes  # noqa: PLC0415

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
        shell.out.line(f"{slug} is {'kept out of' if keep_out else 'in'} the archive.")
        for one in renewed:
            shell.out.line(f"The page of issue {one.number} was made anew without it.")
            if one.changes:
                shell.out.line(f"It says what the articles say today; since the approval: {'; '.join(one.changes)}.")

    shell.out.emit(data, tell)


@app.command("export")
def export(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR")] = Path("articles"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Also over files that were edited there.")] = False,
) -> None:
    """Write the articles back as Markdown files, each where it came from."""
    from digest.articles import exporting  # noqa: PLC0415

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
