"""The commands that a page of the documentation shows, and how a reader would run them.

A block after `<!-- not run: REASON -->` is left out. `# exit code 3` behind a command says that it ends so. A shown line
must occur in the output, in order; `…` in it stands for anything, and so does a line of it for any lines. Runs of blanks
count as one. A number of five or more digits stands for any such: sizes of editions change with every word of the
templates. A block after "as `NAME`:", or with `# NAME` in its first line, is saved.
"""

import re
import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from tests.support.command import call

BLOCK = re.compile(
    r"(?:as `(?P<file>[\w./-]+)`[^`\n]*:\n\n|<!-- not run: (?P<reason>[^\n]+?) -->\n+)?"
    r"^(?P<indent> *)```(?P<kind>console|sh|toml|markdown)\n(?P<text>.*?)^ *```",
    re.DOTALL | re.MULTILINE,
)
EXIT_CODE = re.compile(r"\s+# exit code (\d+)$")
COMMENT = re.compile(r"\s+# .*$")


@dataclass(frozen=True)
class Step:
    command: str
    exit_code: int
    shown: tuple[str, ...]
    file: str = ""
    """A file that is to be saved; its content stands in place of the command."""


def blocks(text: str) -> Iterator[tuple[re.Match[str], list[Step]]]:
    """Yield each block with its steps; a block that is not run has none."""
    for block in BLOCK.finditer(text):
        shown = dedent(block["text"])
        file = block["file"] or "".join(re.findall(r"\A# ([\w-]+\.toml)$", shown, re.MULTILINE))
        if block["reason"]:
            yield block, []
        elif block["kind"] in {"console", "sh"}:
            yield block, [_step(*part.splitlines()) for part in re.split(r"^\$ ", shown, flags=re.MULTILINE)[1:]]
        else:
            yield block, [Step(shown, 0, (), file)] if file else []


def steps(text: str) -> list[Step]:
    return [step for _, found in blocks(text) for step in found]


def _step(command: str, *shown: str) -> Step:
    code = EXIT_CODE.search(command)
    return Step(COMMENT.sub("", command), int(code[1]) if code else 0, shown)


def missing_line(shown: tuple[str, ...], printed: str) -> str | None:
    """Return the first shown line that does not occur in what was printed, after the one before it."""
    rest = [_plain(line) for line in printed.splitlines()]
    for line in shown:
        pattern = ".*".join(re.escape(part) for part in _plain(line).split("…"))
        pattern = re.sub(r"\d{5,}", r"\\d{5,}", pattern)
        if pattern in ("", ".*"):
            continue
        place = next((place for place, have in enumerate(rest) if re.fullmatch(pattern, have)), None)
        if place is None:
            return line
        rest = rest[place + 1 :]
    return None


def _plain(line: str) -> str:
    return " ".join(line.split())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def background(command: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Run a command that stays, from its first words on."""
    with subprocess.Popen(command.split(), cwd=folder, env=environment, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline(), command
            yield
        finally:
            process.terminate()


def done(command: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run a command and return its code and all that it prints: ours in this process, where no shell is needed for it."""
    if re.fullmatch(r"digest [^|&;<>$*~`()]+", command):
        ours = call(shlex.split(command)[1:], cwd=folder, environment=environment)
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
