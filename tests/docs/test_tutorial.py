"""The tutorial is run as a reader would: each command in turn, in an empty folder, with the output that the page shows.

`# exit code 3` behind a command says that it ends so; else 0. A shown line must occur in the output, in order;
`…` in it stands for anything, and so does a line of it for any lines. Runs of blanks count as one. A number of five or
more digits stands for any such: sizes of editions change with every word of the templates.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.command import call

PAGES = ["docs/tutorial/first-issue.md", "README.md"]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
EXIT_CODE = re.compile(r"\s+# exit code (\d+)$")


@dataclass(frozen=True)
class Step:
    command: str
    exit_code: int
    shown: tuple[str, ...]


def steps(text: str) -> list[Step]:
    found = []
    for block in BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            code = EXIT_CODE.search(command)
            found.append(Step(EXIT_CODE.sub("", command), int(code[1]) if code else 0, tuple(shown)))
    return found


def plain(line: str) -> str:
    return " ".join(line.split())


def missing_line(shown: tuple[str, ...], printed: str) -> str | None:
    """Return the first shown line that does not occur in what was printed, after the one before it."""
    rest = [plain(line) for line in printed.splitlines()]
    for line in shown:
        pattern = ".*".join(re.escape(part) for part in plain(line).split("…"))
        pattern = re.sub(r"\d{5,}", r"\\d{5,}", pattern)
        if pattern in ("", ".*"):
            continue
        place = next((place for place, have in enumerate(rest) if re.fullmatch(pattern, have)), None)
        if place is None:
            return line
        rest = rest[place + 1 :]
    return None


@pytest.mark.parametrize("page", PAGES)
def test_the_page_s_commands_do_what_it_shows(page: str, repo_root: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "100"}
    environment.pop("DIGEST_NOW", None)
    folder, ran = tmp_path, 0
    for step in steps((repo_root / page).read_text(encoding="utf-8")):
        if step.command.startswith("cd "):
            folder /= step.command.removeprefix("cd ")
            continue
        code, printed = done(step.command, folder, environment)
        assert code == step.exit_code, f"$ {step.command}\n{printed}"
        assert missing_line(step.shown, printed) is None, f"$ {step.command}\n{printed}"
        ran += 1
    assert ran > 4


def done(command: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run a command and return its code and all that it prints: ours in this process, where no shell is needed for it."""
    if re.fullmatch(r"digest [\w ./@:=-]+", command):
        ours = call(command.split()[1:], cwd=folder, environment=environment)
        return ours.returncode, ours.stdout + ours.stderr
    process = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return process.returncode, process.stdout


def test_a_line_that_was_not_printed_is_noticed() -> None:
    printed = "Issue 21: 24 planned\nstate     deliveries\naccepted          24\n"
    assert missing_line(("Issue 21: … planned", "accepted 24"), printed) is None
    assert missing_line(("accepted 24", "Issue 21: 24 planned"), printed) == "Issue 21: 24 planned"
    assert missing_line(("accepted 25",), printed) == "accepted 25"
    assert missing_line(("1 en 63639",), "1  en  61234") is None
