"""`digest issue`: assemble, look at, check, approve, edit and withdraw the month's issue."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from digest.cli.audit import record
from digest.cli.editions import build_of
from digest.cli.options import IssueNumber, RequiredIssueNumber, TextLanguage, Yes
from digest.cli.output import Output
from digest.cli.shell import Shell, shell_of
from digest.issues import edit as edits
from digest.issues import store
from digest.issues.lifecycle import state_in_words
from digest.issues.period import Period
from digest.publish import build, describe, lifecycle, waivers
from digest.publish.approval import approver_named
from digest.publish.dead_links import LinkReport, check_links_of
from digest.render.checks import Finding
from digest.runtime.errors import EXIT_ATTENTION
from digest.runtime.keys import MAX_KEY
from digest.runtime.text import count_of
from digest.schedule.occurrences import issue_date, period_at

MOST_OF_A_KIND = 10
NETWORK_SECONDS = 60.0


def assemble(
    context: typer.Context,
    period: Annotated[str, typer.Option(help="YYYY-MM. Default: set by [schedule] period.")] = "",
    number: Annotated[
        int | None, typer.Option(min=1, max=MAX_KEY, help="The issue's number. Default: the next one.")
    ] = None,
) -> None:
    """Choose and order a period's articles, with reasons."""
    shell = shell_of(context)
    app, now = shell.app, shell.app.clock.now()
    chosen = Period.parse(period) if period else period_at(app.settings, now)
    with shell.session() as session:
        day = issue_date(app.settings, chosen)
        issue = lifecycle.assemble(app.publisher, session, chosen, number=number, issue_date=day, now=now)
        record(shell, session, "assemble", f"issue {issue.number}", period=str(chosen))
        data = describe.describe(app.publisher, session, issue).as_json()
        most = build.most_editions(app.publisher, build.content_of(session, issue))
    _show(shell.out, data)
    shell.out.line(f"\nUp to {count_of(most, 'edition')} can result.")
    shell.out.line(f'\nNext: digest preview {data["number"]}, then digest issue approve {data["number"]} --by "NAME"')


def show(context: typer.Context, number: IssueNumber = None) -> None:
    """Show an issue's sections, articles and omissions."""
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        data = describe.describe(shell.reader.publisher, session, store.find(session, number)).as_json()
    _show(shell.out, data)


def check(
    context: typer.Context,
    number: IssueNumber = None,
    network: Annotated[
        bool, typer.Option("--network", help="Also look up every link on the internet, for at most a minute.")
    ] = False,
) -> None:
    """Check every edition. Exit code 1: at least one finding blocks approval."""
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        made = build_of(shell, session, number)
    links = _links_of(shell, made) if network else None
    located = [*made.located, *((None, finding) for finding in (links.dead if links else ()))]
    findings = [
        {"id": f.id, "severity": f.severity.value, "edition": place}
        | {"where": f.where, "message": f.message, "remedy": f.remedy, "waived": f.waived}
        for place, f in located
    ]
    data: dict[str, Any] = {"issue": made.issue.number, "findings": findings}
    if links:
        data["links"] = {"checked": links.links - links.unchecked, "unsure": links.unsure, "unchecked": links.unchecked}
    shell.out.emit(data, lambda: _show_findings(shell.out, made, [finding for _, finding in located], links))
    if made.blocking:
        raise typer.Exit(EXIT_ATTENTION)


def _links_of(shell: Shell, made: build.Build) -> LinkReport:
    """Look up the links, and count them on the terminal."""
    with shell.out.counting("links looked up") as tell:
        return check_links_of(shell.app.publisher, made.content, seconds=NETWORK_SECONDS, on_answer=tell)


def _show_findings(
    out: Output, made: build.Build, findings: Sequence[Finding], links: LinkReport | None = None
) -> None:
    out.line(
        f"Issue {made.issue.number}: {count_of(len(made.editions), 'edition')}, "
        f"{count_of(len(set(made.blocking)), 'blocking finding')}"
    )
    editions_of = Counter(findings)  # the same finding in many editions is one row
    rows = [
        [
            "waived" if one.waived else one.severity.value,
            one.id,
            f"{one.where} (in {count} of {count_of(len(made.editions), 'edition')})" if count > 1 else one.where,
            one.message,
            one.waived or one.remedy,
        ]
        for one, count in editions_of.items()
    ]
    of_kind = Counter(row[1] for row in rows)
    seen = Counter[str]()
    for row in list(rows):
        seen[row[1]] += 1
        if seen[row[1]] > MOST_OF_A_KIND:
            rows.remove(row)
    if rows:
        out.table(["severity", "check", "where", "what", "remedy or waiver"], rows)
    for name, count in of_kind.items():
        if count > MOST_OF_A_KIND:
            out.line(
                f"... and {count - MOST_OF_A_KIND:,} more {name} with different wording; use `--json` to list them"
            )
    if links:
        late = f", {links.unchecked:,} not looked up in time" if links.unchecked else ""
        out.line(f"{count_of(links.links, 'link')}: {links.dead_links:,} dead, {len(links.unsure):,} unsure{late}")
        for address, why in list(links.unsure.items())[:MOST_OF_A_KIND]:
            out.line(f"unsure: {address}: {why}")


def waive(
    context: typer.Context,
    number: RequiredIssueNumber,
    finding: Annotated[str, typer.Argument(metavar="ID", help="The finding's id, as listed by `digest issue check`.")],
    reason: Annotated[str, typer.Option(help="Why you accept it.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Withdraw the waiver.")] = False,
) -> None:
    """Accept a finding as it is, with a reason. Any approval becomes void."""
    shell = shell_of(context)
    with shell.session() as session:
        issue = store.editable(session, number)
        if undo:
            waivers.undo(issue, finding)
            record(shell, session, "waiver undone", f"issue {number}", finding=finding)
        else:
            made = build.build(shell.app.publisher, session, issue, shell.app.clock.now())
            waivers.waive(issue, made.findings, finding, reason)
            record(shell, session, "waive", f"issue {number}", finding=finding, reason=reason)
        standing = issue.waivers
    shell.out.emit({"issue": number, "waivers": standing}, lambda: _show_waivers(shell.out, standing))


def _show_waivers(out: Output, standing: Sequence[Mapping[str, str]]) -> None:
    out.line("Accepted findings:" if standing else "No finding is waived.")
    if standing:
        out.table(
            ["check", "where", "what", "why"], [[w["id"], w["where"], w["message"], w["reason"]] for w in standing]
        )


def approve(
    context: typer.Context,
    number: IssueNumber = None,
    by: Annotated[str, typer.Option(help="Your name. Once accounts exist: an approver's login or name.")] = ...,  # type: ignore[assignment]
) -> None:
    """Approve the issue exactly as it is now. Any later change voids the approval."""
    shell = shell_of(context)
    with shell.session() as session:
        issue = store.find(session, number, lock=True)
        approver = approver_named(session, by)
        done = lifecycle.approve(shell.app.publisher, session, issue, approver, shell.app.clock.now())
        who, what = approver.login or approver.name, issue.approved_hash
        record(shell, session, "approve", f"issue {issue.number}", by=who, hash=what)
        data = {"issue": issue.number, "state": issue.state, "hash": issue.approved_hash, "by": issue.approved_by}
        waived = issue.waivers

    def tell() -> None:
        if done:
            shell.out.line(f"Issue {data['issue']} is approved by {data['by']} (hash {str(data['hash'])[:12]}).")
            shell.out.line(f"Next: digest send {data['issue']}")
        else:
            shell.out.line(f"{data['by']} approved issue {data['issue']}. A second person must approve it too.")
        if waived:
            _show_waivers(shell.out, waived)

    shell.out.emit(data | {"waivers": waived}, tell)


def edit(
    context: typer.Context,
    number: IssueNumber = None,
    subject: Annotated[str | None, typer.Option(help="The subject line.")] = None,
    preheader: Annotated[
        str | None, typer.Option(help="The preview text that inboxes show beside the subject.")
    ] = None,
    intro: Annotated[Path | None, typer.Option(help="A Markdown file that contains the introduction.")] = None,
    date: Annotated[str | None, typer.Option(help="The issue's date, YYYY-MM-DD.")] = None,
    language: TextLanguage = "*",
    add: Annotated[list[str] | None, typer.Option(help="Add an article.")] = None,
    drop: Annotated[
        list[str] | None, typer.Option(help="Remove an article; later issues leave it out, too, until you add it.")
    ] = None,
    hold: Annotated[list[str] | None, typer.Option(help="Move an article to the next issue.")] = None,
    move: Annotated[list[str] | None, typer.Option(help="SLUG:SECTION:POSITION")] = None,
) -> None:
    """Change an issue. Any approval becomes void."""
    shell = shell_of(context)
    order = [section.slug for section in shell.app.settings.section]
    shell.app.settings.require_language(language, or_all=True)
    with shell.session() as session:
        issue = store.editable(session, number)
        text = None if intro is None else edits.read_intro(intro)
        edits.set_texts(issue, language, subject=subject, preheader=preheader, intro=text, issue_date=date)
        for slug in add or ():
            edits.add(session, issue, slug, order)
        for slug in drop or ():
            edits.drop(session, issue, slug)
        for slug in hold or ():
            edits.hold(session, issue, slug, order)
        for place in move or ():
            edits.move_to(session, issue, edits.ArticlePosition.parse(place, set(order)), order)
        record(shell, session, "edit", f"issue {issue.number}")
        data = describe.describe(shell.app.publisher, session, issue).as_json()
    _show(shell.out, data)


def withdraw(context: typer.Context, number: RequiredIssueNumber, yes: Yes = False) -> None:
    """Stop an issue permanently. Deliveries that have not started are cancelled. The number is not used again."""
    shell = shell_of(context)
    now = shell.app.clock.now()
    with shell.session(read_only=True) as session:
        issue = store.find(session, number)
    shell.confirm(f"Withdraw issue {number} ({issue.state}) permanently?", yes=yes)
    with shell.session() as session:
        issue = store.find(session, number, lock=True)
        cancelled = lifecycle.withdraw(session, issue, now)
        record(shell, session, "withdraw", f"issue {number}", cancelled=cancelled)
    data = {"issue": number, "state": "withdrawn", "cancelled": cancelled}
    shell.out.emit(
        data,
        lambda: shell.out.line(
            f"Issue {number} is withdrawn. Cancelled: {count_of(cancelled, 'delivery', 'deliveries')}."
        ),
    )


def _show(out: Output, data: dict[str, Any]) -> None:
    def table() -> None:
        state = state_in_words(data["state"], data["changed"])
        out.line(f"Issue {data['number']} · {data['period']} · {data['date']} · {state}")
        for language, subject in data["subjects"].items():
            out.line(f"Subject ({language}): {subject}" if len(data["subjects"]) > 1 else f"Subject: {subject}")
        out.line()
        if data["corrects"]:
            out.line(
                f"It corrects {data['corrected_article']} for the readers who got it in issue {data['corrects']}.\n"
            )
        if data["kept_out"]:
            out.line("It is hidden from the archive.\n")
        rows = [
            [s["title"], a["slug"], ", ".join(a["topics"]) or "everyone", a["reason"]]
            for s in data["sections"]
            for a in s["articles"]
        ]
        out.table(["section", "article", "topics", "why"], rows)
        if data["left_out"]:
            out.line("\nLeft out:")
            out.table(["article", "why"], [[e["slug"], e["reason"]] for e in data["left_out"]])
        if data["waivers"]:
            out.line("")
            _show_waivers(out, data["waivers"])

    out.emit(data, table)
