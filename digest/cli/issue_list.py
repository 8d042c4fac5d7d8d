"""`digest issue list`, in a module of its own, since the other commands load the renderers."""

from typing import Any

import typer
from sqlmodel import col, select

from digest.cli.shell import shell_of
from digest.issues.lifecycle import EDITABLE
from digest.issues.models import Issue


def list_(context: typer.Context) -> None:
    """List all issues, the newest first."""
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        rows = session.exec(select(Issue).order_by(col(Issue.number).desc())).all()
        changed: dict[int, list[str]] = {}
        if any(issue.approved_hash and issue.state in EDITABLE for issue in rows):
            from digest.publish import approval  # noqa: PLC0415 - loads the renderers

            changed = approval.void_approvals(session, shell.reader.settings, shell.reader.templates)
    data: list[dict[str, Any]] = [
        {"number": i.number, "period": i.period, "date": i.date, "state": i.state, "changed": changed.get(i.number, [])}
        for i in rows
    ]

    def show() -> None:
        words = [approval.state_in_words(d["state"], d["changed"]) if d["changed"] else d["state"] for d in data]
        cells = [[d["number"], d["period"], d["date"], state] for d, state in zip(data, words, strict=True)]
        shell.out.table(["number", "period", "date", "state"], cells)

    shell.out.emit(data, show)
