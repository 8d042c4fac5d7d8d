"""`digest` as a person types it, in this process."""

import os
from pathlib import Path

from tests.support.command import Ended, call


def run(*arguments: str, cwd: Path, **environment: str) -> Ended:
    """Run `digest ARGUMENTS` in a folder, with these variables laid over the environment of the tests."""
    return call(arguments, cwd=cwd, environment={**os.environ, **environment})
