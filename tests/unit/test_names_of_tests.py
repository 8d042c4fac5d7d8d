"""A test's name can be read in a report and typed behind -k: at most sixty letters."""

import ast
from pathlib import Path

import pytest

LONGEST = 60
NOT_YET = {"acceptance", "proof", "browser"}
TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    "folder", sorted({path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")} - NOT_YET)
)
def test_names_of_tests_are_at_most_sixty_letters(folder: str) -> None:
    names = [
        node.name
        for path in (TESTS / folder).rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]
    assert names
    assert [name for name in names if len(name) > LONGEST] == []
