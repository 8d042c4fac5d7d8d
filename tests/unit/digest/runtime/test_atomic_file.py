"""A file is written whole or not at all, and what is no file is left alone."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from digest.runtime.atomic_file import private_folder, whole_file, write_private
from digest.runtime.errors import UsageError


@pytest.fixture
def narrow_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def interrupted(path: Path) -> None:
    with whole_file(path) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("durable", [True, False])
def test_it_takes_the_name_at_the_end(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "figures"
    path.write_text("old")
    with whole_file(path, durable=durable) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_the_earlier_file_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "figures"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        interrupted(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("narrow_umask")
@pytest.mark.parametrize(("mode", "expected"), [(0o644, 0o644), (0o600, 0o600), (None, 0o600)])
def test_a_mode_is_exact_and_none_is_the_umasks(tmp_path: Path, mode: int | None, expected: int) -> None:
    path = tmp_path / "figures"
    with whole_file(path, mode=mode) as partial:
        assert mode_of(partial) == expected  # from the first byte on
    assert mode_of(path) == expected


def test_what_is_no_file_stays_what_it_is(tmp_path: Path) -> None:
    """As root `digest subscribers export /dev/null` made /dev/null a file, and much of the machine stopped working."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(UsageError, match="is no file and was not overwritten"), whole_file(path):
            raise AssertionError("not to be reached")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert link.is_symlink()


@pytest.mark.parametrize("name", ["", ".", "folder", "/"])
def test_a_folder_is_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="is a folder"), whole_file(Path(name)):
        raise AssertionError("not to be reached")


def test_what_a_killed_process_left_is_not_in_the_way(tmp_path: Path) -> None:
    """In containers process ids come again."""
    path = tmp_path / "figures"
    child = os.fork()
    if child == 0:
        with whole_file(path) as partial:
            partial.write_text("half")
            os._exit(0)
    os.waitpid(child, 0)
    [left] = tmp_path.iterdir()
    with whole_file(path) as partial:
        ours = partial
        partial.write_text("first")
    left.rename(ours)
    with whole_file(path) as partial:
        assert partial.read_text() == ""
        partial.write_text("second")
    assert [found.read_text() for found in tmp_path.iterdir()] == ["second"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_what_is_private_is_for_its_owner_only(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        private_folder(tmp_path / "a" / "b")
        (tmp_path / "was").touch(0o666)
        for path in (tmp_path / "new", tmp_path / "was"):
            write_private(path, b"x")
            assert (mode_of(path), path.read_bytes()) == (0o600, b"x")
    finally:
        os.umask(before)
    assert [mode_of(path) for path in (tmp_path / "a", tmp_path / "a" / "b")] == [0o700, 0o700]
    with pytest.raises(FileExistsError):
        private_folder(tmp_path / "new")
