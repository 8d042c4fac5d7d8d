"""An empty workspace, as `digest init` makes it."""

import shutil
from pathlib import Path

import pytest

from digest.workspace.create import create


@pytest.fixture(scope="session")
def made_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("cli") / "workspace"
    create(directory, sample=False)
    return directory


@pytest.fixture
def workspace(made_workspace: Path, tmp_path: Path) -> Path:
    """A copy of it, one for each test."""
    return Path(shutil.copytree(made_workspace, tmp_path / "workspace"))
