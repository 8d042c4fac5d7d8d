"""docs/explanation/performance.md, from the figures that `scripts/bench deliver --json` wrote beside it.

    scripts/bench page [FILE] [--check]

FILE are new figures: they take the place of the old ones. `--check` only says whether the page fits its figures.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from report import COLUMNS, Row, figure, row_of

DOCS = Path(__file__).resolve().parents[2] / "docs" / "explanation"
FIGURES, PAGE = DOCS / "performance.json", DOCS / "performance.md"

HEAD = """\
# How fast it delivers

<!-- Made from performance.json by `scripts/bench page`; change the figures or tests/benchmarks/page.py. -->

Every figure here is a ratio within one run on one machine: what we do, beside what another program does with the same
mail against the same server, taken in turns. Absolute rates belong to the machine; ratios travel better, and these are
the ones that are promised. [What that means for 100,000 or 100,000,000 readers](scale.md) is a page of its own.

"""

METHOD = """
## What was done

- **The mail** is a real edition of the sample issue with some of its articles twice: {message_bytes:,} bytes as sent,
  quoted-printable HTML and plain text, with each reader's own links, name and Message-ID.
- **The readers**: {readers:,} confirmed ones, in the database, planned by the product itself. They all get one edition.
  Each round begins with a copy of that planned state.
- **Ours** is `digest worker` as anybody starts it, in a process of its own, with {connections} connections (one in the
  row about the relay far away). Every attempt is on the disk before its mail is on the wire: SQLite with
  `synchronous = FULL`, PostgreSQL with `fsync` and `synchronous_commit` on.
- **The rate** is that from the first take to the last answer, as the database has them; *whole process* includes the
  program's start and end. CPU and memory are those of the whole process, as the system counts them. The last answers
  are settled by one more commit, which the rate does not hold and the whole process does.
- **smtp-source** gets one of our mails, byte for byte, and `-d -s {connections}`: it keeps its connections. It writes
  nothing down and does not pipeline. **smtplib** gets the finished bytes, too. **Django** (`send_messages` on one open
  connection) and **nodemailer** (a pool of ten that is never renewed) make their mails from the same edition, as
  each has personal links; {slow:,} of them, by the rate of the sending loop alone.
- **smtp-sink** is Postfix's. It reads every byte and takes a core for it, so it is often what limits; hence the **cheap
  sink** (`tests/benchmarks/cheap_sink.c`), which looks for the end of a message and no more. With a delay it answers
  as a relay at that distance does; it models the dialogue of a long way, not its bandwidth.
- **Two workers** share one database; each has a sink of its own.
- **Rounds**: {rounds}; in every second one the others go first. Figures are medians, *least to most* is the spread of
  the rounds' ratios.
- **A round counts only if it was right**: every delivery accepted, one attempt for each, and as many messages in the
  sink as readers; where the sink counts recipients, each of them exactly once. Otherwise the whole run stops.

## What it does not say

Loopback has no packet loss, no congestion and no TLS. Sender, sink and database share the machine's cores, so a faster
sink or database on another machine would leave more to the sender. A relay that writes what it takes to its disk, as it
must, is slower than either sink. Differences below a tenth are noise here.

## Repeat it

```console
$ scripts/bench deliver --json figures.json
$ scripts/bench page figures.json
```

`--row NAME` measures one row, `--rounds` and `--readers` make it shorter, `--quick` only shows that it runs. Postfix's
two tools are needed, and a C compiler, PostgreSQL and Node for their rows; a row that cannot be measured is left out,
with the reason. Django and nodemailer are installed into `.bench`, beside the project's own environment.

## On which machine

"""


def page(data: Mapping[str, Any]) -> str:
    """Return the page for what `report.document` wrote."""
    rows = [row_of(row) for row in data["rows"]]
    parts = [HEAD, _table(COLUMNS, [row.cells for row in rows]), "\n", _left_out(data["left_out"]), _details(rows)]
    remarks = _remarks(data.get("remarks", []))
    return "".join([*parts, remarks, METHOD.format(**data["settings"]), _machine(data["machine"])])


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _left_out(reasons: Mapping[str, str]) -> str:
    return "".join(f"- Not measured: `{name}` ({why}).\n" for name, why in reasons.items()) + "\n" * bool(reasons)


def _remarks(remarks: list[str], title: str = "Why a line is not reached") -> str:
    """Return what was measured about lines that are not reached; whoever ran the benchmark adds it to the figures."""
    if not remarks:
        return ""
    return f"\n## {title}\n\n" + "".join(f"- {remark}\n" for remark in remarks)


def _details(rows: list[Row]) -> str:
    lines = [
        (row.what, name, figure(one.median), f"{figure(one.least)} to {figure(one.most)}")
        for row in rows
        for name, one in row.details.items()
    ]
    heads = ("row", "besides, of ours", "median", "least to most")
    return f"<details><summary>CPU, memory and whole processes</summary>\n\n{_table(heads, lines)}\n</details>\n"


def _machine(facts: Mapping[str, str]) -> str:
    return "".join(f"- {name}: {value}\n" for name, value in facts.items())


def main() -> None:
    """Write the page, or with --check fail if it is not what its figures make."""
    given = [Path(name) for name in sys.argv[1:] if not name.startswith("-")]
    if "--check" in sys.argv:
        if PAGE.read_text(encoding="utf-8") != page(json.loads(FIGURES.read_text(encoding="utf-8"))):
            sys.exit("docs/explanation/performance.md does not fit performance.json; run scripts/bench page")
        return
    if given:
        page(json.loads(given[0].read_text(encoding="utf-8")))  # fails before anything is replaced
        shutil.copyfile(given[0], FIGURES)
    PAGE.write_text(page(json.loads(FIGURES.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
