"""The tutorial is run as a reader would: each command in turn, in an empty folder, with the output that the page shows.

`# exit code 3` behind a command says that it ends so; else 0. A shown line must occur in the output, in order;
`…` in it stands for anything, and so does a line of it for any lines. Runs of blanks count as one. A number of five or
more digits stands for any such: sizes of editions change with every word of the templates. A block after "as `NAME`:" is
saved; a command that ends with `&` runs to the end of the page, on a free port in place of 2525.
"""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.command import call

PAGES = ["docs/tutorial/first-issue.md", "docs/tutorial/your-own-digest.md", "README.md"]
BLOCK = re.compile(r"(?:as `([\w./-]+)`[^`\n]*:\n\n)?^```(console|toml|markdown)\n(.*?)^```", re.DOTALL | re.MULTILINE)
EXIT_CODE = re.compile(r"\s+# exit code (\d+)$")


@dataclass(frozen=True)
class Step:
    command: str
    exit_code: int
    shown: tuple[str, ...]
    file: str = ""
    """A file that is to be saved; its content stands in place of the command."""


def steps(text: str) -> list[Step]:
    found = []
    for file, kind, block in BLOCK.findall(text):
        if kind != "console":
            found += [Step(block, 0, (), file)] if file else []
            continue
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
    folder, ran, port = tmp_path, 0, str(free_port())
    with ExitStack() as running:
        for step in steps((repo_root / page).read_text(encoding="utf-8")):
            command = step.command.replace("2525", port)
            if step.file:
                (folder / step.file).write_text(step.command, encoding="utf-8")
            elif command.startswith("cd "):
                folder /= command.removeprefix("cd ")
            elif command.endswith(" &"):
                running.enter_context(background(f"{command.removesuffix(' &')} --port {port}", folder, environment))
            else:
                code, printed = done(command, folder, environment)
                assert code == step.exit_code, f"$ {command}\n{printed}"
                assert missing_line(step.shown, printed) is None, f"$ {command}\n{printed}"
                ran += 1
    assert ran > 4


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def background(command: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Run a command that serves, from its first words on."""
    with subprocess.Popen(command.split(), cwd=folder, env=environment, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"127.0.0.1" in process.stderr.readline()
        yield
        process.terminate()


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
