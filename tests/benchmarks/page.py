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

Every figure here is a ratio within one run on one machine: digestpress and another program send the same
message to the same server, in turns. Absolute rates depend on the machine. Ratios carry over better, so these are
the figures we promise. For 100,000 or 100,000,000 readers, see [How far it grows](scale.md).

"""

METHOD = """
## How it was measured

- **The message** is a real edition of the sample issue with some of its articles twice: {message_bytes:,} bytes as sent,
  quoted-printable HTML and plain text, with each reader's own links, name and Message-ID.
- **The readers**: {readers:,} confirmed readers in the database, planned by digestpress itself. They all get one edition.
  Each round starts with a copy of that planned state.
- **Ours** is `digest worker`, started normally in its own process, with {connections} connections (one in the
  row about the distant relay). Every attempt is on disk before its message is sent: SQLite with
  `synchronous = FULL`, PostgreSQL with `fsync` and `synchronous_commit` on.
- **The rate** covers the time from the first take to the last answer, as recorded in the database; *whole process* includes the
  program's start and end. CPU and memory are those of the whole process, as the system counts them. One more commit
  settles the last answers; it is included in the whole process, but not in the rate.
- **smtp-source** gets one of our messages, byte for byte, and `-d -s {connections}`: it keeps its connections open. It records
  nothing and does not pipeline. **smtplib** also gets finished bytes. **Django** (`send_messages` on one open
  connection) and **nodemailer** (a pool of ten that is never renewed) create their messages from the same edition, because
  each has personal links; {slow:,} messages, measured by the rate of the sending loop alone.
- **smtp-sink** is part of Postfix. It reads every byte and needs a core for that, so it is often the limit. The **cheap
  sink** (`tests/benchmarks/cheap_sink.c`) only looks for the end of each message. With a delay, it answers
  like a relay at that distance; it models the round trips of a long path, not its bandwidth.
- **Two workers** share one database; each has its own sink.
- **Rounds**: {rounds}; in every second round, the other program goes first. Figures are medians; *least to most* is the spread of
  the rounds' ratios.
- **A round counts only if it was correct**: every delivery accepted, one attempt for each, and as many messages in the
  sink as readers; if the sink counts recipients, each exactly once. Otherwise the whole run stops.

## What it does not show

Loopback has no packet loss, no congestion and no TLS. Sender, sink and database share the machine's cores; a faster
sink or a database on another machine would leave more to the sender. A relay must write what it accepts to disk,
and is therefore slower than either sink. Differences of less than a tenth are noise here.

## Repeat it

```console
$ scripts/bench deliver --json figures.json
$ scripts/bench page figures.json
```

`--row NAME` measures one row, `--rounds` and `--readers` make a run shorter, and `--quick` only checks that it works. You need Postfix's
two tools, and a C compiler, PostgreSQL and Node for some rows. A row that cannot be measured is left out,
with the reason. Django and nodemailer are installed into `.bench`, apart from the project's own environment.

## The machine

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


def _remarks(remarks: list[str], title: str = "Why some aims are not reached") -> str:
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
