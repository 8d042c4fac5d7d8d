"""`digest doctor`: health check of a workspace, or of one email of it that has arrived."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from digest.cli.output import Output
from digest.cli.shell import shell_of
from digest.runtime.errors import EXIT_ATTENTION, EXIT_ENVIRONMENT
from digest.workspace.doctor import examine
from digest.workspace.doctor.demands import AS_OF, SOURCES
from digest.workspace.doctor.diagnosis import Diagnosis, Met, Skipped
from digest.workspace.doctor.sent_mail import examine_sent


def doctor(
    context: typer.Context,
    nameserver: Annotated[
        str, typer.Option(help="Name server to query (ADDRESS or ADDRESS:PORT) for SPF, DKIM and DMARC.")
    ] = "",
    sent: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Check only this saved email, as it arrived: SPF, DKIM, DMARC alignment."),
    ] = None,
) -> None:
    """Find problems in the installation and show remedies.

    Checks configuration, secrets, database, relays, DNS, calendar and outbox.
    """
    shell = shell_of(context)
    if sent is not None:
        _look_at_mail(shell.out, sent, nameserver)
        return
    found = examine(shell.workspace, nameserver=nameserver)
    data = _document(found.findings, found.skipped)
    data["demands"] = [asdict(one) for one in found.demands]
    data |= {"demands_as_of": AS_OF, "demands_sources": SOURCES} if found.demands else {}

    def show() -> None:
        _show(shell.out, data)
        if found.demands:
            shell.out.line()
            columns = ["what", "gmail", "microsoft", "naver", "state", "why"]
            rows = [[one[column] for column in columns] for one in data["demands"]]
            shell.out.table(columns, rows, title=f"Requirements for senders, as of {AS_OF}")
            for provider, source in SOURCES.items():
                shell.out.line(f"{provider}: {source}.")

    shell.out.emit(data, show)
    if any(one.environment for one in found.findings):
        raise typer.Exit(EXIT_ENVIRONMENT)
    if found.findings:
        raise typer.Exit(EXIT_ATTENTION)


def _look_at_mail(out: Output, file: Path, nameserver: str) -> None:
    sender, results = examine_sent(file, nameserver=nameserver)
    met = [{"id": one.id, "message": one.message} for one in results if isinstance(one, Met)]
    findings = [one for one in results if isinstance(one, Diagnosis)]
    data = _document(findings, [one for one in results if isinstance(one, Skipped)])
    data |= {"sender": sender, "met": met}

    def show() -> None:
        out.line(f"Email from {sender}.")
        for one in met:
            out.line(f"Passed: {one['id']}: {one['message']}.")
        _show(out, data)

    out.emit(data, show)
    if findings:
        raise typer.Exit(EXIT_ATTENTION)


def _document(findings: Sequence[Diagnosis], skipped: Sequence[Skipped]) -> dict[str, Any]:
    return {
        "findings": [
            {"id": a.id, "severity": a.severity.value, "message": a.message, "remedy": a.remedy} for a in findings
        ],
        "skipped": [{"id": one.id, "why": one.why} for one in skipped],
    }


def _show(out: Output, data: dict[str, Any]) -> None:
    rows = [[one["severity"], one["id"], one["message"], one["remedy"]] for one in data["findings"]]
    if rows:
        out.table(["severity", "check", "what", "remedy"], rows)
    elif "met" not in data:
        out.line("No problems found.")
    for one in data["skipped"]:
        out.line(f"Not checked: {one['id']}: {one['why']}.")
