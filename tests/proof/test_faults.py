"""Each fault of a relay, through the whole worker and the ledger: the documented outcome, and the numbers add up."""

import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from sqlalchemy import select
from sqlmodel import Session

from digest.delivery.mail.message import Letter
from digest.delivery.meter import Meter, Way
from digest.delivery.smtp.fleet import Fleet
from digest.delivery.smtp.relay import RelayConfig, Timeouts
from digest.delivery.transport import Envelope
from digest.delivery.worker import rotation
from digest.delivery.worker.loop import Worker
from digest.delivery.worker.place import WorkerPlace
from digest.outbox.tables import ISSUE
from digest.outbox.take import Taken
from digest.runtime.clock import SystemClock
from digest.runtime.errors import DigestError
from tests.acceptance.conftest import free_port
from tests.proof.bad_server import SILENCE, BadServer, Behaviour
from tests.proof.faults import FAULTS, PUT_OFF, READERS, Fault
from tests.support.ledger import HOST, Ledger

SMTP_SINK = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
LONG = Timeouts(20, 20, 20, 20, 20, 20, 20, 20, goodbye=0.2)
PHASES = {b"MAIL": "mail", b"RCPT": "rcpt", b"DATA": "data", b".": "dot"}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "faults.md"


class Writer:
    """Writes mails of 100 KB, so that content does not fit into one packet."""

    def prepare(self, session: Session, edition_ids: Any) -> None:
        pass

    def delivery(self, taken: Taken, now: datetime) -> Letter:
        message = [f"To: {taken.reader.address}\r\n\r\n".encode(), b"An article about streets.\r\n" * 4_000]
        return Letter(Envelope(taken.envelope_id, "news@example.org", taken.reader.address), message)

    def notice(self, taken: Any, now: datetime) -> Letter:
        raise NotImplementedError


@contextmanager
def smtp_sink(options: tuple[str, ...], folder: Path) -> Iterator[int]:
    if SMTP_SINK is None:
        pytest.skip("Postfix's smtp-sink is not installed")
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [SMTP_SINK, *user, *options, f"127.0.0.1:{port}", "10"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=folder)
    try:
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline and not _listens(port):
            time.sleep(0.01)
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    """Look without connecting: the sink would count it."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines)


@contextmanager
def failing(fault: Fault, folder: Path) -> Iterator[int]:
    """A server with this fault; its port."""
    if fault.sink is not None:
        with smtp_sink(fault.sink, folder) as port:
            yield port
    elif fault.server is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if fault.server.tls:
            trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        with BadServer(fault.server, context) as server:
            yield server.port
    else:
        yield free_port()


def run(ledger: Ledger, port: int, fault: Fault, folder: Path) -> str:
    """Deliver over one connection; return the name of the error that ended it."""
    settings = {"connections": 1, "timeouts": _timeouts(fault), **fault.relay}
    config = RelayConfig("127.0.0.1", port, **settings)
    clock, meter = SystemClock(), Meter([Way(config.name, connections=config.connections)])
    ledger.now = clock.now()
    place = WorkerPlace(HOST, folder / "locks", folder / "outcomes")
    try:
        with Worker(ledger.engine, Fleet([config]), Writer(), clock, place, meter=meter, pauses=()) as worker:
            worker.deliver(ledger.issue_id)
    except DigestError as error:
        return type(error).__name__
    return ""


def _timeouts(fault: Fault) -> Timeouts:
    """Be impatient only where the server is silent: on a busy machine any other answer may be late."""
    server = fault.server or Behaviour()
    answers = {
        "greeting": server.greeting,
        **{PHASES.get(command, ""): said for command, said in server.answers.items()},
    }
    return replace(LONG, **{phase: 0.3 for phase, said in answers.items() if said == SILENCE})


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.happens)
def test_each_fault_has_its_documented_outcome(
    ledger: Ledger, fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "LONGEST_WAIT", timedelta(seconds=0.5))  # a pause of ten minutes is not waited for
    ledger.planned(READERS)
    with failing(fault, tmp_path) as port:
        ended = run(ledger, port, fault, tmp_path)
    counts = ledger.counts()
    assert sum(counts.values()) == READERS
    assert ended == fault.ends
    if fault.states == PUT_OFF:
        assert counts.keys() <= {"deferred", "pending"}
    else:
        assert counts == fault.states
    with ledger.engine.connect() as connection:
        held = connection.execute(select(ISSUE.c.held).where(ISSUE.c.id == ledger.issue_id)).scalar_one()
    assert held or not fault.held  # a refusal in the middle of a mail is not always heard
    rows = ledger.deliveries()
    assert all(row.reason for row in rows if row.state in {"rejected", "deferred", "uncertain"})
    # what was put off, and what was put back, is due again; nothing else is
    assert all((row.due_at > row.created_at) or row.state != "deferred" for row in rows)
    tried = {attempt.outcome for attempt in ledger.attempts()}
    assert tried <= {*counts, "not_sent"} - {"pending"}


def written(fault: Fault) -> str:
    held = "; the issue is held" if fault.held else ""
    states = ", ".join(f"{'all' if count == READERS else count} *{state}*" for state, count in fault.states.items())
    ends = {"": "", "RelayRefusedError": "2", "RelayUnreachableError": "4"}[fault.ends]
    return f"| {fault.happens} | {states}{held} | {ends} | {fault.why} |"


def test_the_page_says_the_same() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("| ") and not line.startswith(("| the relay", "| ---"))]
    assert table == [written(fault) for fault in FAULTS]
