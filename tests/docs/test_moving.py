"""The commands of the pages about moving and consent, run as they stand, with exports as other programs write them."""

import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from digest.workspace import create
from tests.support.run import run

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "cases" / "moving"
BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def ask(folder: Path, *arguments: str, stdin: int) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DIGEST_")}
    command = [sys.executable, "-m", "digest", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, stdin=stdin, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace with the sample's interests, and the exports beside it."""
    made = tmp_path / "workspace"
    create.create(made, sample=True)
    for file in FIXTURES.iterdir():
        shutil.copy(file, made)
    return made


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("move-from-listmonk", {"ada.lovelace@example.net": "confirmed", "blocked@example.net": "unsubscribed"}),
        (
            "move-from-mailchimp",
            {"ada@example.net": "confirmed", "added@example.net": "pending", "left@example.net": "unsubscribed"},
        ),
        ("move-from-mailman", {"ada@example.net": "confirmed", "holiday@example.net": "unsubscribed"}),
    ],
)
def test_the_page_s_commands_bring_them_in(folder: Path, page: str, found: dict[str, str]) -> None:
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text(encoding="utf-8")
    for language, block in BLOCK.findall(text):
        lines = [line.strip() for line in block.splitlines()]
        if language == "toml":
            name = lines[0].removeprefix("# ") if lines[0].startswith("# ") else "lists.toml"
            (folder / name).write_text(block, encoding="utf-8")
    for language, block in BLOCK.findall(text):
        for command in re.findall(r"\$ digest (.*)", block) if language == "console" else ():
            done = run(*shlex.split(command), cwd=folder)
            assert done.returncode in {0, 1}, f"{command}\n{done.stdout}\n{done.stderr}"
    for address, state in found.items():
        shown = run("subscribers", "show", address, "--json", cwd=folder)
        assert json.loads(shown.stdout)["state"] == state, address


def test_the_page_about_consent_runs_from_top_to_bottom(folder: Path) -> None:
    text = (ROOT / "docs" / "how-to" / "keep-consent.md").read_text(encoding="utf-8")
    assert run("subscribers", "add", "ada@example.net", "--confirmed-by", "paper", cwd=folder).returncode == 0
    for command in re.findall(r"^\$ digest (.*)$", text, re.MULTILINE):
        done = run(*shlex.split(command), cwd=folder)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "ada@example.net" not in (folder / "digest.db").read_bytes().decode("latin-1")


def test_the_mapping_file_of_the_page_is_the_one_of_the_tests() -> None:
    text = (ROOT / "docs" / "how-to" / "keep-consent.md").read_text(encoding="utf-8")
    (block,) = [block for language, block in BLOCK.findall(text) if language == "toml" and "crm.toml" in block]
    assert block.partition("\n")[2] == (FIXTURES / "crm.toml").read_text(encoding="utf-8")


def test_an_import_asks_a_person_before_it_writes_but_no_script(folder: Path) -> None:
    terminal, theirs = pty.openpty()
    os.write(terminal, b"n\n")
    asked = ask(folder, "subscribers", "import", "crm.csv", "--map", "crm.toml", stdin=theirs)
    os.close(theirs)
    os.close(terminal)
    assert asked.returncode != 0
    assert "Write 2 new readers, 0 changes" in asked.stderr
    assert run("subscribers", "show", "ada@example.net", cwd=folder).returncode != 0
    assert run("subscribers", "import", "crm.csv", "--map", "crm.toml", cwd=folder).returncode == 0
    assert run("subscribers", "show", "ada@example.net", cwd=folder).returncode == 0
