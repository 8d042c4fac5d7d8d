"""No command ends with "Unexpected" because of what was written after it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.proof import odd_arguments
from tests.support.world import World

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(1_200)
def test_no_odd_argument_is_unexpected(tmp_path: Path) -> None:
    sample = World(tmp_path / "workspace", "")
    del sample.environment["DIGEST_DATABASE__URL"]  # the workspace's own file, of which each command gets a copy
    sample.process("init", str(sample.folder), "--sample", cwd=tmp_path)
    sample.digest("issue", "assemble")
    command = [sys.executable, "-m", odd_arguments.__name__, str(sample.folder), str(tmp_path)]
    environment = {**sample.environment, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    swept = json.loads(done.stdout)
    assert swept["bad"] == []
    assert swept["count"] > 500
