"""`digest issue list`, in a module of its own, since the other commands load the renderers."""

from typing import Any

import typer
from sqlmodel import col, select

from digest.cli.shell import shell_of
from digest.issues.lifecycle import EDITABLE, state_in_words
from digest.issues.models import Issue


def list_(context: typer.Context) -> None:
    """List all issues, newest first."""
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        rows = session.exec(select(Issue).order_by(col(Issue.number).desc())).all()
        approved = any(issue.approved_hash and issue.state in EDITABLE for issue in rows)
        changed = shell.reader.publisher.void_approvals(session) if approved else {}
    data: list[dict[str, Any]] = [
        {"number": i.number, "period": i.period, "date": i.date, "state": i.state, "changed": changed.get(i.number, [])}
        for i in rows
    ]

    def show() -> None:
        cells = [[d["number"], d["period"], d["date"], state_in_words(d["state"], d["changed"])] for d in data]
        shell.out.table(["number", "period", "date", "state"], cells)

    shell.out.emit(data, show)
