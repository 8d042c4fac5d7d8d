"""Documentation and program say the same: commands, options, settings, exit codes, file formats, links; both ways."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from digest.articles import intake
from digest.cli import app
from digest.runtime import errors
from digest.settings.describe import described
from subscribers.transfer.rows import COLUMNS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "templates" / "README.md"])
OURS = re.compile(
    r"^https://(?:github\.com/digestpress/digestpress/(?:blob|tree)|raw\.githubusercontent\.com/digestpress/digestpress)/main/"
)
FENCE = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def commands() -> Iterator[tuple[str, Any]]:
    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield name, command
        for part, inner in getattr(command, "commands", {}).items():
            yield from below(f"{name} {part}", inner)

    yield from below("digest", typer.main.get_command(app))


COMMANDS = dict(commands())


def test_generated_pages_are_what_the_code_says() -> None:
    script = str(ROOT / "tests" / "docs" / "reference_pages.py")
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", list(COMMANDS)[1:])
def test_a_command_is_documented_and_has_help(name: str) -> None:
    assert re.search(rf"^##+ `{re.escape(name)}[ `]", page("reference/cli.md"), re.MULTILINE)
    assert (COMMANDS[name].help or "").strip()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does(name: str) -> None:
    silent = [p.name for p in COMMANDS[name].params if p.param_type_name == "option" and not p.help]
    assert silent in ([], ["version"])


def test_every_setting_is_documented_with_its_meaning() -> None:
    text = page("reference/configuration.md")
    for entry in described():
        table, key = entry["setting"].rsplit(" ", 1)
        section = text.split(f"## `{table}`\n")[1].split("\n## ")[0]
        assert f"| `{key}` |" in section, entry["setting"]
        assert entry["meaning"], entry["setting"]


def test_every_exit_code_is_documented() -> None:
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    documented = {int(code) for code in re.findall(r"^\| `(\d+)` \|", page("reference/cli.md"), re.MULTILINE)}
    assert documented == codes | {70, 130}


def test_front_matter_is_documented_key_by_key() -> None:
    table = page("reference/files.md").split("## Readers")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    documented = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert documented == set(intake.KEYS) - {"body"}
    for key in (*intake.IMAGE_KEYS, *intake.VIDEO_KEYS, *intake.CITATION_KEYS, *intake.KINDS):
        assert f"`{key}`" in table, key


def test_the_readers_file_is_documented_column_by_column() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", page("reference/files.md").split("## Readers")[1], re.MULTILINE)
    assert rows == list(COLUMNS)


def _lines_with_commands(text: str) -> Iterator[str]:
    for block in FENCE.findall(text):
        if "mermaid" not in block.splitlines()[0]:
            yield from re.findall(r"^ *\$ (?:.*&& )?(digest .*)$", block, re.MULTILINE)
    prose = FENCE.sub("", text)
    yield from re.findall(r"`(?:\$ |[^`\n]*&& )?(digest [^`\n]+)`", prose)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_that_a_page_shows_exist(path: Path) -> None:
    for line in _lines_with_commands(path.read_text(encoding="utf-8")):
        words = re.sub(r"\s+#.*$|\s+[|>].*$", "", line).split()
        name, command = "digest", COMMANDS["digest"]
        for word in words[1:]:
            if f"{name} {word}" not in COMMANDS:
                break
            name = f"{name} {word}"
            command = COMMANDS[name]
        is_group = hasattr(command, "commands")
        options = {
            option for p in (*command.params, *COMMANDS["digest"].params) for option in (*p.opts, *p.secondary_opts)
        }
        assert not is_group or len(words) == len(name.split()) or words[-1].startswith("-"), f"{path.name}: {line}"
        unknown = [w.split("=")[0] for w in words if w.startswith("-") and w.split("=")[0] not in options | {"--help"}]
        assert not unknown, f"{path.name}: {line}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    prose = FENCE.sub("", path.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        target = OURS.sub("", link)
        folder = path.parent if target == link else ROOT
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        goal = (folder / name).resolve() if name else path
        assert goal.exists(), f"{path.name}: {target}"
        if anchor:
            assert anchor in _anchors(goal), f"{path.name}: {target}"


def test_the_readme_s_links_work_in_a_package_index() -> None:
    text = FENCE.sub("", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if not target.startswith("https://")] == []
    pictures = re.findall(r"!\[([^\]]*)\]", text)
    assert len(pictures) == 2
    assert all(pictures)


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_can_be_reached_from_the_index() -> None:
    seen: set[Path] = set()
    queue = [ROOT / "docs" / "README.md"]
    while queue:
        current = queue.pop()
        if current in seen or current.suffix != ".md" or not current.exists():
            continue
        seen.add(current)
        targets = re.findall(r"\]\(([^)#\s]+)", current.read_text(encoding="utf-8"))
        queue += [(current.parent / target).resolve() for target in targets if ":" not in target]
    assert set((ROOT / "docs").rglob("*.md")) <= seen
