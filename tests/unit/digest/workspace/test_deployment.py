"""The units and the compose file come with the program; what a person has changed is not overwritten."""

from pathlib import Path

import pytest

from digest.runtime.errors import EnvironmentFailedError, RefusedError
from digest.workspace.deployment import copy_deployment


def test_the_files_are_those_of_the_docs(tmp_path: Path, repo_root: Path) -> None:
    copied = copy_deployment(tmp_path / "new")
    assert {"systemd/digest-tick.timer", "docker/compose.yaml", "prometheus/alerts.yaml"} <= set(copied)
    for name in copied:
        assert (tmp_path / "new" / name).read_bytes() == (repo_root / "docs" / "operating" / name).read_bytes()


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "compose.yaml").write_text("mine")
    with pytest.raises(RefusedError, match=r"compose\.yaml exists already"):
        copy_deployment(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["docker", "compose.yaml"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFailedError, match="file"):
        copy_deployment(tmp_path / "file" / "below")
