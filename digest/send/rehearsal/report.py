"""The report of a rehearsal, in Markdown."""

from collections.abc import Sequence
from pathlib import Path

from digest.send.rehearsal.run import Rehearsal


def write(rehearsal: Rehearsal, folder: Path) -> Path:
    """Write the report into `folder` and return its file. It holds no personal data."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"issue-{rehearsal.number}-{rehearsal.at:%Y-%m-%dT%H%M%S}.md"
    file.write_text(page(rehearsal), encoding="utf-8")
    return file


def page(rehearsal: Rehearsal) -> str:
    lines = [*_summary(rehearsal), "", *_bounds(rehearsal), "", "## Mailboxes", "", *_mailboxes(rehearsal), ""]
    lines += ["## Editions", "", *_editions(rehearsal), "", "## Outcomes in the sink", ""]
    states = [[state, count] for state, count in rehearsal.status.reached.items()]
    return "\n".join([*lines, *_table(["state", "deliveries"], states), ""])


def _summary(rehearsal: Rehearsal) -> list[str]:
    status, volume = rehearsal.status, rehearsal.volume
    excluded = ", ".join(f"{count} {reason}" for reason, count in status.excluded.items()) or "nobody"
    build, speed = round(rehearsal.build_seconds, 3), round(rehearsal.per_second, 2)
    return [
        f"# Rehearsal of issue {rehearsal.number}",
        "",
        f"At {rehearsal.at:%Y-%m-%d %H:%M} UTC, into {rehearsal.relay}. Nothing was sent and no delivery changed.",
        "",
        f"- **Readers:** {status.planned:,} planned; excluded: {excluded}.",
        f"- **Predicted:** {lasting(round(rehearsal.prediction.seconds, 1))} at the configured pace.",
        f"- **Measured:** {lasting(build)} to build; then {speed:,} a second.",
        f"- **Volume:** {megabytes(rehearsal.size)}; the largest message has {volume.largest / 1000:,.0f} kB.",
    ]


def _bounds(rehearsal: Rehearsal) -> list[str]:
    rows: list[list[object]] = [[one.what, lasting(round(one.seconds, 1))] for one in rehearsal.prediction.bounds]
    introduction = "Limits, tightest first (a real relay's network may be slower than this sink):"
    return [introduction, "", *_table(["bound", "time"], rows)]


def _mailboxes(rehearsal: Rehearsal) -> list[str]:
    volume = rehearsal.volume
    rows = [[name, f"{count:,}", megabytes(volume.sizes[name])] for name, count in volume.messages.most_common()]
    return _table(["mailboxes", "messages", "volume"], rows)


def _editions(rehearsal: Rehearsal) -> list[str]:
    rows = [
        [place, one.language, one.articles, one.readers, f"{one.html_bytes:,}", f"{one.text_bytes:,}"]
        for place, one in enumerate(rehearsal.editions, start=1)
    ]
    return _table(["edition", "language", "articles", "readers", "HTML", "text"], rows)


def lasting(seconds: float) -> str:
    """Return a duration in its two largest units: "1 d 4 h", "2 h 05 min", "3 min 20 s", "5.0 s"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days} d {hour} h"
    return f"{hours} h {minute:02} min" if hours else f"{minutes} min {second:02} s"


def megabytes(count: int) -> str:
    return f"{count / 1_000_000:,.1f} MB"


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    head = f"| {' | '.join(columns)} |"
    rule = f"| {' | '.join('---' for _ in columns)} |"
    return [head, rule, *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)]
