"""`digest issue`: assemble, look at, check, approve, edit and withdraw the month's issue."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.shell import Shell, shell_of
from digest.publish import build, lifecycle
from digest.runtime.errors import EXIT_ATTENTION
from digest.runtime.keys import MAX_KEY

if TYPE_CHECKING:
    from sqlmodel import Session

    from digest.issues.models import Issue
    from digest.publish.build import Build

app = typer.Typer(name="issue", help="Assemble, check, approve, edit and withdraw an issue.", no_args_is_help=True)
Number = Annotated[
    int | None,
    typer.Argument(min=1, max=MAX_KEY, help="The issue's number; default: the unfinished one, else the newest."),
]


@app.command("assemble")
def assemble_(
    context: typer.Context,
    period: Annotated[str, typer.Option(help="YYYY-MM; default: as [schedule] period says.")] = "",
    number: Annotated[
        int | None, typer.Option(min=1, max=MAX_KEY, help="The issue's number; default: the next one.")
    ] = None,
) -> None:
    """Choose and order the period's articles, and say why for each."""
    from digest.issues.period import Period  # noqa: PLC0415
    from digest.schedule.tick import issue_date  # noqa: PLC0415

    shell = shell_of(context)
    settings, now = shell.app.settings, shell.app.clock.now()
    chosen = Period.parse(period) if period else Period.of(now, settings.publication.zone)
    if not period and settings.schedule.period == "previous":
        chosen = chosen.previous
    with shell.session() as session:
        day = issue_date(settings, chosen)
        issue = lifecycle.assemble(shell.app.publisher, session, chosen, number=number, issue_date=day, now=now)
        data = issue_json(shell, session, issue)
    _show(shell, data)
    shell.out.line(f'\nNext: digest preview {data["number"]}, then digest issue approve {data["number"]} --by "NAME"')


@app.command("list")
def list_(context: typer.Context) -> None:
    """List all issues, the newest first."""
    from sqlmodel import col, select  # noqa: PLC0415

    from digest.issues.models import Issue  # noqa: PLC0415

    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        rows = session.exec(select(Issue).order_by(col(Issue.number).desc())).all()
    data = [{"number": i.number, "period": i.period, "date": i.date, "state": i.state} for i in rows]
    shell.out.emit(
        data, lambda: shell.out.table(["number", "period", "date", "state"], [list(d.values()) for d in data])
    )


@app.command("show")
def show(context: typer.Context, number: Number = None) -> None:
    """Show an issue's sections and articles, and what was left out and why."""
    from digest.issues import store  # noqa: PLC0415

    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        data = issue_json(shell, session, store.find(session, number))
    _show(shell, data)


@app.command("check")
def check(context: typer.Context, number: Number = None) -> None:
    """Check every edition; exit code 1 if something blocks."""
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        made = build_of(shell, session, number)
    findings = [
        {
            "id": f.id,
            "severity": f.severity.value,
            "edition": place,
            "where": f.where,
            "message": f.message,
            "remedy": f.remedy,
        }
        for place, f in made.located
    ]
    editions_of = Counter(found for _, found in made.located)  # the same finding in many editions is one row
    rows = [
        [
            found.severity.value,
            found.id,
            f"{found.where} ({count} x)" if count > 1 else found.where,
            found.message,
            found.remedy,
        ]
        for found, count in editions_of.items()
    ]

    def show_findings() -> None:
        shell.out.line(
            f"Issue {made.issue.number}: {len(made.editions)} editions, {len(made.blocking)} blocking findings"
        )
        if rows:
            shell.out.table(["severity", "check", "where", "what", "remedy"], rows)

    shell.out.emit({"issue": made.issue.number, "findings": findings}, show_findings)
    if made.blocking:
        raise typer.Exit(EXIT_ATTENTION)


@app.command("approve")
def approve(
    context: typer.Context,
    number: Number = None,
    by: Annotated[str, typer.Option(help="Who approves.")] = ...,  # type: ignore[assignment]
) -> None:
    """Approve the issue exactly as it is now; any later change voids it."""
    from digest.issues import store  # noqa: PLC0415

    shell = shell_of(context)
    with shell.session() as session:
        issue = store.find(session, number, lock=True)
        done = lifecycle.approve(shell.app.publisher, session, issue, by, shell.app.clock.now())
        data = {"issue": issue.number, "state": issue.state, "hash": issue.approved_hash, "by": issue.approved_by}

    def tell() -> None:
        if done:
            shell.out.line(f"Issue {data['issue']} is approved by {data['by']} (hash {str(data['hash'])[:12]}).")
            shell.out.line(f"Next: digest send {data['issue']}")
        else:
            shell.out.line(f"{data['by']} approved issue {data['issue']}; a second person has to approve it too.")

    shell.out.emit(data, tell)


@app.command("edit")
def edit_(
    context: typer.Context,
    number: Number = None,
    subject: Annotated[str | None, typer.Option(help="The subject line.")] = None,
    preheader: Annotated[str | None, typer.Option(help="The visible first line.")] = None,
    intro: Annotated[Path | None, typer.Option(help="A Markdown file with the introduction.")] = None,
    date: Annotated[str | None, typer.Option(help="The issue's date, YYYY-MM-DD.")] = None,
    language: Annotated[str, typer.Option(help="For which language; default: every one.")] = "*",
    add: Annotated[list[str] | None, typer.Option(help="Put an article in.")] = None,
    drop: Annotated[list[str] | None, typer.Option(help="Take an article out.")] = None,
    move: Annotated[list[str] | None, typer.Option(help="SLUG:SECTION:POSITION")] = None,
) -> None:
    """Change an issue by hand. An approval is void from then on."""
    from digest.issues import edit, store  # noqa: PLC0415

    shell = shell_of(context)
    order = [section.slug for section in shell.app.settings.section]
    with shell.session() as session:
        issue = store.editable(session, number)
        edit.set_texts(issue, language, subject=subject, preheader=preheader, intro=intro, issue_date=date)
        for slug in add or ():
            edit.add(session, issue, slug, order)
        for slug in drop or ():
            edit.drop(session, issue, slug)
        for text in move or ():
            edit.move_to(session, issue, edit.ArticlePosition.parse(text, set(order)), order)
        data = issue_json(shell, session, issue)
    _show(shell, data)


@app.command("withdraw")
def withdraw(
    context: typer.Context,
    number: Annotated[int, typer.Argument(min=1, max=MAX_KEY, help="The issue's number.")],
    yes: Annotated[bool, typer.Option("--yes", help="Answer the confirmation.")] = False,
) -> None:
    """Stop an issue for good: what was not started is cancelled; the number is not used again."""
    from digest.issues import store  # noqa: PLC0415

    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        issue = store.find(session, number)
    shell.confirm(f"Withdraw issue {number} ({issue.state}) for good?", yes=yes)
    with shell.session() as session:
        issue = store.find(session, number, lock=True)
        cancelled = lifecycle.withdraw(session, issue, shell.app.clock.now())
    data = {"issue": number, "state": "withdrawn", "cancelled": cancelled}
    shell.out.emit(data, lambda: shell.out.line(f"Issue {number} is withdrawn; {cancelled} deliveries were cancelled."))


@app.command("archive")
def archive_(
    context: typer.Context,
    number: Annotated[int, typer.Argument(min=1, max=MAX_KEY, help="The issue's number.")],
    keep_out: Annotated[
        bool, typer.Option("--keep-out/--show", help="Keep it out of list, search and feeds, or show it there.")
    ] = ...,  # type: ignore[assignment]
) -> None:
    """Keep an issue out of the public archive, or show it again. Its mails, and their view links, stay as they are."""
    from digest.issues import store  # noqa: PLC0415
    from digest.publish import archive_notes  # noqa: PLC0415

    shell = shell_of(context)
    with shell.session() as session:
        issue = store.find(session, number, lock=True)
        changed = archive_notes.set_kept_out(issue, shell.app.clock.now(), kept_out=keep_out)
        session.add(issue)
    data = {"issue": number, "kept_out": keep_out, "changed": changed}
    told = "kept out of the archive" if keep_out else "in the archive once it is published"
    shell.out.emit(data, lambda: shell.out.line(f"Issue {number} is {told}."))


@app.command("note")
def note(
    context: typer.Context,
    number: Annotated[int, typer.Argument(min=1, max=MAX_KEY, help="The issue's number.")],
    text: Annotated[str, typer.Argument(help='What stands above the issue; "" takes the note away.')],
    language: Annotated[str, typer.Option(help="For which language; default: every one.")] = "*",
) -> None:
    """Put a note above an issue's page in the archive, such as where a correction is. The issue itself stays."""
    from digest.issues import store  # noqa: PLC0415
    from digest.publish import archive_notes  # noqa: PLC0415

    shell = shell_of(context)
    with shell.session() as session:
        issue = store.find(session, number, lock=True)
        archive_notes.set_note(issue, language, text, shell.app.clock.now())
        session.add(issue)
        data = {"issue": number, "note": issue.note}
    shell.out.emit(data, lambda: shell.out.line(f"Issue {number} has {'a' if data['note'] else 'no'} note."))


def build_of(shell: Shell, session: "Session", number: int | None) -> "Build":
    """Build the editions of an issue for the audience of now."""
    from digest.issues import store  # noqa: PLC0415

    issue = store.find(session, number)
    return build.build(shell.app.publisher, session, issue, shell.app.clock.now())


def issue_json(shell: Shell, session: "Session", issue: "Issue") -> dict[str, Any]:
    """Return what `issue show --json` prints."""

    from digest.publish import describe  # noqa: PLC0415

    return describe.describe(shell.app.publisher, session, issue)


def _show(shell: Shell, data: dict[str, Any]) -> None:
    def table() -> None:
        shell.out.line(f"Issue {data['number']} · {data['period']} · {data['date']} · {data['state']}")
        shell.out.line(f"Subject: {data['subject']}\n")
        if data["kept_out"]:
            shell.out.line("It is kept out of the archive.\n")
        rows = [
            [s["title"], a["slug"], ", ".join(a["topics"]) or "everyone", a["reason"]]
            for s in data["sections"]
            for a in s["articles"]
        ]
        shell.out.table(["section", "article", "topics", "why"], rows)
        if data["left_out"]:
            shell.out.line("\nLeft out:")
            shell.out.table(["article", "why"], [[e["slug"], e["reason"]] for e in data["left_out"]])

    shell.out.emit(data, table)
