"""The seam between a person and the program: global options, one sentence and a code for each error, quick help."""

import importlib
import json
import pkgutil
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import digest
from digest.cli import hoist
from digest.runtime import errors
from digest.runtime.errors import DigestError
from tests.support.run import run

HEAVY = (
    "procrastinate",
    "sqlmodel",
    "sqlalchemy",
    "fastapi",
    "uvicorn",
    "lxml",
    "premailer",
    "mjml",
    "apscheduler",
    "babel",
    "PIL",
)


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        (["send", "21", "--json"], ["--json", "send", "21"]),
        (["send", "--workspace", "here", "21"], ["--workspace", "here", "send", "21"]),
        (["send", "--workspace=here", "21"], ["--workspace=here", "send", "21"]),
        (["-v", "send", "--verbose"], ["-v", "--verbose", "send"]),
        (["send", "--yes", "21"], ["send", "--yes", "21"]),
        (["articles", "show", "--", "--json"], ["articles", "show", "--", "--json"]),
        (["send", "--workspace"], ["--workspace", "send"]),
        ([], []),
    ],
)
def test_global_options_count_wherever_they_stand(typed: list[str], understood: list[str]) -> None:
    assert hoist(typed) == understood


for module in pkgutil.walk_packages(digest.__path__, "digest."):  # a class is found only when its module is loaded
    if not module.name.startswith(("digest.migrations", "digest.__main__")):
        importlib.import_module(module.name)


def _error_classes(base: type[DigestError] = DigestError) -> Iterator[type[DigestError]]:
    yield base
    for child in base.__subclasses__():
        if child.__module__.startswith("digest."):
            yield from _error_classes(child)


@pytest.mark.parametrize("kind", list(_error_classes()))
def test_every_error_has_its_sentence_and_a_documented_code(kind: type[DigestError]) -> None:
    assert (kind.__doc__ or "").strip().endswith("."), "the docstring is what a person reads"
    assert kind.exit_code in {errors.EXIT_ATTENTION, errors.EXIT_USAGE, errors.EXIT_REFUSED, errors.EXIT_ENVIRONMENT}


def test_content_that_needs_mending_exits_1(workspace: Path) -> None:
    (workspace / "articles" / "bad.md").write_text("---\ntitel: x\n---\n")
    done = run("articles", "import", "articles", cwd=workspace)
    assert done.returncode == 1
    assert "bad.md" in done.stderr


@pytest.mark.parametrize("line", ["nonsense", "send --nonsense", "issue approve", "issue assemble --period soon"])
def test_a_wrong_command_line_exits_2(workspace: Path, line: str) -> None:
    done = run(*line.split(), cwd=workspace)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_outside_a_workspace_it_says_how_to_get_one(tmp_path: Path) -> None:
    done = run("issue", "list", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no digest.toml" in done.stderr.lower()
    assert "digest init" in done.stderr


def test_a_wrong_configuration_exits_2_and_names_the_meant_key(workspace: Path) -> None:
    config = workspace / "digest.toml"
    config.write_text(config.read_text().replace("timezone", "timezoen"))
    done = run("config", "check", cwd=workspace)
    assert done.returncode == 2
    assert "timezoen" in done.stderr
    assert "timezone" in done.stderr


def test_what_a_promise_forbids_exits_3(workspace: Path) -> None:
    done = run("init", str(workspace), cwd=workspace)
    assert done.returncode == 3
    assert "already" in done.stderr


def test_a_new_workspaces_secrets_and_readers_are_its_owners(tmp_path: Path) -> None:
    done = run("init", str(tmp_path / "new"), cwd=tmp_path)
    assert "digest.db (mode 0600)" in done.stdout
    run("tick", cwd=tmp_path / "new")
    private = [path for path in (tmp_path / "new").iterdir() if path.name.startswith(("digest.db", "secrets"))]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


def test_an_unreachable_database_exits_4(workspace: Path) -> None:
    # Port 1 is reserved and nobody listens there.
    done = run("issue", "list", cwd=workspace, DIGEST_DATABASE__URL="postgresql://digest:secret@127.0.0.1:1/digest")
    assert done.returncode == 4, done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_or_forbidden_disk_exits_4(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("init", str(tmp_path / "file" / "below"), cwd=tmp_path)
    assert done.returncode == 4
    assert "Traceback" not in done.stderr


def test_verbose_shows_where_an_error_came_from(tmp_path: Path) -> None:
    done = run("issue", "list", "-v", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_json_keeps_stdout_to_one_document(workspace: Path) -> None:
    done = run("issue", "list", "--json", cwd=workspace)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_a_reader_that_goes_away_is_no_error(workspace: Path) -> None:
    program = f"{sys.executable} -m digest config describe | (exec <&-; sleep 0.3); exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", program], cwd=workspace, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("line", ["--help", "--version", "issue --help", "articles --help"])
def test_help_loads_nothing_heavy(tmp_path: Path, line: str) -> None:
    program = (
        "import sys; from digest.cli import app\n"
        f"try: app({line.split()!r})\n"
        "except SystemExit as end: code = end.code\n"
        f"print('heavy:', [name for name in {HEAVY!r} if name in sys.modules], code)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("heavy: [] 0\n")


def test_the_version_is_the_package_s(tmp_path: Path) -> None:
    done = run("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"digest {digest.__version__}\n")


def test_the_forecast_tells_person_and_program_the_same_instant(tmp_path: Path) -> None:
    workspace = tmp_path / "monthly"
    assert run("init", str(workspace), cwd=tmp_path).returncode == 0
    forecast = ("schedule", "next", "--count", "1", "--from", "2027-01-01")
    shown = re.search(r"2027-01-31 [\d:]{8}[+-][\d:]{5}", run(*forecast, cwd=workspace).stdout)
    assert shown
    (entry,) = json.loads(run(*forecast, "--json", cwd=workspace).stdout)
    assert entry["at"] == shown[0].replace(" ", "T")
    assert entry["steps"][-1] == {"step": "send", "at": entry["at"]}
