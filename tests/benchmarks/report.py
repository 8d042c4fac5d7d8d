"""What a benchmark of deliveries says: one row for each promise, a table for people, a document for programs."""

import json
import os
import platform
import sqlite3
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sinks import UnmeasurableError, tool

COLUMNS = ("what", "ours", "theirs", "ratio", "least to most", "at least", "aim", "reached")


@dataclass(frozen=True)
class Bound:
    """What a ratio has to reach, and what it should; where `below` it must not be above."""

    at_least: float
    aim: float | None = None
    below: bool = False

    def verdict(self, value: float) -> str:
        """Return `aim`, `yes` or `no`."""
        sign = -1 if self.below else 1
        if self.aim is not None and sign * value >= sign * self.aim:
            return "aim"
        return "yes" if sign * value >= sign * self.at_least else "no"


@dataclass(frozen=True)
class Spread:
    """The median of several rounds, and how far they lie apart."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Make it of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Row:
    """One line of the table. `ours` and `theirs` are in `unit`; `details` are further figures, by name."""

    name: str
    what: str
    unit: str
    ours: Spread
    theirs: Spread | None
    ratio: Spread
    bound: Bound
    rounds: int
    suffix: str = " x"
    details: Mapping[str, Spread] = field(default_factory=dict)

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as texts, in the order of COLUMNS."""
        show = lambda value: f"{figure(value)}{self.suffix}"  # noqa: E731
        return (
            self.what,
            f"{figure(self.ours.median)} {self.unit}",
            f"{figure(self.theirs.median)} {self.unit}" if self.theirs else "",
            show(self.ratio.median),
            f"{figure(self.ratio.least)} to {figure(self.ratio.most)}",
            f"{'under ' if self.bound.below else ''}{figure(self.bound.at_least)}{self.suffix}",
            show(self.bound.aim) if self.bound.aim is not None else "",
            self.bound.verdict(self.ratio.median),
        )

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "verdict": self.bound.verdict(self.ratio.median)}


def row_of(data: Mapping[str, Any]) -> Row:
    """Return the row that `document` wrote."""
    spread = lambda value: Spread(**value) if value else None  # noqa: E731
    kept = {key: value for key, value in data.items() if key != "verdict"}
    kept |= {key: spread(data[key]) for key in ("ours", "theirs", "ratio")}
    kept |= {"bound": Bound(**data["bound"]), "details": {k: Spread(**v) for k, v in data["details"].items()}}
    return Row(**kept)


def figure(value: float) -> str:
    """Return a number with about three digits."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(rows: Sequence[Row]) -> str:
    """Return the table as text."""
    lines = [COLUMNS, *(row.cells for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def details(row: Row) -> str:
    """Return a row's further figures in one line."""
    return "; ".join(
        f"{name} {figure(one.median)} ({figure(one.least)} to {figure(one.most)})" for name, one in row.details.items()
    )


def machine() -> dict[str, str]:
    """Return what the figures were measured on: processor, memory, system, versions."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "SQLAlchemy": _version("sqlalchemy"),
        "psycopg": _version("psycopg"),
        "cryptography": _version("cryptography"),
        "Postfix": _postfix(),
        "measured": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return "unknown"
    return f"{size / 2**30:.0f} GiB"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _postfix() -> str:
    try:
        asked = subprocess.run(
            [tool("postconf"), "-d", "-h", "mail_version"], capture_output=True, text=True, check=False
        )
    except UnmeasurableError:
        return "none"
    return asked.stdout.strip() or "unknown"


def document(rows: Sequence[Row], left_out: Mapping[str, str], settings: Mapping[str, Any]) -> str:
    """Return everything as JSON, as docs/explanation/performance.md is made from."""
    data = {
        "machine": machine(),
        "settings": dict(settings),
        "rows": [row.document() for row in rows],
        "left_out": dict(left_out),
    }
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
