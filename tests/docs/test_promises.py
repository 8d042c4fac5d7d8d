"""The table of promises names tests that exist, and every promise of the README."""

import re
from pathlib import Path


def test_every_promise_names_tests_that_exist(repo_root: Path) -> None:
    page = (repo_root / "docs" / "explanation" / "tests.md").read_text(encoding="utf-8")
    promised = re.findall(r"^(\d\. \*\*.+?\*\*)", (repo_root / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    shown = re.findall(r"^\| \*\*(\d)\. ", page, re.MULTILINE)
    assert shown == [promise[0] for promise in promised] == [*"12345678"]
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", page)
    assert len(named) > 40
    for path, name in named:
        file = repo_root / "tests" / path
        assert file.exists(), path
        assert not name or f"def {name}(" in file.read_text(encoding="utf-8"), f"{path}::{name}"
