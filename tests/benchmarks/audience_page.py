"""docs/explanation/performance-audience.md, from the figures that `scripts/bench audience --json` wrote beside it.

    scripts/bench audience_page [FILE] [--check]

FILE are new figures: they take the place of the old ones. `--check` only says whether the page fits its figures.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from page import _details, _left_out, _machine, _remarks, _table
from report import COLUMNS, row_of

DOCS = Path(__file__).resolve().parents[2] / "docs" / "explanation"
FIGURES, PAGE = DOCS / "performance-audience.json", DOCS / "performance-audience.md"

HEAD = """\
# How fast readers come in, are planned for, and are answered

<!-- Made from performance-audience.json by `scripts/bench audience_page`; change the figures or that script. -->

Every figure is a ratio within one run on one machine, taken in turns: what we do, beside the database's own way.

"""

METHOD = """
## What was done

- **{readers:,} readers**, {rounds} rounds; in every second one the other way goes first. Figures are medians.
- **Importing** is `digest subscribers import FILE --yes` in a process of its own, its start and end included: it
  reads CSV, checks every address, looks for each reader, the never-send list and repeats, and writes reader and
  consent event in durable transactions. **Beside it** the driver's bulk path writes the same readers, and no consent
  events, into the same table with the same indexes, in one transaction: `executemany` on SQLite, `COPY` on
  PostgreSQL. Only its calls are timed.
- **Planning** is `digest.outbox.plan.freeze` for 255 sets of 8 interests: the guard's expression with the never-send
  list, families of mailboxes, and everybody who is left out counted by reason. **Beside it** one `INSERT ... SELECT`
  writes the same rows from a table of editions that is there already, and counts nothing.
- **Pages** are those of `digest serve --workers 2`, loaded by `wrk` over 64 connections on loopback, each request with
  another reader's link. **Beside them** an empty FastAPI page that selects one row by its primary key, by two processes
  of the same server. Each page is held under load for a minute at the end, and every error is counted.
- A round counts only if every reader came in, and as many deliveries were planned as there are readers to get one.

## Repeat it

```console
$ scripts/bench audience --json figures.json
$ scripts/bench audience_page figures.json
```

`--row NAME` measures one row, `--rounds` and `--readers` make it shorter, `--quick` only shows that it runs.

## On which machine

"""


def page(data: Mapping[str, Any]) -> str:
    """Return the page for what `report.document` wrote."""
    rows = [row_of(row) for row in data["rows"]]
    parts = [HEAD, _table(COLUMNS, [row.cells for row in rows]), "\n", _left_out(data["left_out"]), _details(rows)]
    remarks = _remarks(data.get("remarks", []), "What the lines do not say")
    return "".join([*parts, remarks, METHOD.format(**data["settings"]), _machine(data["machine"])])


def main() -> None:
    """Write the page, or with --check fail if it is not what its figures make."""
    given = [Path(name) for name in sys.argv[1:] if not name.startswith("-")]
    if "--check" in sys.argv:
        if PAGE.read_text(encoding="utf-8") != page(json.loads(FIGURES.read_text(encoding="utf-8"))):
            sys.exit(f"{PAGE.name} does not fit {FIGURES.name}; run scripts/bench audience_page")
        return
    if given:
        page(json.loads(given[0].read_text(encoding="utf-8")))  # fails before anything is replaced
        shutil.copyfile(given[0], FIGURES)
    PAGE.write_text(page(json.loads(FIGURES.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
