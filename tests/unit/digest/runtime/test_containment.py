"""A link out of a folder is seen wherever it stands in the path; a folder behind a link is as good as any."""

from pathlib import Path

import pytest

from digest.runtime.containment import is_within, leads_out


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder behind a link, with links in it, beside a folder that is not its own."""
    real, outside = tmp_path / "real", tmp_path / "outside"
    (real / "sub").mkdir(parents=True)
    outside.mkdir()
    for folder in (real / "sub", outside):
        (folder / "a").touch()
    (tmp_path / "root").symlink_to(real)
    for name, target in (("in", "sub/a"), ("chain", "in"), ("out", outside / "a"), ("far", "out"), ("up", "..")):
        (real / name).symlink_to(target)
    (real / "folder").symlink_to(outside)
    (real / "loop").symlink_to("loop")
    return tmp_path / "root"


@pytest.mark.parametrize(
    ("name", "within", "out"),
    [
        *((name, True, False) for name in ("sub/a", "in", "chain", "missing", "sub/../in")),
        *((name, False, True) for name in ("out", "far", "folder", "folder/a", "folder/missing", "up/outside/a")),
        *((name, False, False) for name in ("../outside/a", "sub/../../outside/a", "loop", "loop/a", "a\x00b", "/etc")),
    ],
)
def test_a_link_that_leads_out_is_seen(root: Path, name: str, within: bool, out: bool) -> None:
    for folder in (root, root.resolve()):
        assert (is_within(folder / name, root), leads_out(folder / name, root)) == (within, out)


def test_a_relative_path_counts_from_here(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    assert [leads_out(Path(name), root) for name in ("in", "out", "../outside/a", ".")] == [False, True, False, False]
