"""`digest subscribers stats` and `check`: numbers of subscribers and exclusions, and doubtful addresses one by one."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from digest.cli.options import JsonLines
from digest.cli.shell import Shell, shell_of
from digest.delivery.configured_pace import families_of
from digest.membership import list_hygiene
from subscribers import audience


def stats(
    context: typer.Context,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Also count by mailbox provider and doubtful addresses, and show growth by month. Reads every reader.",
        ),
    ] = False,
) -> None:
    """Count readers and show how many would receive an issue.

    Counts are by state, language, interest, frequency and format, with the reasons why readers are excluded.
    """
    shell = shell_of(context)
    now = shell.reader.clock.now()
    more: dict[str, Any] = {}
    with shell.session(read_only=True) as session:
        counted = audience.counted(session, now)
        if full:
            more = {
                "provider": list_hygiene.providers(session, families_of(shell.reader.settings)),
                "growth": list_hygiene.growth(session),
                "doubtful": list_hygiene.counts(session),
            }
    groups, excluded, total = counted.stats(), counted.exclusions(), counted.total
    eligible = total - sum(excluded.values())
    data: dict[str, Any] = {**groups, "total": total, "eligible": eligible, "excluded": excluded, **more}

    def tell() -> None:
        shell.out.line(f"{eligible} of {total} would get an issue now.")
        shown = {name: counts for name, counts in groups.items() if name != "interests"} | {"excluded": excluded}
        shown |= {name: counts for name, counts in more.items() if name != "growth"}
        rows = [[group, value or "(none)", count] for group, counts in shown.items() for value, count in counts.items()]
        shell.out.table(["by", "value", "readers"], rows)
        if more:
            _tell_growth(shell, more["growth"])

    shell.out.emit(data, tell)


def _tell_growth(shell: Shell, growth: Mapping[str, Mapping[str, int]]) -> None:
    shell.out.line()
    rows: Iterable[list[object]] = ([month, *counts.values()] for month, counts in growth.items())
    shell.out.table(["month", "joined", "left", "erased", "suppressed"], rows)


def check(
    context: typer.Context,
    after: Annotated[str, typer.Option(help="Continue after this entry, as given by the previous page.")] = "",
    jsonl: JsonLines = False,
) -> None:
    """List confirmed readers whose address may be wrong.

    These are readers whom no issue has reached, domains that look mistyped, and role mailboxes. Each entry shows
    the evidence and, if the address is suppressed, the reason. Nothing is changed.
    """
    shell = shell_of(context)
    with shell.session(read_only=True) as session:
        shell.out.listing(
            ["kind", "address", "evidence", "suppressed"],
            map(asdict, list_hygiene.doubtful(session, after)),
            lambda: sum(list_hygiene.counts(session).values()),
            "digest subscribers check",
            lines=jsonl,
        )
