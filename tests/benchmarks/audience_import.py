"""Importing a file of readers, beside the driver's own bulk path into the same table: executemany, COPY."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from audience import Bench
from databases import Base
from measure import run
from report import Bound, Row, Spread
from world import configured

from digest import app
from digest.runtime.db import make_engine
from digest.workspace import create
from subscribers.suppression import key_of

CHUNK = 10_000
DOMAINS = 5_000
NOW = datetime(2021, 9, 30, tzinfo=UTC)
INTERESTS = ("mobility", "safety", "certification", "data", "energy")
COLUMNS = (
    "ref", "address", "address_key", "suppression_key", "name", "interests", "language", "format", "frequency", "state",
    "confirmed_at", "created_at",
)  # fmt: skip


@dataclass(frozen=True)
class Speed:
    """Rows a second; of ours also the peak of its memory, and how much bigger it became."""

    rate: float
    peak: float = 0.0
    growth: float = 1.0


def person(number: int) -> tuple[str, str, str]:
    """Return address, name and interests of one reader of many."""
    wanted = f"{INTERESTS[number % 5]};{INTERESTS[(number + 1) % 5]}"
    return f"reader.{number}@d{number % DOMAINS}.example.org", f"Reader {number}", wanted


def write_file(path: Path, count: int) -> None:
    """Write the CSV file that is imported."""
    with path.open("w", encoding="utf-8") as file:
        file.write("email,name,interests,language,format,frequency,status,confirmed_at,consent_source\n")
        for number in range(count):
            address, name, interests = person(number)
            when = f"2021-0{1 + number % 9}-{1 + number % 28:02d}T09:00:00+00:00"
            file.write(f"{address},{name},{interests},en,html,every,confirmed,{when},sign-up page\n")


def bare_rows(numbers: Sequence[int], secret: bytes, *, texts: bool) -> list[tuple[Any, ...]]:
    """Return rows as the driver takes them."""
    when: Any = NOW.replace(tzinfo=None).isoformat(" ", "microseconds") if texts else NOW
    made = []
    for number in numbers:
        address, name, interests = person(number)
        ref = f"{(number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}"
        key = key_of(address, secret)
        made.append((ref, address, address, key, name, interests, "en", "html", "every", "confirmed", when, when))
    return made


def bare(base: Base, count: int, secret: bytes) -> Speed:
    """The driver's own path, in one transaction; only its calls are timed, not the making of the rows."""
    base.restore()
    engine = make_engine(base.url)
    raw = engine.raw_connection()
    connection, seconds = raw.driver_connection, 0.0
    names = ", ".join(COLUMNS)
    parts = [range(first, min(first + CHUNK, count)) for first in range(0, count, CHUNK)]
    if engine.dialect.name == "sqlite":
        connection.execute("BEGIN IMMEDIATE")
        marks = ", ".join("?" * len(COLUMNS))
        for part in parts:
            rows = bare_rows(part, secret, texts=True)
            seconds += timed(
                partial(connection.executemany, f"INSERT INTO subscriber ({names}) VALUES ({marks})", rows)
            )
    else:
        for part in parts:
            rows = bare_rows(part, secret, texts=False)
            seconds += timed(partial(copy, connection, names, rows))
    seconds += timed(connection.commit)
    raw.close()
    engine.dispose()
    return Speed(count / seconds)


def copy(connection: Any, names: str, rows: list[tuple[Any, ...]]) -> None:
    """COPY these rows."""
    with connection.cursor() as cursor, cursor.copy(f"COPY subscriber ({names}) FROM STDIN") as stream:
        for row in rows:
            stream.write_row(row)


def timed(work: Callable[[], Any]) -> float:
    """Return seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ours(base: Base, folder: Path, file: Path, count: int) -> Speed:
    """The command, in a process of its own; its start and end count."""
    base.restore()
    command = [sys.executable, "-m", "digest", "--json", "--workspace", str(folder)]
    with configured(DIGEST_DATABASE__URL=base.url):
        done = run([*command, "subscribers", "import", str(file), "--yes"], folder=folder)
    created = json.loads(done.output)["created"]
    assert created == count, f"{created} of {count} came in"
    return Speed(count / done.seconds, done.peak, done.growth)


def measure(bench: Bench, kind: str, name: str, what: str) -> Iterator[Row]:
    """Both ways in turn, on a database of this kind."""
    base, folder, count = bench.base(kind), bench.place(), bench.sizes.readers
    with configured(DIGEST_DATABASE__URL=base.url):
        create.create(folder, sample=False)
        works = app.open_app(folder)
    toml = folder / "digest.toml"
    more = "".join(f'\n[[interest]]\nslug = "{slug}"\ntitle = "{slug}"\n' for slug in INTERESTS)
    toml.write_text(_without_interests(toml.read_text(encoding="utf-8")) + more, encoding="utf-8")
    works.engine.dispose()
    base.keep()
    file = folder / "readers.csv"
    write_file(file, count)
    secret = works.settings.suppression_key
    pairs = bench.rounds(lambda: ours(base, folder, file, count), lambda: bare(base, count, secret))
    rates = [(mine.rate, theirs.rate) for mine, theirs in pairs]
    yield Row(
        name,
        f"{count:,} readers imported / {what}",
        "/s",
        Spread.of([mine for mine, _ in rates]),
        Spread.of([theirs for _, theirs in rates]),
        Spread.of([mine / theirs for mine, theirs in rates]),
        Bound(0.2),
        len(pairs),
        details={"last quarter's size / second quarter's": Spread.of([mine.growth for mine, _ in pairs])},
    )
    peaks = Spread.of([mine.peak for mine, _ in pairs])
    yield Row(
        f"{name}-memory",
        f"peak memory of the import ({kind})",
        "MiB",
        peaks,
        None,
        peaks,
        Bound(150, below=True),
        len(pairs),
        suffix=" MiB",
    )


def _without_interests(text: str) -> str:
    return text.partition("[[interest]]")[0]


def sqlite(bench: Bench) -> Iterator[Row]:
    """SQLite and executemany."""
    return measure(bench, "sqlite", "import-sqlite", "executemany into the same table")


def postgresql(bench: Bench) -> Iterator[Row]:
    """PostgreSQL and COPY."""
    return measure(bench, "postgresql", "import-postgresql", "COPY into the same table")


ROWS = {"import-sqlite": sqlite, "import-postgresql": postgresql}
