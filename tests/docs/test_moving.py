"""An import as its pages describe it: the mapping file that they show, and the question before it writes."""

import os
import pty
import re
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
