"""A workspace that is ready for the world and healthy: each test makes it ill in one way."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from checkdmarc.utils import DNS_CACHE
from sqlmodel import Session

from digest.runtime import db
from digest.settings.opened import open_engine
from digest.sink.server import Sink
from digest.workspace.create import create
from digest.workspace.doctor import Examination, examine
from tests.support.dns_server import naming

CONFIG = """
[publication]
name = "Test"
sender_address = "digest@example.org"
postal_address = "Example Street 1, Example Town"
base_url = "https://digest.example.org"

[[section]]
slug = "news"
title = "News"

[delivery]
transport = "smtp"
allow_send = true

[[relay]]
host = "127.0.0.1"
port = PORT
tls = "none"

[operators]
addresses = ["ada@example.org"]

[schedule]
rule = "last day"
"""
RECORDS: dict[tuple[str, str], list[str]] = {
    ("example.org", "SOA"): ["ns.example.org. hostmaster.example.org. 1 2 3 4 5"],
    ("example.org", "TXT"): ['"v=spf1 ip4:192.0.2.1 -all"'],
    ("_dmarc.example.org", "TXT"): ['"v=DMARC1; p=reject"'],
}


class Clinic:
    """One workspace and how to look at it."""

    def __init__(self, folder: Path, relay_port: int, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self.records = dict(RECORDS)
        self.configure(CONFIG.replace("PORT", str(relay_port)))

    def configure(self, text: str) -> None:
        (self.folder / "digest.toml").write_text(text, encoding="utf-8")

    def change(self, old: str, new: str) -> None:
        text = (self.folder / "digest.toml").read_text(encoding="utf-8")
        assert old in text
        self.configure(text.replace(old, new))

    def store(self, *rows: Any) -> None:
        engine = open_engine(self.folder)
        with db.session_scope(engine) as session:
            for row in rows:
                row(session) if callable(row) and not hasattr(row, "__table__") else session.add(row)
                session.flush()
        engine.dispose()

    def with_session(self) -> Session:
        engine = open_engine(self.folder)
        self._stack.callback(engine.dispose)
        return self._stack.enter_context(db.session_scope(engine))

    def examine(self) -> Examination:
        DNS_CACHE.clear()  # checkdmarc remembers answers for half an hour, as long as the process lives
        with naming(self.records) as nameserver:
            return examine(self.folder, nameserver=nameserver)

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.examine().findings]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doctor") / "workspace"
    create(folder, sample=False)
    return folder


@pytest.fixture(scope="session")
def relay_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with Sink(tmp_path_factory.mktemp("sink")) as sink:
        yield sink.port


@pytest.fixture
def clinic(made: Path, relay_port: int, tmp_path: Path) -> Iterator[Clinic]:
    with ExitStack() as stack:
        yield Clinic(Path(shutil.copytree(made, tmp_path / "workspace")), relay_port, stack)
