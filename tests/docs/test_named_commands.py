"""Every `digest` command that a text names exists: in messages, hints and docstrings, in templates and in docs."""

import ast
import re
import shlex
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from digest.cli import app, hoist
from digest.notify import Event, EventKind

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted(path for top in ("digest", "subscribers") for path in (ROOT / top).rglob("*.py"))
TEXTS = sorted(
    path
    for path in (*(ROOT / "templates").rglob("*"), *(ROOT / "docs").rglob("*"), *ROOT.glob("*.md"))
    if path.suffix in {".md", ".j2", ".toml", ".yaml"}
)
GAP = "\N{OBJECT REPLACEMENT CHARACTER}"
"""Stands for a value in an f-string; right after a word it is empty or brings its own space."""
QUOTED = re.compile(r"`(?:\$ )?(digest(?:[ \N{OBJECT REPLACEMENT CHARACTER}][^`]*)?)`")
# without quotes: from where a sentence tells what to type to its end
TYPED = re.compile(
    r"(?:^|[:>] |\bthen |\b[Rr]un |&& |, )"
    r"(digest [a-z]+[^,;()→\n]*?)(?=[.,;)]?$|[,;()→\n]|[.:] | (?:and|or|to|then|with|in|lists|shows|only) |<)",
    re.MULTILINE,
)
IN_HTML = re.compile(r"<code>(digest [^<]*)</code>")
FENCE = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
SAMPLES = {"ADDR": "a@b.c", "DIR": "folder", "FILE": "file", "URL": "https://a.b", "PERIOD": "2026-01", "S": "deferred"}


UsageError = typer.BadParameter.__mro__[1]


OPTIONS_WITH_VALUE = {"--subject", "--relay"}
"""May stand at the end of what is named, without a value."""


@cache
def root() -> Any:
    return typer.main.get_command(app)


def check(line: str) -> None:
    """Parse a command line, except that arguments may be missing; raise UsageError if it cannot be meant."""
    words = hoist(shlex.split(filled(line))[1:])
    if len(words) > 1 and words[-1] in OPTIONS_WITH_VALUE:
        words.append("7")
    command = root()
    context = command.context_class(command, info_name="digest")
    while True:
        _, rest, _ = command.make_parser(context).parse_args(list(words))
        if not hasattr(command, "commands"):
            if rest:
                raise ValueError(f"too many words: {rest}")
            return
        if not rest:
            return
        inner = command.commands.get(rest[0])
        if inner is None:
            raise ValueError(f"there is no command {rest[0]!r}")
        command, words = inner, rest[1:]
        context = command.context_class(command, info_name=command.name, parent=context)


def filled(line: str) -> str:
    """Put values in for placeholders, and leave out what is optional or another way to write it."""
    line = re.sub(r"\s+#.*$|\s*(?:[|>&]|…).*$|\s+\.\.\.$", "", line)
    line = re.sub(rf"(?<=[a-z]){GAP}", "", line)
    line = line.replace("[", " ").replace("]", " ").replace("...", "").replace("…", "")
    return " ".join(SAMPLES.get(word, word) for word in line.replace(GAP, " 7 ").split())


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each text of a module with its line; neighbouring literals are one, values are gaps."""
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values]
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


def named_in_code(path: Path) -> Iterator[tuple[int, str]]:
    for place, text in strings(ast.parse(path.read_text(encoding="utf-8"))):
        for found in QUOTED.findall(text):
            yield place, found
        for found in TYPED.findall(QUOTED.sub("", text)):
            yield place, found


def named_in_text(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    for block in FENCE.findall(text):
        yield from re.findall(r"^ *\$ (?:.*&& )?(digest .*)$", block, re.MULTILINE)
    prose = FENCE.sub("", text)
    yield from (" ".join(found.split()) for found in QUOTED.findall(prose))
    for actions in re.findall(r'^ *action: "(.*)"$', text, re.MULTILINE):  # of an alert
        yield from (part for part in actions.split("; ") if part.startswith("digest "))
    yield from (re.sub(r"{{.*?}}", "7", found) for found in IN_HTML.findall(prose))


def wrong(named: Iterable[tuple[object, str]]) -> Iterator[str]:
    for place, line in named:
        try:
            check(line)
        except (UsageError, ValueError) as error:
            yield f"{place}: {line.replace(GAP, '{}')} ({error})"


def test_the_check_finds_what_does_not_exist() -> None:
    for good in ("digest", "digest outbox status 21", "digest send --json 3", f"digest worker{GAP}", "digest tick"):
        check(good)
    for bad in ("digest outbox status 21 --watch", "digest deliver", "digest outbox release 1 2", "digest issue move"):
        with pytest.raises((UsageError, ValueError)):
            check(bad)


def test_the_strings_of_the_program_name_commands_that_exist() -> None:
    found = [f"{path.relative_to(ROOT)}:{problem}" for path in CODE for problem in wrong(named_in_code(path))]
    assert found == []
    assert sum(1 for path in CODE for _ in named_in_code(path)) > 100


@pytest.mark.parametrize("kind", EventKind)
@pytest.mark.parametrize("about", [{"issue": 21}, {"issue": 21, "period": "2021-09"}, {"period": "2021-09"}])
def test_events_name_commands_that_exist_and_mean_what_happened(kind: EventKind, about: dict[str, Any]) -> None:
    steps = Event(kind, datetime(2021, 9, 30, tzinfo=UTC), **about).next_steps
    assert list(wrong(enumerate(steps))) == []
    if "issue" not in about:  # without a number a command means the newest issue, which is not the run that waits
        assert not [step for step in steps if "outbox release" in step]


def test_templates_and_docs_name_commands_that_exist() -> None:
    named = ((path.relative_to(ROOT).as_posix(), line) for path in TEXTS for line in named_in_text(path))
    assert list(wrong(named)) == []
