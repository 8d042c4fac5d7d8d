"""`digest articles import`: import of articles from files or folders."""

from dataclasses import asdict
from typing import Annotated

import typer

from digest.articles.importing import ArticleImportReport
from digest.cli.options import DryRunImport, FileEncoding
from digest.cli.output import Output
from digest.cli.shell import shell_of
from digest.publish import import_articles
from digest.runtime.errors import EXIT_ATTENTION


def import_(
    context: typer.Context,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files (.md, .csv, .json) or folders.")],
    dry_run: DryRunImport = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove articles whose file is no longer in the folder.")
    ] = False,
    encoding: FileEncoding = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="If both sides changed, use the file's version.")
    ] = False,
) -> None:
    """Import articles from files or folders.

    A file with errors does not stop the others. If a file and its stored article have both changed, neither is
    overwritten.
    """
    shell = shell_of(context)
    report = import_articles.import_articles(
        shell.app.publisher,
        paths,
        now=shell.app.clock.now(),
        dry_run=dry_run,
        overwrite=overwrite,
        prune=prune,
        encoding=encoding,
    )
    shell.out.emit({**asdict(report), "dry_run": dry_run}, lambda: _show(shell.out, report, dry_run=dry_run))
    for problem in (*report.problems, *report.notes):
        shell.out.note(f"{problem}\n  → {problem.hint}" if problem.hint else str(problem))
    if report.needs_a_person:
        raise typer.Exit(EXIT_ATTENTION)


def _show(out: Output, report: ArticleImportReport, *, dry_run: bool) -> None:
    done = {"created": report.created, "updated": report.updated, "unchanged": report.unchanged, "kept": report.kept}
    counts = [f"{len(slugs)} {what}" for what, slugs in done.items() if slugs]
    out.line(("Dry run: " if dry_run else "") + (", ".join(counts) or "nothing to import"))
    if report.kept:
        out.line(f"Changed in the database since the last import, not overwritten: {', '.join(report.kept)}")
    if report.removed:
        out.line(f"{'Would be removed' if dry_run else 'Removed'}: {', '.join(report.removed)}")
    if report.missing:
        out.line(f"Files no longer found (use --prune to remove the articles): {', '.join(report.missing)}")
    for conflict in report.conflicts:
        out.line(
            f"\n{conflict.slug} changed both in the database and in {conflict.path}; neither version was "
            f"used:\n{conflict.diff}"
        )
