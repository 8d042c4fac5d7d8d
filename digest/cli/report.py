"""`digest report`: the account of an issue, or of all; in text, as JSON, as a page, as a list of who missed it."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from digest.cli.options import ReportedIssueNumber
from digest.cli.output import PAGE, Output
from digest.cli.shell import shell_of
from digest.outbox.states import State
from digest.runtime.errors import UsageError
from digest.runtime.text import count_of
from digest.workspace.report import account
from digest.workspace.report.account import IssueAccount, IssueReport, Overview
from digest.workspace.report.figures import CAME_BACK, UNSUBSCRIBED, Counts
from digest.workspace.report.missed import write_csv
from digest.workspace.report.page import ReportPages
from digest.workspace.report.runs import RunAccount

_BAR = 30
_FEW = 15


def report(
    context: typer.Context,
    number: ReportedIssueNumber = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write the report to one HTML file, to read, forward or print."),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write a CSV file of readers who did not get the issue, and why."),
    ] = None,
) -> None:
    """Report on an issue: who received it, who did not, and why. Without a number, all issues are summarized."""
    shell = shell_of(context)
    if number is None and csv is not None:
        raise UsageError("--csv needs an issue number", hint="For example: digest report 21 --csv missed.csv")
    found = (
        account.overview(shell.reader, reach=shell.out.as_json or html is not None)
        if number is None
        else account.of_issue(shell.reader, number)
    )
    written = []
    if html is not None:
        ReportPages(shell.reader.settings, shell.reader.templates, shell.reader.clock.now()).write(html, found)
        written.append(f"Wrote {html}. Only you can read it, because it names readers.")
    if csv is not None and isinstance(found, IssueReport):
        written.append(f"Wrote {csv}: {count_of(write_csv(csv, found.missed()), 'reader')}. Only you can read it.")
    shell.out.emit(found.as_json(), lambda: _show(shell.out, found, written))


def _show(out: Output, found: IssueReport | Overview, written: Sequence[str]) -> None:
    for line in written:
        out.line(line)
    if written:
        return
    if isinstance(found, Overview):
        _compare(out, found.issues)
        _runs(out, found.runs)
        return
    _headline(out, found.account)
    _outcomes(out, found)
    _groups(out, found)
    _over_time(out, found)
    _feedback(out, found)
    if found.earlier:
        out.line("\nCompared with earlier issues:")
        _compare(out, [*found.earlier, found.account])
    _runs(out, found.runs)
    _missed(out, found)


def _headline(out: Output, of: IssueAccount) -> None:
    facts = [f"No. {of.issue} ({of.period}): {of.state}"]
    if of.frozen_at:
        facts.append(f"audience fixed {out.local(of.frozen_at)}")
    if of.sent_at:
        facts.append(f"finished {out.local(of.sent_at)}")
    if of.approved_by:
        facts.append(f"approved by {of.approved_by}")
    out.line(", ".join(facts))
    parts = " + ".join(f"{count:,} {state}" for state, count in of.states.items() if count)
    out.line(f"{of.planned:,} planned = {parts or '0'}; {sum(of.excluded.values()):,} excluded before.")


def _outcomes(out: Output, found: IssueReport) -> None:
    rows = [[state, words, count] for state, of in found.reasons.by_state.items() for words, count in of.items()]
    rows += [["excluded", reason, count] for reason, count in found.account.excluded.items()]
    if rows:
        out.line("\nReasons:")
        out.table(["state", "reason", "readers"], rows)
    if found.reasons.refusals:
        out.line("\nRefusals caused by the sender, and what to do:")
    for one in found.reasons.refusals:
        where = ", ".join(f"{name} {count:,}" for name, count in one.providers.most_common(3))
        out.line(f"  {one.code or 'no code'} ({one.reason}), {count_of(one.count, 'reader')} ({where})")
        out.line(f"    {one.remedy}.")


def _groups(out: Output, found: IssueReport) -> None:
    names = {
        key: f"{key}: {language}, {count_of(articles, 'article')}"
        for key, (language, articles) in found.editions.items()
    }
    _counts(out, "edition", {names.get(key, str(key)): counts for key, counts in found.by.edition.items()})
    interests = {{"*": "all", "": "none"}.get(slug, slug): counts for slug, counts in found.by.interest.items()}
    _counts(out, "interest", interests)
    _counts(out, "mailbox provider", found.by.provider)


def _counts(out: Output, title: str, groups: Mapping[str, Counts]) -> None:
    if not groups:
        return
    used = [state for state in State if any(counts.get(state) for counts in groups.values())]
    rows = [[name, sum(of.values()), *(of.get(state, 0) for state in used)] for name, of in groups.items()]
    out.line(f"\nBy {title}:")
    out.table([title, "planned", *used], rows[:_FEW])
    if len(rows) > _FEW:
        out.line(f"and {len(rows) - _FEW} more; use --json to list all")


def _over_time(out: Output, found: IssueReport) -> None:
    accepted = found.account.states[State.ACCEPTED]
    if not accepted:
        return
    most = max(one.states.get(State.ACCEPTED, 0) for one in found.over_time) or 1
    total, rows = 0, []
    for one in found.over_time:
        count = one.states.get(State.ACCEPTED, 0)
        total += count
        bar = "█" * round(_BAR * count / most)
        if count:
            rows.append([one.at, count, f"{total / accepted:.0%}", bar])
    out.line("\nDelivery over time:")
    out.table(["from", "accepted", "so far", ""], rows)


def _feedback(out: Output, found: IssueReport) -> None:
    kinds = [*CAME_BACK, UNSUBSCRIBED]
    rows = [[day.isoformat(), *(of.get(kind, 0) for kind in kinds)] for day, of in found.feedback.by_day.items()]
    if rows:
        out.line("\nBounces and complaints by day:")
        out.table(["day", *kinds], rows)


def _compare(out: Output, issues: Sequence[IssueAccount]) -> None:
    used = [state for state in State if any(issue.states[state] for issue in issues)]
    columns = ["issue", "period", "state", "planned", *used, "excluded", "complaints", "left"]
    rows = [
        [
            *(one.issue, one.period, one.state, one.planned),
            *(one.states[state] for state in used),
            *(sum(one.excluded.values()), one.complaints, one.left),
        ]
        for one in issues
    ]
    out.table(columns, rows)


def _runs(out: Output, found: Iterable[RunAccount]) -> None:
    rows = [[one.period, one.due_at, one.state, one.approved_by, one.why] for one in found]
    if rows:
        out.line()
        out.table(["period", "due_at", "state", "approved_by", "why"], rows)


def _missed(out: Output, found: IssueReport) -> None:
    number, count = found.account.issue, found.account.missed_count
    shown = list(islice(found.missed(), PAGE + 1))
    if not shown:
        return
    out.line(f"\nReaders who did not get No. {number}, or may not have, and why:")
    rows = [[one.address or "(erased)", one.name, one.reason] for one in shown[:PAGE]]
    out.table(["address", "name", "why"], rows)
    if len(shown) > PAGE:
        out.line(f"{PAGE} of {count:,} shown. To list all: digest report {number} --csv FILE")
