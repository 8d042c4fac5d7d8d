"""`digest subscribers`: readers in and out, one by one and by file."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.shell import shell_of
from digest.membership import importing
from digest.runtime.errors import EXIT_ATTENTION, EnvironmentFailedError, UsageError
from digest.runtime.whole_file import whole_file

if TYPE_CHECKING:
    from subscribers.transfer.report import SubscriberImportReport

app = typer.Typer(name="subscribers", help="Import, export, add, show and erase readers.", no_args_is_help=True)
Address = Annotated[str, typer.Argument(metavar="ADDRESS")]


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="CSV or JSON lines; also as listmonk, Mailchimp and Mailman export them."),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")] = False,
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
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; without a terminal nobody is asked.")] = False,
) -> None:
    """Import readers. The report comes first; a bad row stops no other; no file brings back who has left."""
    from digest.cli import import_report  # noqa: PLC0415

    shell = shell_of(context)
    asked = importing.asked_of(
        shell.app, file, mapping=mapping, interests=interests, confirmed_by=confirmed_by, status=status
    )

    def run(*, write: bool) -> "SubscriberImportReport":
        with shell.out.counting("lines read") as progress:
            return importing.import_subscribers(
                shell.app, file, dry_run=not write, asked=asked, add_interests=add_interests, progress=progress
            )

    reconsent = sys.stdin.isatty() and not (yes or dry_run)  # a script has been told what to do by whoever wrote it
    report = run(write=not (reconsent or dry_run))
    if reconsent:
        import_report.tell_import(shell.out, report, str(file), dry_run=True)
        changes = report.created + report.updated + report.hashes
        if changes:
            question = f"Write {report.created} new readers, {report.updated} changes"
            shell.confirm(f"{question} and {report.hashes} hashes of the never-send list?", yes=False)
        report = run(write=True)
    data = import_report.import_document(report, dry_run=dry_run)
    shell.out.emit(data, lambda: import_report.tell_import(shell.out, report, str(file), dry_run=dry_run))
    import_report.tell_problems(shell.out, report, str(file))
    if report.problem_count:
        raise typer.Exit(EXIT_ATTENTION)


@app.command("export")
def export(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Default: stdout.")] = None,
    form: Annotated[str, typer.Option("--format", help="csv or jsonl. Default: by the file's name, else csv.")] = "",
) -> None:
    """Write all readers with their consent and the never-send list, as the import takes it.

    Cells of CSV that a spreadsheet would run are made harmless.
    """
    from subscribers.transfer import importer  # noqa: PLC0415

    shell = shell_of(context)
    if shell.out.as_json and file is None:
        raise UsageError("The export is no single JSON document", hint="Leave --json out, or name a FILE.")
    form = form or ("jsonl" if file is not None and file.suffix in {".jsonl", ".ndjson"} else "csv")
    if form not in {"csv", "jsonl"}:
        raise UsageError(f"There is no format {form!r}", hint="There are csv and jsonl.")
    lines = importer.export_csv if form == "csv" else importer.export_json_lines
    secret = shell.app.settings.suppression_key
    with shell.session(read_only=True) as session:
        if file is None:
            sys.stdout.writelines(lines(session, secret))
            return
        with whole_file(file, mode=0o600) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
            stream.writelines(lines(session, secret))
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
    from digest.membership import notices  # noqa: PLC0415

    shell = shell_of(context)
    state = notices.add_subscriber(
        shell.app, address, name=name, interests=interests, language=language, confirmed_by=confirmed_by
    )
    told = "is confirmed" if state == "confirmed" else "is asked to confirm (next: digest worker)"
    shell.out.emit({"address": address, "state": state}, lambda: shell.out.line(f"{address} {told}."))


@app.command("show")
def show(context: typer.Context, address: Address) -> None:
    """Show everything that is known about one person; with --json it is the answer to a request for their data."""
    from digest.membership.own_data import data_at  # noqa: PLC0415

    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        data = data_at(session, address)

    def tell() -> None:
        shell.out.table(
            ["field", "value"], [[k, v] for k, v in data.items() if not isinstance(v, list | dict) or k == "interests"]
        )
        shell.out.line()
        rows = [[e["at"], e["kind"], e["method"], e["detail"].get("source", "")] for e in data["consent"]]
        shell.out.table(["at", "what", "how", "source"], rows)
        sent = [[d["planned_at"], f"issue {d['number']}", d["state"], d["reason"]] for d in data["issues"]]
        sent += [[n["created_at"], n["kind"], n["state"], ""] for n in data["notices"]]
        if sent:
            shell.out.line()
            shell.out.table(["at", "mail", "state", "why"], sorted(sent))

    shell.out.emit(data, tell)


@app.command("erase")
def erase(
    context: typer.Context,
    address: Address,
    yes: Annotated[bool, typer.Option("--yes", help="Answer the confirmation.")] = False,
) -> None:
    """Erase a person, then look for them in every table and file: nothing personal stays but a keyed hash."""
    from digest.membership import notices  # noqa: PLC0415

    shell = shell_of(context)
    shell.confirm(f"Erase {address} for good?", yes=yes)
    proof = notices.erase_subscriber(shell.app, address)

    def tell() -> None:
        shell.out.line(f"{address} is erased. Looked for them in:")
        rows = [[one.place, one.size, one.address, one.name] for one in proof.looked]
        shell.out.table(["place", "rows or bytes", "address found", "name found"], rows)
        if proof.names:
            shell.out.line("Where the name is found, it is somebody else's or in an article.")

    shell.out.emit({"address": address, "state": "erased", "proof": proof.document()}, tell)
    if proof.found:
        raise EnvironmentFailedError(
            "The address is still found in the places above", hint="Stop what uses the database, and erase again."
        )


@app.command("form")
def form(
    context: typer.Context,
    language: Annotated[str, typer.Option(help="Default: the publication's.")] = "",
) -> None:
    """Print the sign-up form as HTML to put into pages of other sites."""
    from digest.web.public.audience import sign_up_form  # noqa: PLC0415

    shell = shell_of(context)
    html = sign_up_form(shell.app, language)
    shell.out.emit({"html": html}, lambda: shell.out.line(html.rstrip()))


@app.command("stats")
def stats(context: typer.Context) -> None:
    """Count readers by state, language, interest, frequency and format; who gets an issue now, and why others not."""
    from subscribers import audience  # noqa: PLC0415

    shell = shell_of(context)
    now = shell.app.clock.now()
    with shell.session(read_only=True) as session:
        groups = audience.stats(session)
        excluded = audience.exclusions(session, now)
        total, eligible = audience.reach(session, now)
    data: dict[str, Any] = {**groups, "total": total, "eligible": eligible, "excluded": excluded}

    def tell() -> None:
        shell.out.line(f"{eligible} of {total} would get an issue now.")
        shown = {name: counts for name, counts in groups.items() if name != "interests"} | {"excluded": excluded}
        rows = [[group, value or "(none)", count] for group, counts in shown.items() for value, count in counts.items()]
        shell.out.table(["by", "value", "readers"], rows)

    shell.out.emit(data, tell)


@app.command("ask-to-confirm")
def ask_to_confirm(
    context: typer.Context,
    per_hour: Annotated[
        int | None, typer.Option(min=1, help="Most mails an hour. Default: [retention] asks_per_hour.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also those who were asked before, more than a day ago.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Answer the confirmation.")] = False,
) -> None:
    """Ask the pending ones, such as those of an import, to confirm: once each, and so many an hour."""
    from digest.membership import reconsent  # noqa: PLC0415

    shell = shell_of(context)
    question = reconsent.confirmation(shell.app, again=again, per_hour=per_hour)
    with shell.session(read_only=True) as session:
        number = reconsent.count(session, question)
    rate = f"at most {question.per_hour} an hour"
    if dry_run:
        data = {"would_ask": number, "per_hour": question.per_hour, "dry_run": True}
        shell.out.emit(data, lambda: shell.out.line(f"Would ask {number} people, {rate}."))
        return
    if number:
        shell.confirm(f"Send {number} people a mail with a link to confirm, {rate}?", yes=yes)
    with shell.out.counting("asked") as progress:
        done = reconsent.ask(shell.app, question, progress)
    told = {"asked": done.asked, "per_hour": question.per_hour, "first_due": done.first, "last_due": done.last}

    def tell() -> None:
        until = f"; the last mail is due at {shell.out.local(done.last)}" if done.last else ""
        shell.out.line(f"{done.asked} people are asked{until} (next: digest worker, or digest schedule run).")

    shell.out.emit(told, tell)


@app.command("retention")
def retention(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Answer the confirmation.")] = False,
) -> None:
    """Forget what [retention] keeps only for a time, and ask again whom it wants asked. `digest tick` does it daily."""
    from digest.membership import retention as rules  # noqa: PLC0415

    shell = shell_of(context)
    now = shell.app.clock.now()
    due = rules.due(shell.app, now)
    if not dry_run and due.anything:
        people = due.pending_forgotten + due.unanswered
        shell.confirm(f"Forget or end {people} people, ask {due.asked_again} again, and empty old replies?", yes=yes)
        with shell.out.counting("done") as progress:
            due = rules.apply(shell.app, now, progress)
    counts = asdict(due)
    rows = [[what.replace("_", " "), number] for what, number in counts.items()]
    title = "would be" if dry_run else "done"
    shell.out.emit({**counts, "dry_run": dry_run}, lambda: shell.out.table(["what", title], rows))
