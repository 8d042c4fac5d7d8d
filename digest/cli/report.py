"""`digest report`: accounts of issues and runs."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import typer

from digest.cli.options import IssueNumber
from digest.cli.output import PAGE
from digest.cli.shell import Shell, shell_of
from digest.workspace import report as reporting


def report(context: typer.Context, number: IssueNumber = None) -> None:
    """Account for issues and runs: every month, and every reader of it, in numbers that add up."""
    shell = shell_of(context)
    found = reporting.report(shell.reader, number)
    data: dict[str, Any] = found.as_json()
    shell.out.emit(data, lambda: _show(shell, data, [one.missed_count for one in found.issues]))


def _show(shell: Shell, data: dict[str, Any], missed_counts: Sequence[int]) -> None:
    states = dict.fromkeys(state for issue in data["issues"] for state in issue["states"])
    used = [state for state in states if any(issue["states"].get(state) for issue in data["issues"])]
    columns = ["issue", "period", "state", "planned", *used, "excluded"]
    rows = [
        [
            issue["issue"],
            issue["period"],
            issue["state"],
            issue["planned"],
            *(issue["states"].get(state, 0) for state in used),
            sum(issue["excluded"].values()),
        ]
        for issue in data["issues"]
    ]
    shell.out.table(columns, rows)
    for issue, count in zip(data["issues"], missed_counts, strict=True):
        if missed := list(islice(issue["missed"], PAGE)):
            shell.out.line(f"\nWho did not get issue {issue['issue']}:")
            shell.out.table(["address", "why"], [[one["address"], one["reason"]] for one in missed])
            if count > PAGE:
                shell.out.line(f"{PAGE} of {count:,}. All of them: digest report {issue['issue']} --json")
    if data["runs"]:
        shell.out.line()
        keys = ["period", "due_at", "state", "approved_by", "why"]
        shell.out.table(keys, [[run[key] for key in keys] for run in data["runs"]])
