"""docs/explanation/performance-audience.md, from the figures that `scripts/bench audience --json` wrote beside it.

    scripts/bench audience_page [FILE] [--check]

FILE are new figures. They take the place of the old ones of the same name; the others stay, and the page says of when
they are. `--check` only says whether the page fits its figures.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from page import _details, _left_out, _machine, _remarks, _table
from report import COLUMNS, row_of

DOCS = Path(__file__).resolve().parents[2] / "docs" / "explanation"
FIGURES, PAGE = DOCS / "performance-audience.json", DOCS / "performance-audience.md"

HEAD = """\
# How fast readers are imported, planned and served

<!-- Made from performance-audience.json by `scripts/bench audience_page`; change the figures or that script. -->

Every figure is a ratio within one run on one machine: digestpress and the database's own fastest way, in turns.

"""

METHOD = """
## How it was measured

- The newest figures are for **{readers:,} readers**, rounds: {rounds}; in every second round, the other way goes first.
  Figures are medians.
- **Importing** is `digest subscribers import FILE --yes` in its own process, including its start and end. It
  reads CSV, checks every address, compares each reader with the database, the never-send list and the rest of the file, and writes
  readers and consent events in durable transactions. **For comparison**, the driver's bulk path writes the same readers, without consent
  events, into the same table with the same indexes, in one transaction: `executemany` on SQLite, `COPY` on
  PostgreSQL. Only its calls are timed.
- **Planning** is `digest.outbox.plan.freeze` for 255 sets of 8 interests, including the consent check with the never-send
  list, families of mailboxes, and a count of the excluded readers by reason. **For comparison**, one `INSERT ... SELECT`
  writes the same rows from an existing table of editions, and counts nothing.
- **Reading** (`outbox list`, `subscribers stats`, `subscribers export`, `report`) is the command in its own process:
  its CPU time less that of `issue show`, its peak memory, and the seconds until its first output. The smallest value shown is 0.01 s:
  the command needed no more than `issue show`. Half of the
  deliveries were rejected; a tenth of the readers have none. The preview's first page is one request, less the same
  request with three readers.
- **Pages** are those of `digest serve --workers 2`, loaded by `wrk` over 64 connections on loopback, with a different
  reader's link in each request. **For comparison**, an empty FastAPI page selects one row by its primary key, in two processes
  of the same server. At the end, each page is kept under load for a minute, and every error is counted.
- A round counts only if every reader was imported, and the number of planned deliveries equals the number of eligible readers.

## Repeat it

```console
$ scripts/bench audience --json figures.json
$ scripts/bench audience_page figures.json
```

`--row NAME` measures one row, `--rounds` and `--readers` make a run shorter, and `--quick` only checks that it works.

## The machine

"""


def page(data: Mapping[str, Any]) -> str:
    """Return the page for what `report.document` wrote."""
    rows = [row_of({key: value for key, value in row.items() if key != "measured"}) for row in data["rows"]]
    parts = [HEAD, _table(COLUMNS, [row.cells for row in rows]), "\n", _left_out(data["left_out"]), _details(rows)]
    remarks = _remarks(data.get("remarks", []), "What the table does not show")
    return "".join([*parts, remarks, _older(data), METHOD.format(**data["settings"]), _machine(data["machine"])])


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the new figures, and behind them the old ones that were not measured again."""
    names = {row["name"] for row in new["rows"]}
    date = old["machine"]["measured"]
    kept = [{"measured": date} | row for row in old["rows"] if row["name"] not in names]
    left_out = {name: why for name, why in new["left_out"].items() if not any(name in row["name"] for row in kept)}
    return {**new, "rows": [*new["rows"], *kept], "left_out": left_out}


def _older(data: Mapping[str, Any]) -> str:
    older: dict[str, list[str]] = {}
    for row in data["rows"]:
        if "measured" in row:
            older.setdefault(row["measured"], []).append(row["name"])
    return "".join(f"\nMeasured earlier, on {date}: {', '.join(names)}.\n" for date, names in older.items())


def main() -> None:
    """Write the page, or with --check fail if it is not what its figures make."""
    given = [Path(name) for name in sys.argv[1:] if not name.startswith("-")]
    if "--check" in sys.argv:
        if PAGE.read_text(encoding="utf-8") != page(json.loads(FIGURES.read_text(encoding="utf-8"))):
            sys.exit(f"{PAGE.name} does not fit {FIGURES.name}; run scripts/bench audience_page")
        return
    if given:
        old, new = (json.loads(file.read_text(encoding="utf-8")) for file in (FIGURES, given[0]))
        data = merged(old, new)
        page(data)  # fails before anything is replaced
        FIGURES.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(json.loads(FIGURES.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
