"""The report of `digest subscribers import`, printed before and after."""

from typing import Any

from digest.cli.output import Output
from subscribers.transfer.report import SubscriberImportReport

MOST_VALUES = 50


def import_document(report: SubscriberImportReport, *, dry_run: bool) -> dict[str, Any]:
    """Return the report for JSON."""
    names = ("source", "created", "updated", "unchanged", "skipped")
    return {name: getattr(report, name) for name in names} | {
        "kept": [{"line": kept.line, "reason": kept.reason} for kept in report.kept],
        "kept_count": report.kept_count,
        "states": dict(report.states),
        "never_send": dict(report.never_send),
        "not_followed": dict(report.kept_reasons),
        "hashes": report.hashes,
        "duplicates": report.duplicates,
        "unknown_interests": dict(report.left.interests.most_common()),
        "columns_not_kept": dict(report.left.columns.most_common()),
        "problems": [{"line": p.line, "column": p.column, "message": p.message} for p in report.problems],
        "problem_count": report.problem_count,
        "doubtful": [
            {"line": one.line, "kind": one.doubt.kind.value, "message": one.doubt.message} for one in report.doubtful
        ],
        "doubtful_count": dict(report.doubts),
        "dry_run": dry_run,
    }


def tell_import(out: Output, report: SubscriberImportReport, name: str, *, dry_run: bool) -> None:
    """Print the report for a person."""
    counts = f"{report.created} created, {report.updated} updated, {report.unchanged} unchanged"
    out.line(f"{'Dry run: ' if dry_run else ''}{counts}   ({report.source})")
    rows = [("new readers", state, count) for state, count in report.states.most_common()]
    rows += [("never-send list", reason, count) for reason, count in report.never_send.most_common()]
    rows += [("never-send list", "hash only", report.hashes)] * bool(report.hashes)
    rows += [("not applied", reason, count) for reason, count in report.kept_reasons.most_common()]
    rows += [("skipped", "address occurs earlier in the file", report.duplicates)] * bool(report.duplicates)
    others = report.problem_count - report.duplicates
    rows += [("skipped", "line is not usable", others)] * bool(others)
    rows += [("unknown interest", v, n) for v, n in report.left.interests.most_common(MOST_VALUES)]
    rows += [("column not imported", column, count) for column, count in report.left.columns.most_common(MOST_VALUES)]
    rows += [("doubtful address, imported", kind, count) for kind, count in report.doubts.most_common()]
    if rows:
        out.table(["what", "which", "lines"], rows)
    for kept in report.kept:
        out.line(f"{name}:{kept.line}: not applied: {kept.reason}")
    for one in report.doubtful:
        out.line(f"{name}:{one.line}: doubtful: {one.doubt.message}")


def tell_problems(out: Output, report: SubscriberImportReport, name: str) -> None:
    """Print the problems of lines to stderr."""
    for problem in report.problems:
        out.note(f"{name}:{problem.line}: {problem.column}: {problem.message}")
    if report.problem_count > len(report.problems):
        out.note(f"... and {report.problem_count - len(report.problems)} more")
