"""A rehearsal's report, as a page of Markdown for whoever decides about the real send."""

from pathlib import Path

from digest.send.rehearsal.run import Rehearsal


def write(rehearsal: Rehearsal, folder: Path) -> Path:
    """Write the report into `folder` and return its file. It names no reader."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"issue-{rehearsal.number}-{rehearsal.at:%Y-%m-%dT%H%M%S}.md"
    file.write_text(page(rehearsal), encoding="utf-8")
    return file


def page(rehearsal: Rehearsal) -> str:
    """Return the report's text."""
    told = rehearsal.as_json()
    measured, predicted = told["measured"], told["predicted"]
    excluded = ", ".join(f"{count} {reason}" for reason, count in told["excluded"].items()) or "nobody"
    lines = [
        f"# Rehearsal of issue {rehearsal.number}",
        "",
        f"At {rehearsal.at:%Y-%m-%d %H:%M} UTC, into {measured['relay']}. Nothing was sent, no delivery changed.",
        "",
        f"- **Readers:** {told['planned']:,} planned; excluded: {excluded}.",
        f"- **Predicted:** {lasting(predicted['seconds'])} at the configured pace.",
        f"- **Measured:** {lasting(measured['build_seconds'])} to build; then {measured['per_second']:,} a second.",
        f"- **Volume:** {megabytes(told['bytes'])}; the largest message has {told['largest_bytes'] / 1000:,.0f} kB.",
        "",
        "What bounds it, the tightest first (a real relay's network may be slower than this sink):",
        "",
        *_table(["bound", "time"], [[one["what"], lasting(one["seconds"])] for one in predicted["bounds"]]),
        "",
        "## Mailboxes",
        "",
        *_table(
            ["mailboxes", "messages", "volume"],
            [[name, f"{of['messages']:,}", megabytes(of["bytes"])] for name, of in told["domains"].items()],
        ),
        "",
        "## Editions",
        "",
        *_table(
            ["edition", "language", "articles", "readers", "HTML", "text"],
            [
                [place, e["language"], e["articles"], e["readers"], f"{e['html_bytes']:,}", f"{e['text_bytes']:,}"]
                for place, e in enumerate(told["editions"], start=1)
            ],
        ),
        "",
        "## Outcomes in the sink",
        "",
        *_table(["state", "deliveries"], [[state, count] for state, count in told["states"].items() if count]),
        "",
    ]
    return "\n".join(lines)


def lasting(seconds: float) -> str:
    """Return a time for a person."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days} d {hour} h"
    return f"{hours} h {minute:02} min" if hours else f"{minutes} min {second:02} s"


def megabytes(count: int) -> str:
    """Return a volume for a person."""
    return f"{count / 1_000_000:,.1f} MB"


def _table(columns: list[str], rows: list[list[object]]) -> list[str]:
    head = f"| {' | '.join(columns)} |"
    rule = f"| {' | '.join('---' for _ in columns)} |"
    return [head, rule, *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)]
