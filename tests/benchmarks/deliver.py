"""How fast a planned issue leaves the house, beside what other programs do with the same mail on the same machine.

    scripts/bench deliver [--quick] [--rounds N] [--readers N] [--row NAME ...] [--json FILE]

Every figure is a ratio within one run; nothing is asserted about speed, but a round that did not deliver every mail
exactly once stops everything.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from databases import UnmeasurableError
from report import Row, details, document, machine, table
from rows import CONNECTIONS, PROBES, ROWS, Bench, Sizes

QUICK = Sizes(readers=120, far=PROBES, crowd=120, slow=20, signing_seconds=0.2, rounds=1)  # two worlds for all rows
NOT_QUICK = {"others": "installs other programs", "postgresql": "starts a server", "processes": "starts a server"}


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench deliver", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="see that it runs; the figures mean nothing")
    parser.add_argument("--rounds", type=int, help="rounds of each row; default 5")
    parser.add_argument("--readers", type=int, help="readers of the issue; default 50000")
    parser.add_argument("--crowd", type=int, help="readers of the row about memory; default 1000000")
    parser.add_argument("--row", action="append", choices=[*ROWS], help="only this row; may be given several times")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser.parse_args(given)


def sizes(options: argparse.Namespace) -> Sizes:
    """Return how much is to be done."""
    base = QUICK if options.quick else Sizes()
    asked = {name: getattr(options, name) for name in ("rounds", "readers", "crowd") if getattr(options, name)}
    return Sizes(**{name: asked.get(name, getattr(base, name)) for name in Sizes.__dataclass_fields__})


def chosen(options: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """Return the rows to measure, and those left out from the start with the reason."""
    if options.row:
        return [name for name in ROWS if name in options.row], {}
    left_out = dict(NOT_QUICK) if options.quick else {}
    return [name for name in ROWS if name not in left_out], left_out


def say(text: str) -> None:
    """Tell how far it is, beside the table."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, write."""
    options = arguments()
    names, left_out = chosen(options)
    folder = Path(tempfile.mkdtemp(prefix="digest-bench-"))
    rows: list[Row] = []
    try:
        with Bench(folder, sizes(options), say) as bench:
            for name in names:
                say(f"row {name}")
                try:
                    rows += ROWS[name](bench)
                except UnmeasurableError as error:
                    left_out[name] = str(error)
            settings = {**vars(bench.sizes), "connections": CONNECTIONS, "message_bytes": bench.message_bytes}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(
        f"{settings['message_bytes']:,} bytes a mail, {CONNECTIONS} connections, {settings['rounds']} rounds, medians"
    )
    print(table(rows))
    for row in rows:
        if row.details:
            print(f"  {row.name}: {details(row)}")
    for name, why in left_out.items():
        print(f"  {name}: left out: {why}")
    print("  on: " + ", ".join(f"{name} {value}" for name, value in machine().items()))
    if options.json:
        options.json.write_text(document(rows, left_out, settings), encoding="utf-8")


if __name__ == "__main__":
    main()
