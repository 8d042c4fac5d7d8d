"""`digest subscribers stats`: numbers of subscribers, and of exclusions."""

from typing import Any

import typer

from digest.cli.shell import shell_of
from subscribers import audience


def stats(context: typer.Context) -> None:
    """Count readers by state, language, interest, frequency and format; who gets an issue now, and why others not."""
    shell = shell_of(context)
    now = shell.reader.clock.now()
    with shell.session(read_only=True) as session:
        counted = audience.counted(session, now)
    groups, excluded, total = counted.stats(), counted.exclusions(), counted.total
    eligible = total - sum(excluded.values())
    data: dict[str, Any] = {**groups, "total": total, "eligible": eligible, "excluded": excluded}

    def tell() -> None:
        shell.out.line(f"{eligible} of {total} would get an issue now.")
        shown = {name: counts for name, counts in groups.items() if name != "interests"} | {"excluded": excluded}
        rows = [[group, value or "(none)", count] for group, counts in shown.items() for value, count in counts.items()]
        shell.out.table(["by", "value", "readers"], rows)

    shell.out.emit(data, tell)
