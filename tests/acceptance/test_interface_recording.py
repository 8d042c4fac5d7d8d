"""What scripts, mails and databases outside rely on is as it was recorded in `tests/cases/interface/`.

Recorded are names and kinds, not texts: the commands with their options and arguments; for each step of a long story
(`interface_story.py`) the exit code, whether stdout was one JSON document, and the shape of that document; the tables of
both databases; the settings; the files of a workspace; the metrics; the public pages and the forms on them. In a shape a
word in lower case stands for itself, since states and reasons are words; what differs from run to run stands as its kind,
such as `<instant>`; `key?` is a key that not every element of a list has.

A change on purpose is recorded by running this module with DIGEST_RENEW_RECORDING=1, and is told in CHANGELOG.md: the
diff of the fixtures is what other people's scripts will notice.
"""

import difflib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import Engine, create_engine, inspect, text

from digest.cli import app
from tests.acceptance import interface_story

ROOT = Path(__file__).resolve().parents[2]
RECORDING = ROOT / "tests" / "cases" / "interface"
RENEWING = os.environ.get("DIGEST_RENEW_RECORDING") == "1"
MOST_WORDS = 12
pytestmark = pytest.mark.timeout(900)  # the story is told while the first test waits

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?")
_KINDS = (
    (_INSTANT, "<instant>"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "<date>"),
    (re.compile(r"\d{4}-\d\d"), "<month>"),
    (re.compile(r"[0-9a-f]{8,}"), "<hex>"),
    (re.compile(r"(https?|smtp)://\S+"), "<url>"),
    (re.compile(r"<\S+@\S+>"), "<message-id>"),
    (re.compile(r"[^\s<>]+@[^\s<>]+"), "<address>"),
)
_WORD = re.compile(r"[a-z][a-z_.-]{0,39}|\*")


def compare(name: str, found: Any) -> None:
    """Compare with the recording of that name, or renew it."""
    path = RECORDING / f"{name}.json"
    now = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if RENEWING:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(now, encoding="utf-8")
    then = path.read_text(encoding="utf-8") if path.exists() else ""
    if now != then:
        rows = difflib.unified_diff(then.splitlines(), now.splitlines(), "recorded", "now", lineterm="", n=6)
        told = "\n".join(list(rows)[:120])
        pytest.fail(f"{path.relative_to(ROOT)} (on purpose? DIGEST_RENEW_RECORDING=1)\n{told}", pytrace=False)


def shape(value: Any) -> Any:
    """Return keys and kinds of a JSON value; of a list that of any of its elements."""
    if isinstance(value, dict):
        return {_masked(key): shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_merged([shape(one) for one in value])] if value else []
    if isinstance(value, str):
        return _kind(value)
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else f"<{type(value).__name__}>"


def _kind(text: str) -> str:
    if text in {"", socket.gethostname()}:
        return "<host>" if text else "<empty>"
    for pattern, kind in _KINDS:
        if pattern.fullmatch(text):
            return kind
    return text if _WORD.fullmatch(text) else "<text>"


def _masked(text: str) -> str:
    return re.sub(r"\d+", "N", re.sub(r"(?:(?<=:)|^)/\S+|[0-9a-f]{8,}", "X", text))


def _merged(shapes: list[Any]) -> Any:
    dicts = [one for one in shapes if isinstance(one, dict)]
    lists = [one for one in shapes if isinstance(one, list)]
    words = sorted({word for one in shapes if isinstance(one, str) for word in one.split(" | ")})
    found: list[Any] = []
    if dicts:
        keys = {key: [one[key] for one in dicts if key in one] for one in dicts for key in one}
        found.append({key + "?" * (len(them) < len(dicts)): _merged(them) for key, them in keys.items()})
    if lists:
        below = [element for one in lists for element in one]
        found.append([_merged(below)] if below else [])
    if len(words) > MOST_WORDS:
        words = sorted({word if word.startswith("<") else "<word>" for word in words})
    if words:
        found.append(" | ".join(words))
    return found[0] if len(found) == 1 else {"one of": found}


def said(stream: str) -> Any:
    """Return what kind of text a stream holds, and the shape of what can be read by programs."""
    if not stream.strip():
        return "nothing"
    try:
        return {"one JSON document": shape(json.loads(stream))}
    except ValueError:
        pass
    try:
        return {"a JSON document a line": shape([json.loads(row) for row in stream.splitlines()])}
    except ValueError:
        return "text"


def metrics(page: str) -> dict[str, Any]:
    """Return the metrics of a page in the form of Prometheus: the type, and the labels of each name."""
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE))
    labels: dict[str, set[str]] = {}
    for name, inside in re.findall(r"^([a-z_]+)(?:\{(.*)\})? ", page, re.MULTILINE):
        labels.setdefault(name, set()).update(re.findall(r'(\w+)="', inside))
    return {"types": kinds, "labels": {name: sorted(found) for name, found in labels.items()}}


def step(told: dict[str, Any]) -> dict[str, Any]:
    """Return what is recorded of a step of the story."""
    if "files" in told:
        names = {f"{_masked(name)}{' (its owner only)' * private}" for name, private in told["found"]}
        return {"files": told["files"], "found": sorted(names)}
    if "page" in told:
        found = told["found"]
        return {**told, "found": {**found, "json": shape(found["json"])} if "json" in found else found}
    if "seen" in told:
        return told
    page = told["stdout"].startswith("# HELP")
    out = metrics(told["stdout"]) if page else said(told["stdout"])
    return {"run": told["run"], "exit": told["exit"], "stdout": out, "stderr": said(told["stderr"])}


def tell_story(folder: Path) -> dict[str, list[dict[str, Any]]]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DIGEST_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *sys.path])
    command = [sys.executable, "-m", interface_story.__name__, str(folder)]
    done = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    told: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return told


def test_the_story_is_answered_as_recorded(tmp_path: Path) -> None:
    """Answers, settings, and the schema of a new workspace: in one test, so that the story is told once."""
    story = tell_story(tmp_path)
    for chapter in interface_story.CHAPTERS:
        compare(f"story-{chapter}", [step(told) for told in story[chapter]])
    [described] = [told for told in story["set-up"] if told.get("run") == "digest config describe --json"]
    settings = json.loads(described["stdout"])
    compare("settings", {one["setting"]: {key: one[key] for key in ("default", "environment")} for one in settings})
    engine = create_engine(f"sqlite:///{tmp_path}/set-up/plain/digest.db")
    try:
        compare("schema-sqlite", schema(engine))
    finally:
        engine.dispose()


def command_tree() -> Iterator[tuple[str, Any, Any]]:
    """Return each command of the tree with the words that call it and its context; groups may load them late."""
    root = app if hasattr(app, "get_command") else typer.main.get_command(app)

    def below(words: str, command: Any, parent: Any) -> Iterator[tuple[str, Any, Any]]:
        context = command.make_context(words.rsplit(maxsplit=1)[-1], [], parent=parent, resilient_parsing=True)
        yield words, command, context
        if hasattr(command, "list_commands"):
            for name in command.list_commands(context):
                yield from below(f"{words} {name}", command.commands[name], context)

    return below("digest", root, None)


def parameter(one: Any, context: Any) -> dict[str, Any]:
    """Return the names and the kind of an option or argument: how `--help` shows it, without what it says of it."""
    told: dict[str, Any] = {"names": sorted([*one.opts, *one.secondary_opts]), "required": one.required}
    shown = one.get_help_record(context)
    told["shown"] = " ".join(shown[0].split()) if shown else one.metavar or one.name
    if getattr(one, "is_flag", False):
        told["flag"] = True
    if one.nargs != 1 or getattr(one, "multiple", False):
        told["repeated"] = True
    for name in ("min", "max"):
        if (value := getattr(one, name, None)) is not None:
            told[name] = value
    if isinstance(one.default, str | int | float | Path) and one.default is not False:
        told["default"] = str(one.default)
    return told


def test_commands_and_options_are_as_recorded() -> None:
    found: dict[str, Any] = {}
    for words, command, context in command_tree():
        parameters = [one for one in command.params if one.name != "help"]
        found[words] = {
            "options": sorted(
                (parameter(one, context) for one in parameters if one.param_type_name == "option"),
                key=lambda one: one["names"],
            ),
            "arguments": [parameter(one, context) for one in parameters if one.param_type_name == "argument"],
        }
        if hasattr(command, "list_commands"):
            found[words]["commands"] = sorted(command.list_commands(context))
    compare("commands", found)


def test_help_names_each_command_and_option() -> None:
    for words, command, context in command_tree():
        shown = set(re.findall(r"[\w-]+", command.get_help(context)))
        names = {name for one in command.params if one.param_type_name == "option" for name in one.opts}
        names |= set(command.list_commands(context)) if hasattr(command, "list_commands") else set()
        assert names <= shown, words


def schema(engine: Engine) -> dict[str, Any]:
    """Return the tables of a database, without those of the queue, which are another project's."""
    with engine.connect() as connection:
        look = inspect(connection)
        tables = {name: table(look, name) for name in look.get_table_names() if not name.startswith("procrastinate_")}
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        return {"revision": revision, "tables": tables, "views": sorted(look.get_view_names())}


def table(look: Any, name: str) -> dict[str, Any]:
    columns = {
        column["name"]: {
            "type": str(column["type"]),
            "nullable": column["nullable"],
            **({"default": column["default"]} if column["default"] is not None else {}),
        }
        for column in look.get_columns(name)
    }
    indexes = [
        {
            "name": index["name"],
            "columns": index.get("expressions") or index["column_names"],
            "unique": bool(index["unique"]),
            **{key: str(value) for key, value in index.get("dialect_options", {}).items() if key.endswith("_where")},
        }
        for index in look.get_indexes(name)
    ]
    keys = [
        {
            "columns": key["constrained_columns"],
            "refers to": f"{key['referred_table']}({', '.join(key['referred_columns'])})",
            "options": key["options"],
        }
        for key in look.get_foreign_keys(name)
    ]
    checks = [{"name": check["name"], "text": check["sqltext"]} for check in look.get_check_constraints(name)]
    return {
        "columns": columns,
        "primary key": look.get_pk_constraint(name)["constrained_columns"],
        "unique": sorted([one["column_names"] for one in look.get_unique_constraints(name)]),
        "indexes": sorted(indexes, key=lambda one: one["name"]),
        "foreign keys": sorted(keys, key=lambda one: one["columns"]),
        "checks": sorted(checks, key=lambda one: (one["name"] or "", one["text"])),
    }


def test_the_schema_is_as_recorded(engine: Engine, database_kind: str) -> None:
    compare(f"schema-{database_kind}", schema(engine))


def test_no_recording_is_left_over() -> None:
    names = {*(f"story-{name}" for name in interface_story.CHAPTERS), "commands", "settings"}
    assert {path.stem for path in RECORDING.iterdir()} == names | {"schema-sqlite", "schema-postgresql"}
