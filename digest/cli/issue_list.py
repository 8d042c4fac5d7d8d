"""`digest issue list`, in a module of its own, since the other commands load the renderers."""

import typer
from sqlmodel import col, select

from digest.cli.shell import shell_of
from digest.issues.models import Issue


def list_(context: typer.Context) -> None:
    """List all issues, the newest first."""
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        rows = session.exec(select(Issue).order_by(col(Issue.number).desc())).all()
    data = [{"number": i.number, "period": i.period, "date": i.date, "state": i.state} for i in rows]
    columns = ["number", "period", "date", "state"]
    shell.out.emit(data, lambda: shell.out.table(columns, [list(d.values()) for d in data]))
