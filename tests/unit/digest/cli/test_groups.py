"""The table of commands says what the commands say, and a command loads only what it needs."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from digest.cli import app
from digest.cli.commands import COMMANDS
from digest.cli.groups import Leaf, Noun

RENDERERS = {"jinja2", "lxml", "mjml", "premailer", "markdown_it"}
SENDING = RENDERERS | {"cryptography", "digest.delivery.smtp.conversation", "digest.delivery.mail.message"}
NEVER_NEEDED = {"alembic", "apscheduler", "fastapi", "prometheus_client"}


def leaves(table: Mapping[str, Leaf | Noun] = COMMANDS, *above: str) -> Iterator[tuple[tuple[str, ...], Leaf]]:
    for name, entry in table.items():
        if isinstance(entry, Noun):
            yield from leaves(entry.commands, *above, name)
        else:
            yield (*above, name), entry


def loaded(*path: str) -> Any:
    command: Any = get_command(app)
    for name in path:
        command = command.commands[name]
    return command


def first_sentence(text: str) -> str:
    words = text.split("\n\n", maxsplit=1)[0].split()
    end = next((place for place, word in enumerate(words, start=1) if word.endswith(".")), len(words))
    return " ".join(words[:end])


@pytest.mark.parametrize(
    ("path", "leaf"), list(leaves()), ids=lambda value: "" if isinstance(value, Leaf) else " ".join(value)
)
def test_the_table_has_the_first_sentence_of_the_help(path: tuple[str, ...], leaf: Leaf) -> None:
    assert leaf.help == first_sentence(loaded(*path).help)


@pytest.mark.parametrize("name", ["", *(name for name, entry in COMMANDS.items() if isinstance(entry, Noun))])
def test_a_listing_shows_every_sentence_whole(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"] if name else ["--help"], terminal_width=80).output
    listed = COMMANDS[name].commands if name else COMMANDS
    commands = shown[shown.index("Commands:") :].splitlines()[1:]
    assert len(commands) == len(listed)
    assert not [line for line in commands if line.endswith("...")]


def test_the_table_has_every_command_once() -> None:
    targets = [leaf.target for _, leaf in leaves()]
    assert len(targets) == len(set(targets))


def test_completion_lists_commands_from_the_table() -> None:
    words = {"_DIGEST_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "digest outbox re"}
    answer = CliRunner().invoke(app, [], prog_name="digest", env=words).output
    assert all(f'"{name}"' in answer for name in ("release", "reconcile", "resend", "retry"))
    assert "hold" not in answer


def test_a_wrong_name_is_answered_with_the_right_one() -> None:
    answer = CliRunner().invoke(app, ["issue", "lst"])
    assert answer.exit_code == 2
    assert "Did you mean 'list'?" in answer.output


@pytest.mark.parametrize(
    ("line", "heavy"),
    [
        ("issue list", SENDING | NEVER_NEEDED),
        ("outbox status", SENDING | NEVER_NEEDED),
        ("schedule next", SENDING | NEVER_NEEDED),
        ("report", SENDING | NEVER_NEEDED),
        ("tick", SENDING | NEVER_NEEDED),
        ("issue list --json", SENDING | NEVER_NEEDED | {"rich"}),
        ("sink --help", {"sqlmodel", "jinja2.ext", "mjml"}),
    ],
)
def test_a_command_loads_only_what_it_needs(workspace: Path, line: str, heavy: set[str]) -> None:
    program = (
        "import sys; from digest.cli import app\n"
        f"try: app({line.split()!r})\n"
        "except (Exception, SystemExit): pass\n"
        f"print('heavy:', sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=workspace, capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout.endswith("heavy: []\n")
