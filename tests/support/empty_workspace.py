"""What `digest init` makes, made once for each process of tests and copied."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path


@cache
def empty_workspace() -> Path:
    """An empty workspace without its database: the tests name another one."""
    folder = Path(tempfile.mkdtemp(prefix="dp-workspace-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    command = [sys.executable, "-m", "digest", "init", str(folder / "workspace")]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DIGEST_")}
    subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environment)
    (folder / "workspace" / "digest.db").unlink()
    return folder / "workspace"


def copy_empty_workspace(to: Path) -> None:
    """Make an empty workspace, whose secrets are those of every other one of this process."""
    shutil.copytree(empty_workspace(), to, dirs_exist_ok=True)
