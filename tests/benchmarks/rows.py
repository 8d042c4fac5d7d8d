"""The rows of the table: what is delivered where, beside what, and what the ratio has to be.

In a round ours and theirs take turns, so that a noisy neighbour slows both; ratios are taken round by round.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import peers
from databases import PostgresBase, SqliteBase, UnmeasurableError, postgres_server
from ours import Delivered, deliver, dkim_key, on_the_wire
from report import Bound, Row, Spread
from sinks import CheapSink, Sink, SmtpSink, compiled
from world import World, edition, plan

CONNECTIONS = 10
PROBES = 5
FAR_MILLISECONDS = 20


@dataclass(frozen=True)
class Sizes:
    """How much is done: readers of the rows, of the row far away and of the one about memory; messages of peers."""

    readers: int = 50_000
    far: int = 1_000
    crowd: int = 1_000_000
    slow: int = 2_000
    signing_seconds: float = 5.0
    rounds: int = 5


class Bench:
    """The worlds that rows share, made when first asked for; a context manager that takes them away."""

    def __init__(self, folder: Path, sizes: Sizes, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.sizes = sizes
        self.say = say
        self._worlds: dict[tuple[str, int], World] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def world(self, readers: int, kind: str = "sqlite") -> World:
        """Return the planned issue for so many readers, in SQLite or PostgreSQL."""
        if (kind, readers) not in self._worlds:
            self.say(f"planning an issue for {readers:,} readers ({kind})")
            place = self.folder / f"{kind}-{readers}"
            base = SqliteBase(place / "db") if kind == "sqlite" else PostgresBase(self._postgres)
            self._worlds[kind, readers] = plan(place / "workspace", base, readers)
        return self._worlds[kind, readers]

    @cached_property
    def _postgres(self) -> str:
        return self._stack.enter_context(postgres_server())

    @cached_property
    def message(self) -> Path:
        """One of our mails, as the wire has it and smtp-source wants it."""
        wire = on_the_wire(self.world(PROBES))
        return peers.for_smtp_source(sorted(wire, key=len)[len(wire) // 2], self.folder / "message.txt")

    @cached_property
    def message_bytes(self) -> int:
        """Its size with CRLF."""
        text = self.message.read_bytes()
        return len(text) + text.count(b"\n")

    def rounds(self, ours: Callable[[], Any], *theirs: Callable[[], Any]) -> list[tuple[Any, ...]]:
        """Take turns, in turned order every second round: who comes first may find the machine cooler."""
        works = (ours, *theirs)
        taken = []
        for number in range(self.sizes.rounds):
            order = range(len(works)) if number % 2 == 0 else range(len(works) - 1, -1, -1)
            results = {index: works[index]() for index in order}
            taken.append(tuple(results[index] for index in range(len(works))))
            self.say("  " + ", ".join(f"{getattr(one, 'rate', 0):,.0f}/s" for one in taken[-1]))
        return taken

    def source(self, sink: Callable[[], Sink]) -> peers.Sent:
        """Run smtp-source against a fresh sink, and check that everything arrived."""
        count = self.sizes.readers
        with sink() as opened:
            sent = peers.smtp_source(opened.port, self.message, messages=count, connections=CONNECTIONS)
        if opened.got.messages != count:
            raise UnmeasurableError(f"smtp-source sent {opened.got.messages} of {count} messages")
        return sent


def _common(delivered: Sequence[Delivered]) -> dict[str, Spread]:
    return {
        "whole process, messages/s": Spread.of([one.whole for one in delivered]),
        "CPU, us/message": Spread.of([one.cpu for one in delivered]),
        "peak memory, MiB": Spread.of([one.peak for one in delivered]),
    }


def _rates(name: str, what: str, bound: Bound, pairs: Sequence[tuple[Delivered, Any]], **more: Spread) -> Row:
    return Row(
        name,
        what,
        "/s",
        Spread.of([ours.rate for ours, _ in pairs]),
        Spread.of([theirs.rate for _, theirs in pairs]),
        Spread.of([ours.rate / theirs.rate for ours, theirs in pairs]),
        bound,
        len(pairs),
        details={**_common([ours for ours, _ in pairs]), **more},
    )


def sink(bench: Bench) -> Iterator[Row]:
    """Rows 1 and 3: to smtp-sink, beside smtp-source; rate, also of the whole command, and CPU."""
    world = bench.world(bench.sizes.readers)
    pairs = bench.rounds(lambda: deliver(world, [SmtpSink]), lambda: bench.source(SmtpSink))
    count = f"{bench.sizes.readers:,}"
    yield _rates("sink", f"{count} readers to smtp-sink / smtp-source -d -s 10", Bound(1.1, 1.4), pairs)
    yield Row(
        "whole",
        "the same, the whole command from its start to its end / smtp-source",
        "/s",
        Spread.of([ours.whole for ours, _ in pairs]),
        Spread.of([theirs.rate for _, theirs in pairs]),
        Spread.of([ours.whole / theirs.rate for ours, theirs in pairs]),
        Bound(1.0),
        len(pairs),
    )
    spent = Spread.of([ours.cpu for ours, _ in pairs])
    yield Row(
        "spent",
        "CPU per message, the whole command",
        "us",
        spent,
        None,
        spent,
        Bound(220, below=True),
        len(pairs),
        " us",
    )
    yield Row(
        "cpu",
        "client CPU per message to smtp-sink / smtp-source's",
        "us",
        Spread.of([ours.cpu for ours, _ in pairs]),
        Spread.of([theirs.cpu for _, theirs in pairs]),
        Spread.of([ours.cpu / theirs.cpu for ours, theirs in pairs]),
        Bound(2.5, 1.5, below=True),
        len(pairs),
    )


def cheap(bench: Bench) -> Iterator[Row]:
    """Row 2: to a sink that costs nearly nothing."""
    compiled()
    world = bench.world(bench.sizes.readers)
    pairs = bench.rounds(lambda: deliver(world, [CheapSink]), lambda: bench.source(CheapSink))
    yield _rates("cheap", "the same to the cheap sink / smtp-source to it", Bound(0.45, 0.8), pairs)


def dkim(bench: Bench) -> Iterator[Row]:
    """Row 4: each mail signed."""
    keys = dkim_key(bench.folder)
    wire = on_the_wire(bench.world(PROBES), keys)
    if not all(mail.lower().startswith(b"dkim-signature:") or b"\ndkim-signature:" in mail.lower() for mail in wire):
        raise UnmeasurableError("this version does not sign")
    world = bench.world(bench.sizes.readers)
    pairs = bench.rounds(
        lambda: deliver(world, [SmtpSink], extra=keys),
        lambda: peers.signing(bench.message, bench.sizes.signing_seconds),
    )
    yield _rates("dkim", "RSA-2048 DKIM to smtp-sink / SHA-256 + RSA-2048 on one core", Bound(0.6, 0.8), pairs)


def far(bench: Bench) -> Iterator[Row]:
    """Row 5: a relay 20 ms away, one connection."""
    compiled()
    world = bench.world(bench.sizes.far)

    def smtplib() -> peers.Sent:
        with CheapSink(delay=FAR_MILLISECONDS) as opened:
            return peers.smtplib(opened.port, bench.message, messages=max(bench.sizes.far // 5, 1))

    pairs = bench.rounds(lambda: deliver(world, [lambda: CheapSink(delay=FAR_MILLISECONDS)], connections=1), smtplib)
    yield _rates("far", "a relay 20 ms away, one connection / smtplib", Bound(3.5, 4), pairs)


def postgresql(bench: Bench) -> Iterator[Row]:
    """Row 6: the other database."""
    theirs = bench.world(bench.sizes.readers, "postgresql")
    ours = bench.world(bench.sizes.readers)
    pairs = bench.rounds(lambda: deliver(theirs, [SmtpSink]), lambda: deliver(ours, [SmtpSink]))
    yield _rates("postgresql", "PostgreSQL / SQLite, to smtp-sink", Bound(0.95), pairs)


def two(bench: Bench) -> Iterator[Row]:
    """Row 7: two workers, two sinks."""
    world = bench.world(bench.sizes.readers)
    pairs = bench.rounds(lambda: deliver(world, [SmtpSink, SmtpSink]), lambda: deliver(world, [SmtpSink]))
    yield _rates("two", "two workers, two smtp-sinks / one and one", Bound(1.3, 1.6), pairs)


def processes(bench: Bench) -> Iterator[Row]:
    """Row 7b: `--processes 2` on PostgreSQL, where neither the sinks nor a file's one writer are the limit."""
    compiled()
    world = bench.world(bench.sizes.readers, "postgresql")
    both = [CheapSink, CheapSink]
    pairs = bench.rounds(lambda: deliver(world, both, processes=2), lambda: deliver(world, both, processes=1))
    yield _rates("processes", "two processes / one, PostgreSQL, two cheap sinks", Bound(1.6), pairs)


def others(bench: Bench) -> Iterator[Row]:
    """Row 8: Django and nodemailer, personal mails of the same edition to the same sink."""
    world = bench.world(bench.sizes.readers)
    job = peers.job(bench.folder / "job.json", edition(world), messages=bench.sizes.slow)

    def to_sink(peer: Callable[[int, Path], peers.Sent]) -> Callable[[], peers.Sent]:
        def work() -> peers.Sent:
            with SmtpSink() as opened:
                sent = peer(opened.port, job)
            if opened.got.messages != bench.sizes.slow:
                raise UnmeasurableError(f"a peer sent {opened.got.messages} of {bench.sizes.slow} messages")
            return sent

        return work

    taken = bench.rounds(lambda: deliver(world, [SmtpSink]), to_sink(peers.django), to_sink(peers.nodemailer))
    faster = [(ours, max(django, node, key=lambda one: one.rate)) for ours, django, node in taken]
    more = {
        "of them: Django, messages/s": Spread.of([django.rate for _, django, _ in taken]),
        "of them: nodemailer, messages/s": Spread.of([node.rate for *_, node in taken]),
    }
    yield _rates("others", "to smtp-sink / the faster of Django and nodemailer", Bound(6, 8), faster, **more)


def memory(bench: Bench) -> Iterator[Row]:
    """Row 9: many deliveries by one worker, once."""
    try:
        compiled()
        to: Callable[[], Sink] = CheapSink
    except UnmeasurableError:
        to = SmtpSink
    done = deliver(bench.world(bench.sizes.crowd), [to])
    yield Row(
        "memory",
        f"peak memory of a worker, {bench.sizes.crowd:,} deliveries",
        "MiB",
        Spread.of([done.peak]),
        None,
        Spread.of([done.peak]),
        Bound(120, below=True),
        1,
        suffix=" MiB",
        details={
            "last quarter's size / second quarter's": Spread.of([done.growth]),
            "messages/s": Spread.of([done.rate]),
            "CPU, us/message": Spread.of([done.cpu]),
        },
    )


ROWS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "sink": sink,  # with cpu
    "cheap": cheap,
    "dkim": dkim,
    "far": far,
    "postgresql": postgresql,
    "two": two,
    "processes": processes,
    "others": others,
    "memory": memory,
}
