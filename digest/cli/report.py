"""`digest report`: accounts of issues and runs."""

from typing import Any

import typer

from digest.cli.options import IssueNumber
from digest.cli.shell import Shell, shell_of
from digest.workspace import report as reporting


def report(context: typer.Context, number: IssueNumber = None) -> None:
    """Account for issues and runs: every month, and every reader of it, in numbers that add up."""
    shell = shell_of(context)
    data: dict[str, Any] = reporting.report(shell.reader.engine, number).as_json()
    shell.out.emit(data, lambda: _show(shell, data))


def _show(shell: Shell, data: dict[str, Any]) -> None:
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
    for issue in data["issues"]:
        if issue["missed"]:
            shell.out.line(f"\nWho did not get issue {issue['issue']}:")
            shell.out.table(["address", "why"], [[one["address"], one["reason"]] for one in issue["missed"]])
    if data["runs"]:
        shell.out.line()
        keys = ["period", "due_at", "state", "approved_by", "why"]
        shell.out.table(keys, [[run[key] for key in keys] for run in data["runs"]])
