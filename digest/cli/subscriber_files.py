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
from subscribers.transfer import exporter
from subscribers.transfer.report import SubscriberImportReport


def import_(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV or JSON lines; also as other programs export them.")
    ],
    dry_run: DryRunImport = False,
    mapping: Annotated[
        str,
        typer.Option("--map", help="Which column is which: 'email=E-Mail,name=First Name+Last Name', or a TOML file."),
    ] = "",
    interests: Annotated[str, typer.Option(help="For whom the file names none; joined by ;  Default: all.")] = "",
    add_interests: Annotated[
        bool, typer.Option("--add-interests", help="Add the file's interests to those that readers have.")
    ] = False,
    confirmed_by: Annotated[
        str,
        typer.Option(help="Where the consent is on record of those whom the file has as subscribed without a proof."),
    ] = "",
    status: Annotated[
        str, typer.Option(help="Of everybody whom the file has as subscribed: unsubscribed, bounced, nobody ...")
    ] = "",
    encoding: FileEncoding = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; without a terminal nobody is asked.")] = False,
) -> None:
    """Import readers. The report comes first; a bad row stops no other; no file brings back who has left."""
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
        question = f"Write {report.created} new readers, {report.updated} changes"
        shell.confirm(f"{question} and {report.hashes} hashes of the never-send list?", yes=False)


def export(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Default: stdout.")] = None,
    form: Annotated[str, typer.Option("--format", help="csv or jsonl. Default: by the file's name, else csv.")] = "",
) -> None:
    """Write all readers with their consent and the never-send list, as the import takes it.

    Cells of CSV that a spreadsheet would run are made harmless.
    """
    shell = shell_of(context)
    if shell.out.as_json and file is None:
        raise UsageError("The export is no single JSON document", hint="Leave --json out, or name a FILE.")
    form = form or ("jsonl" if file is not None and file.suffix in {".jsonl", ".ndjson"} else "csv")
    if form not in {"csv", "jsonl"}:
        raise UsageError(f"There is no format {form!r}", hint="There are csv and jsonl.")
    lines = exporter.export_csv if form == "csv" else exporter.export_json_lines
    secret = shell.reader.settings.suppression_key
    with shell.session(read_only=True) as session:
        if file is None:
            sys.stdout.writelines(lines(session, secret))
            return
        with whole_file(file, mode=0o600) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
            stream.writelines(lines(session, secret))
    shell.out.emit({"file": str(file)}, lambda: shell.out.line(f"Written to {file}. It holds personal data."))
