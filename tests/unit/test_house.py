"""The house keeps its rule: names, sizes, directions of what import-linter does not see. CONTRIBUTING has the rule."""

import ast
import collections
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = sorted(
    path
    for top in ("digest", "subscribers")
    for path in (ROOT / top).rglob("*.py")
    if "versions" not in path.parts and "__pycache__" not in path.parts
)
IMPURE = {
    "sqlmodel", "sqlalchemy", "smtplib", "socket", "fastapi", "typer", "apscheduler", "aiosmtpd", "subprocess", "os",
    "time", "random", "secrets", "threading", "httpx",
}  # fmt: skip
AMBIENT = re.compile(r"\b(datetime\.now|date\.today|environ|open)\(")
ENTRANCES = ("digest/cli/", "digest/web/")
MAX_LINES = 400
MAX_LATE_IMPORTS = 31
MAX_DICTS = 30
MAX_FUNCTION_LINES = 20  # at the 90th percentile


class Module(NamedTuple):
    name: str
    text: str
    tree: ast.Module


@cache
def modules() -> tuple[Module, ...]:
    texts = [(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in PRODUCT]
    return tuple(Module(name, text, ast.parse(text)) for name, text in texts)


def late_imports(module: Module) -> Iterator[str]:
    lines = module.text.splitlines()
    for function in ast.walk(module.tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in function.body:
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Import | ast.ImportFrom):
                        yield f"{module.name}:{inner.lineno} {lines[inner.lineno - 1].strip()}"


def imports_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def is_pure(module: Module) -> bool:
    return "Pure." in (ast.get_docstring(module.tree) or "")


def test_a_public_class_name_stands_once() -> None:
    places = collections.defaultdict(list)
    for module in modules():
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(module.name)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_a_pure_module_reaches_nothing_outside() -> None:
    pure = [module for module in modules() if is_pure(module) and module.name != "digest/__init__.py"]
    assert len(pure) >= 40
    reached = {
        module.name: sorted(
            {name for name in imports_of(module.tree) if name.split(".")[0] in IMPURE}
            | set(AMBIENT.findall(module.text))
        )
        for module in pure
    }
    assert {name: what for name, what in reached.items() if what} == {}


def test_a_module_has_at_most_400_lines() -> None:
    sizes = {module.name: module.text.count("\n") for module in modules()}
    assert {name: size for name, size in sizes.items() if size > MAX_LINES} == {}


def test_most_functions_are_short() -> None:
    lengths = sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert lengths[len(lengths) * 9 // 10] <= MAX_FUNCTION_LINES


def test_an_import_inside_a_function_has_its_reason() -> None:
    found = [line for module in modules() for line in late_imports(module)]
    assert len(found) <= MAX_LATE_IMPORTS, found
    assert [line for line in found if not re.search(r"# noqa: PLC0415 - \S", line)] == []


def test_packages_pass_values_not_json() -> None:
    inside = [module for module in modules() if not module.name.startswith(ENTRANCES)]
    counts = {module.name: module.text.count("dict[str, Any]") for module in inside}
    assert sum(counts.values()) <= MAX_DICTS, {name: count for name, count in counts.items() if count}


def test_only_the_entrances_open_an_app() -> None:
    openers = {module.name for module in modules() if "digest.app" in set(imports_of(module.tree))}
    assert {name for name in openers if not name.startswith(ENTRANCES)} == set()


def test_what_a_package_asks_of_a_workspace_is_small() -> None:
    """Protocols of an opened workspace: at most five members, with those of their bases."""
    contexts = [m for m in modules() if m.name.endswith(("/context.py", "/opened.py"))]
    protocols = {
        node.name: node
        for module in contexts
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and "Protocol" in map(ast.unparse, node.bases)
    }

    def members(node: ast.ClassDef) -> int:
        own = sum(isinstance(member, ast.FunctionDef) for member in node.body)
        return own + sum(members(protocols[base]) for base in map(ast.unparse, node.bases) if base in protocols)

    sizes = {name: members(node) for name, node in protocols.items()}
    assert len(sizes) >= 3
    assert {name: size for name, size in sizes.items() if size > 5} == {}


@pytest.mark.parametrize("top", ["digest", "subscribers"])
def test_unit_tests_mirror_the_packages(top: str) -> None:
    folders = {
        path.parent.relative_to(ROOT / "tests" / "unit").as_posix()
        for path in (ROOT / "tests" / "unit" / top).rglob("test_*.py")
    }
    assert [folder for folder in sorted(folders) if not (ROOT / folder).is_dir()] == []
