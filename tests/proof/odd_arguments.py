"""Give every command each of its arguments in odd forms, one at a time, and print those that ended unexpectedly.

For a process of its own: each command runs in a fork of it, on a fresh copy of the workspace, as the shell would run it.
"""

import importlib
import json
import os
import pkgutil
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import digest
import subscribers
from digest.cli import app, main

ODD = ("", "x" * 5000, "-1", "9" * 24, "\udcff\udcfe", "\u202e%s{0}", "9999-12-31", "0001-01-01")
STAYING = {("serve",), ("sink",), ("preview",), ("worker",), ("schedule", "run"), ("demo",)}
"""Those that stay until they are told to stop, or run others."""
UNEXPECTED = 70
SECONDS = 60


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return every command with the words that call it."""
    for name, below in getattr(command, "commands", {}).items():
        yield from leaves(below, (*path, name))
    if not hasattr(command, "commands"):
        yield path, command


def lines(path: tuple[str, ...], command: Any) -> Iterator[list[str]]:
    """Return command lines: one parameter is odd, the others have something simple if they must."""
    for odd in command.params:
        for value in ODD if not getattr(odd, "is_flag", False) else ("",):
            options, arguments = [], []
            for one in command.params:
                text = value if one is odd else "1"
                if one.param_type_name == "argument":
                    arguments += [text] if one is odd or one.required else []
                elif one is odd and one.is_flag:
                    options.append(one.opts[0])
                elif one is odd or one.required:
                    options.append(f"{one.opts[0]}={text}")
            yield [*path, *options, "--", *arguments]


def run(line: list[str], workspace: Path, scratch: Path) -> tuple[int, str]:
    """Run one command in a fork; return its exit code (negative: a signal) and what it printed."""
    place, said = scratch / "run", scratch / "said"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(workspace, place)
    with said.open("w+b") as output:
        child = os.fork()
        if child == 0:
            os.chdir(place)
            for number in (1, 2):
                os.dup2(output.fileno(), number)
            signal.alarm(SECONDS)
            sys.argv = ["digest", *line]
            try:
                main()
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
            except BaseException:
                code = UNEXPECTED
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), said.read_text(errors="replace")


def sweep(workspace: Path, scratch: Path) -> dict[str, Any]:
    """Return how many lines were run, and those that ended unexpectedly."""
    for package in (digest, subscribers):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "__main__" not in module.name and "migrations" not in module.name:
                importlib.import_module(module.name)  # once here, not in every fork
    count, bad = 0, []
    for path, command in leaves(typer.main.get_command(app)):
        for line in lines(path, command) if path not in STAYING else ():
            count += 1
            code, said = run(line, workspace, scratch)
            if code == UNEXPECTED or code < 0 or "Traceback" in said:
                bad.append([[ascii(word)[:60] for word in line], code, said[-300:]])
    return {"count": count, "bad": bad}


if __name__ == "__main__":
    print(json.dumps(sweep(Path(sys.argv[1]), Path(sys.argv[2]))))
