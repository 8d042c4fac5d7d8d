"""The benchmarks run: a figure that cannot be measured any more is noticed before somebody needs it."""

import subprocess
import sys
from pathlib import Path


def test_the_build_benchmark_prints_its_four_rows(repo_root: Path) -> None:
    command = [sys.executable, "scripts/benchmarks/build.py", "--quick"]
    done = subprocess.run(command, cwd=repo_root, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("bound") == 4
