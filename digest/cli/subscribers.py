"""`digest subscribers`: readers in and out, one by one and by file."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from digest.cli.shell import shell_of
from digest.runtime.errors import EXIT_ATTENTION, UsageError

app = typer.Typer(name="subscribers", help="Import, export, add, show and erase readers.", no_args_is_help=True)
Address = Annotated[str, typer.Argument(metavar="ADDRESS")]


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV: email,name,interests,language,format,...")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")] = False,
) -> None:
    """Import readers from CSV. A bad row stops no other; who has left is never brought back by a file."""
    from digest import bootstrap  # noqa: PLC0415

    shell = shell_of(context)
    report = bootstrap.import_subscribers(shell.works, file, dry_run=dry_run)
    data: dict[str, Any] = {
        "created": report.created,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "kept": [{"line": kept.line, "reason": kept.reason} for kept in report.kept],
        "problems": [{"line": p.line, "column": p.column, "message": p.message} for p in report.problems],
        "problem_count": report.problem_count,
        "dry_run": dry_run,
    }

    def show() -> None:
        counts = f"{report.created} created, {report.updated} updated, {report.unchanged} unchanged"
        shell.out.line(("Would be: " if dry_run else "") + counts)
        for kept in report.kept:
            shell.out.line(f"{file}:{kept.line}: left as it was: {kept.reason}")

    shell.out.emit(data, show)
    for problem in report.problems:
        shell.out.note(f"{file}:{problem.line}: {problem.column}: {problem.message}")
    if report.problem_count > len(report.problems):
        shell.out.note(f"... and {report.problem_count - len(report.problems)} more")
    if report.problem_count:
        raise typer.Exit(EXIT_ATTENTION)


@app.command("export")
def export(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Default: stdout.")] = None,
) -> None:
    """Write all readers as CSV, as the import takes it; cells that a spreadsheet would run are made harmless."""
    from subscribers import transfer  # noqa: PLC0415

    shell = shell_of(context)
    if shell.out.as_json and file is None:
        raise UsageError("The export is CSV", hint="Leave --json out, or name a FILE.")
    with shell.session(read_only=True) as session:
        if file is None:
            sys.stdout.writelines(transfer.export_csv(session))
            return
        partial = file.with_name(f"{file.name}.partial")
        with partial.open("w", encoding="utf-8", newline="") as stream:
            stream.writelines(transfer.export_csv(session))
        partial.replace(file)
    shell.out.emit({"file": str(file)}, lambda: shell.out.line(f"Written to {file}. It holds personal data."))


@app.command("add")
def add(
    context: typer.Context,
    address: Address,
    name: Annotated[str, typer.Option(help="How the mail addresses them.")] = "",
    interests: Annotated[str, typer.Option(help="Joined by ;  * = all.")] = "*",
    language: Annotated[str, typer.Option(help="Default: the publication's.")] = "",
    confirmed_by: Annotated[
        str, typer.Option(help="Where their consent is on record. Without it they are asked by mail.")
    ] = "",
) -> None:
    """Add one reader. Without proof of their consent they are pending, and get a mail with a link to confirm."""
    from digest import signup  # noqa: PLC0415

    shell = shell_of(context)
    state = signup.add_subscriber(
        shell.works, address, name=name, interests=interests, language=language, confirmed_by=confirmed_by
    )
    told = "is confirmed" if state == "confirmed" else "is asked to confirm (next: digest worker)"
    shell.out.emit({"address": address, "state": state}, lambda: shell.out.line(f"{address} {told}."))


@app.command("show")
def show(context: typer.Context, address: Address) -> None:
    """Show everything that is known about one person; this is also the answer to a request for their data."""
    from digest.own_data import data_at  # noqa: PLC0415

    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        data = data_at(session, address)
    lists = ("consent", "wordings", "issues", "notices")

    def tell() -> None:
        shell.out.table(["field", "value"], [[k, v] for k, v in data.items() if k not in lists])
        shell.out.line()
        shell.out.table(
            ["issue", "state", "when"], [[i["number"], i["state"], i["settled_at"]] for i in data["issues"]]
        )
        shell.out.line()
        rows = [[e["at"], e["kind"], e["method"], e["detail"].get("source", "")] for e in data["consent"]]
        shell.out.table(["at", "what", "how", "source"], rows)

    shell.out.emit(data, tell)


@app.command("erase")
def erase(
    context: typer.Context,
    address: Address,
    yes: Annotated[bool, typer.Option("--yes", help="Answer the confirmation.")] = False,
) -> None:
    """Erase a person: nothing personal stays but a keyed hash, so that an import cannot bring them back."""
    from digest import signup  # noqa: PLC0415

    shell = shell_of(context)
    shell.confirm(f"Erase {address} for good?", yes=yes)
    signup.erase_subscriber(shell.works, address)
    shell.out.emit({"address": address, "state": "erased"}, lambda: shell.out.line(f"{address} is erased."))


@app.command("stats")
def stats(context: typer.Context) -> None:
    """Count readers by state, language, format, frequency and interests, and who gets nothing now, and why."""
    from subscribers import audience  # noqa: PLC0415

    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        data: dict[str, Any] = {
            **audience.stats(session),
            "excluded": audience.exclusions(session, shell.works.clock.now()),
        }
    rows = [[group, value or "(none)", count] for group, counts in data.items() for value, count in counts.items()]
    shell.out.emit(data, lambda: shell.out.table(["by", "value", "readers"], rows))
