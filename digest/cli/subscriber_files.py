"""`digest subscribers import` and `export`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from digest.cli import import_report
from digest.cli.options import DryRunImport, FileEncoding
from digest.cli.shell import Shell, shell_of
from digest.membership import importing
from digest.runtime.atomic_file import whole_file
from digest.runtime.errors import EXIT_ATTENTION, UsageError
from digest.runtime.text import count_of
from subscribers.transfer import exporter
from subscribers.transfer.report import SubscriberImportReport


def import_(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV or JSON lines, including exports of other programs.")
    ],
    dry_run: DryRunImport = False,
    mapping: Annotated[
        str,
        typer.Option(
            "--map", help="How columns map to fields: 'email=E-Mail,name=First Name+Last Name', or a TOML file."
        ),
    ] = "",
    interests: Annotated[
        str, typer.Option(help="Interests for rows that have none, separated by semicolons (;). Default: all.")
    ] = "",
    add_interests: Annotated[
        bool, typer.Option("--add-interests", help="Add the file's interests to the reader's existing ones.")
    ] = False,
    confirmed_by: Annotated[
        str, typer.Option(help="Where consent is recorded for readers who are subscribed in the file without proof.")
    ] = "",
    status: Annotated[
        str,
        typer.Option(help="Status of all readers who are subscribed in the file: unsubscribed, bounced, nobody ..."),
    ] = "",
    encoding: FileEncoding = "",
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask for confirmation. Without a terminal, no question is asked.")
    ] = False,
) -> None:
    """Import readers from a file.

    The command reports what will change before it writes. Rows with errors do not stop the others. An import never
    brings back readers who have unsubscribed.
    """
    shell = shell_of(context)
    asked = importing.asked_of(
        shell.app,
        file,
        mapping=mapping,
        interests=interests,
        confirmed_by=confirmed_by,
        status=status,
        encoding=encoding,
    )

    def run(*, write: bool) -> SubscriberImportReport:
        with shell.out.counting("lines read") as progress:
            return importing.import_subscribers(
                shell.app, file, dry_run=not write, asked=asked, add_interests=add_interests, progress=progress
            )

    ask = sys.stdin.isatty() and not (yes or dry_run)  # a script cannot answer
    report = run(write=not (ask or dry_run))
    if ask:
        import_report.tell_import(shell.out, report, str(file), dry_run=True)
        _confirm(shell, report)
        report = run(write=True)
    data = import_report.import_document(report, dry_run=dry_run)
    shell.out.emit(data, lambda: import_report.tell_import(shell.out, report, str(file), dry_run=dry_run))
    import_report.tell_problems(shell.out, report, str(file))
    if report.problem_count:
        raise typer.Exit(EXIT_ATTENTION)


def _confirm(shell: Shell, report: SubscriberImportReport) -> None:
    if report.created or report.updated or report.hashes:
        question = f"Write {count_of(report.created, 'new reader')}, {count_of(report.updated, 'change')}"
        shell.confirm(f"{question} and {count_of(report.hashes, 'hash', 'hashes')} of the never-send list?", yes=False)


def export(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Default: stdout.")] = None,
    form: Annotated[str, typer.Option("--format", help="csv or jsonl. Default: from the file's name, else csv.")] = "",
) -> None:
    """Export all readers, consents and the never-send list.

    The import reads the same format. CSV cells that a spreadsheet could run as formulas are made harmless.
    """
    shell = shell_of(context)
    if shell.out.as_json and file is None:
        raise UsageError("The export is not a single JSON document", hint="Omit --json or name a FILE.")
    form = form or ("jsonl" if file is not None and file.suffix in {".jsonl", ".ndjson"} else "csv")
    if form not in {"csv", "jsonl"}:
        raise UsageError(f"Unknown format {form!r}", hint="Use csv or jsonl.")
    lines = exporter.export_csv if form == "csv" else exporter.export_json_lines
    secret = shell.reader.settings.suppression_key
    with shell.session(read_only=True) as session:
        if file is None:
            sys.stdout.writelines(lines(session, secret))
            return
        with whole_file(file, mode=0o600) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
            stream.writelines(lines(session, secret))
    shell.out.emit({"file": str(file)}, lambda: shell.out.line(f"Written to {file}. The file contains personal data."))
