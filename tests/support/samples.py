"""Worlds with the sample, each made once for a session and kind of database, and copied for each test."""

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.postgres import PostgresServer, database_name
from tests.support.world import World

EMPTY, DRAFT, APPROVED, SENT = "empty", "draft", "approved", "sent"
_BEFORE = {DRAFT: EMPTY, APPROVED: DRAFT, SENT: APPROVED}


def _make(world: World, stage: str) -> None:
    """Bring a world of the stage before to this one."""
    if stage == EMPTY:
        world.process("init", str(world.folder), "--sample", cwd=world.folder.parent)
    elif stage == DRAFT:
        world.digest("issue", "assemble", "--period", "2021-09", "--number", "21")
    elif stage == APPROVED:
        world.digest("issue", "approve", "21", "--by", "Ada")
    elif stage == SENT:
        world.digest("send", "21", "--yes")


@dataclass(frozen=True)
class _Frozen:
    """A workspace's folder and a database that nobody is connected to."""

    folder: Path
    database_url: str


class Samples:
    """The templates of one kind of database: of a server's, or files. Nothing may be done to one, except to copy it."""

    def __init__(self, root: Path, server: PostgresServer | None, empty_sqlite: Path) -> None:
        self._root, self._server, self._empty_sqlite = root, server, empty_sqlite
        self._made: dict[str, _Frozen] = {}
        self._kept = server.kept if server is not None else ExitStack()

    @contextmanager
    def world(self, folder: Path, stage: str = EMPTY) -> Iterator[World]:
        """A world of one's own as it is at a stage, in `folder`/workspace."""
        with self._copy(self._template(stage), folder) as made:
            try:
                yield made
            finally:
                made.end()

    def _template(self, stage: str) -> _Frozen:
        if stage not in self._made:
            before = self._template(_BEFORE[stage]) if stage in _BEFORE else None
            world = self._kept.enter_context(self._copy(before, self._root / stage))
            _make(world, stage)
            self._made[stage] = _Frozen(world.folder, world.database_url)
        return self._made[stage]

    @contextmanager
    def _copy(self, template: _Frozen | None, folder: Path) -> Iterator[World]:
        folder.mkdir(parents=True, exist_ok=True)
        workspace = folder / "workspace"
        if template is not None:
            shutil.copytree(template.folder, workspace)
        with self._database(template, folder) as url:
            yield World(workspace, url)

    def _database(self, template: _Frozen | None, folder: Path) -> AbstractContextManager[str]:
        if self._server is not None:
            return self._server.database(database_name(template.database_url) if template else "")
        return self._sqlite(template, folder / "digest.db")

    @contextmanager
    def _sqlite(self, template: _Frozen | None, path: Path) -> Iterator[str]:
        source = template.database_url.removeprefix("sqlite:///") if template else self._empty_sqlite
        shutil.copyfile(source, path)
        yield f"sqlite:///{path}"


@pytest.fixture(scope="session")
def samples_by_kind() -> dict[str, Samples]:
    """The templates made so far. Of all kinds: what depends on the kind itself ends whenever another kind's turn comes."""
    return {}


@pytest.fixture
def samples(
    request: pytest.FixtureRequest,
    samples_by_kind: dict[str, Samples],
    database_kind: str,
    sqlite_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Samples:
    """The templates of the sample on this kind of database."""
    server = request.getfixturevalue("postgres") if database_kind == "postgresql" else None
    if database_kind not in samples_by_kind:
        folder = tmp_path_factory.mktemp(f"samples-{database_kind}")
        samples_by_kind[database_kind] = Samples(folder, server, sqlite_template)
    return samples_by_kind[database_kind]


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    """A world with an empty workspace folder; the database is migrated."""
    made = World(tmp_path / "workspace", database_url)
    yield made
    made.end()


@pytest.fixture
def sample(samples: Samples, tmp_path: Path) -> Iterator[World]:
    """A world with the sample imported."""
    with samples.world(tmp_path) as made:
        yield made


@pytest.fixture
def approved(samples: Samples, tmp_path: Path) -> Iterator[World]:
    """A sample world whose issue 21 is assembled and approved."""
    with samples.world(tmp_path, APPROVED) as made:
        yield made


@pytest.fixture
def sent(samples: Samples, tmp_path: Path) -> Iterator[World]:
    """A sample world whose issue 21 is in the Maildir of the workspace."""
    with samples.world(tmp_path, SENT) as made:
        yield made
