"""How fast readers come in, and how fast an issue is planned for them, beside the database's own way.

    scripts/bench audience [--quick] [--rounds N] [--readers N] [--row NAME ...] [--json FILE]

The rows are those of every audience_*.py beside this file. Each figure is a ratio within one run.
"""

import argparse
import importlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from databases import Base, PostgresBase, SqliteBase, UnmeasurableError, postgres_server
from report import Row, details, document, machine, table


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    readers: int = 1_000_000
    rounds: int = 3


QUICK = Sizes(readers=3_000, rounds=1)


class Bench:
    """A folder for the rows, and databases that are taken away in the end; a context manager."""

    def __init__(self, folder: Path, sizes: Sizes, say: Callable[[str], None], *, quick: bool) -> None:
        self.folder, self.sizes, self.say, self.quick = folder, sizes, say, quick
        self._stack = ExitStack()
        self._count = 0

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def place(self) -> Path:
        """Return the name of a folder that is not there yet."""
        self._count += 1
        return self.folder / f"place{self._count}"

    def base(self, kind: str) -> Base:
        """Return a new, empty database: `sqlite` or `postgresql`."""
        return SqliteBase(self.place()) if kind == "sqlite" else PostgresBase(self._postgres)

    @cached_property
    def _postgres(self) -> str:
        if self.quick:
            raise UnmeasurableError("starts a server")
        return self._stack.enter_context(postgres_server())

    def rounds(self, ours: Callable[[], Any], theirs: Callable[[], Any]) -> list[tuple[Any, Any]]:
        """Take turns; in every second round the others go first."""
        taken = []
        for number in range(self.sizes.rounds):
            if number % 2 == 0:
                first = ours()
                taken.append((first, theirs()))
            else:
                first = theirs()
                taken.append((ours(), first))
            self.say(f"  {', '.join(str(one)[:60] for one in taken[-1])}")  # what a command printed may be long
        return taken


RowMaker = Callable[[Bench], Iterator[Row]]


def rows() -> dict[str, RowMaker]:
    """Return every row there is, by name."""
    found: dict[str, RowMaker] = {}
    for path in sorted(Path(__file__).parent.glob("audience_*.py")):
        found |= getattr(importlib.import_module(path.stem), "ROWS", {})
    return found


def say(text: str) -> None:
    """Tell how far it is, beside the table."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, write."""
    known = rows()
    parser = argparse.ArgumentParser(prog="scripts/bench audience", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="see that it runs; the figures mean nothing")
    parser.add_argument("--rounds", type=int, help="rounds of each row; default 3")
    parser.add_argument("--readers", type=int, help="default 1000000")
    parser.add_argument("--row", action="append", choices=[*known], help="only this row; may be given several times")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    base = QUICK if options.quick else Sizes()
    sizes = Sizes(options.readers or base.readers, options.rounds or base.rounds)
    folder = Path(tempfile.mkdtemp(prefix="digest-bench-"))
    measured: list[Row] = []
    left_out: dict[str, str] = {}
    try:
        with Bench(folder, sizes, say, quick=options.quick) as bench:
            for name in options.row or known:
                say(f"row {name}")
                try:
                    measured += known[name](bench)
                except UnmeasurableError as error:
                    left_out[name] = str(error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{sizes.readers:,} readers, {sizes.rounds} rounds, medians")
    print(table(measured))
    for row in measured:
        if row.details:
            print(f"  {row.name}: {details(row)}")
    for name, why in left_out.items():
        print(f"  {name}: left out: {why}")
    print("  on: " + ", ".join(f"{name} {value}" for name, value in machine().items()))
    if options.json:
        options.json.write_text(document(measured, left_out, asdict(sizes)), encoding="utf-8")


if __name__ == "__main__":
    sys.modules["audience"] = sys.modules["__main__"]  # its rows import it by that name
    main()
