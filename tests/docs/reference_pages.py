"""The pages of docs/ made from code: commands from their help, settings from their models, states from MOVES."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer.main

from digest.cli import app
from digest.issues import lifecycle
from digest.outbox import states
from digest.runtime import errors
from digest.settings.describe import described
from subscribers import consent

DOCS = Path(__file__).resolve().parents[2] / "docs"
NOTE = "<!-- Made by scripts/docs from the code; do not edit here. -->"

EXIT_CODES = {
    errors.EXIT_DONE: "done",
    errors.EXIT_ATTENTION: "finished, but something needs a person: checks failed, deliveries rejected or uncertain",
    errors.EXIT_USAGE: "wrong usage or configuration; nothing was done",
    errors.EXIT_REFUSED: "refused by a promise: not approved, already sent, not confirmed, too late",
    errors.EXIT_ENVIRONMENT: "the environment failed: database or relay unreachable, disk full; nothing is lost",
    70: "a fault in the program itself; `-v` shows where",
    130: "stopped with Ctrl-C; run it again to continue",
}

CLI_HEAD = f"""# Commands

{NOTE}

Commands find the workspace as git finds its repository: this folder or the nearest one above that holds a
`digest.toml`. These options belong to every command and may be anywhere on the line:

{{globals}}

With `--json` stdout holds one JSON document and nothing else; diagnostics go to stderr. An error is one sentence and,
where there is one, a hint. Exit codes:

{{codes}}
"""

CONFIGURATION_HEAD = f"""# Settings

{NOTE}

A setting comes from the first of these that has it: an option on the command line, the environment (`DIGEST_…`), `.env`
in the workspace, `secrets.toml`, `digest.toml`. A text that readers see may be one string or a table by language:
`title = {{{{ en = "Mobility", ko = "모빌리티" }}}}`. `[[table]]` may occur several times. An unknown key is an error
that names the nearest known one. `digest config describe` prints this list, `digest config check` reads a workspace's.

{{settings}}
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Yield each command's full name and click command, groups before what is in them."""
    yield from _below("digest", typer.main.get_command(app))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for part, inner in sorted(getattr(command, "commands", {}).items()):
        yield from _below(f"{name} {part}", inner)


def cli_page() -> str:
    """Return docs/reference/cli.md."""
    (_, root), *rest = commands()
    codes = _table(("code", "meaning"), [(f"`{code}`", words) for code, words in EXIT_CODES.items()])
    head = CLI_HEAD.format(globals=_parameters(root), codes=codes)
    return head + "".join(_command(name, command) for name, command in rest)


def _command(name: str, command: Any) -> str:
    help_text = " ".join((command.help or "").split())
    if hasattr(command, "commands"):
        return f"\n## `{name}`\n\n{help_text}\n"
    level = "###" if name.count(" ") > 1 else "##"
    arguments = [_argument(p) for p in command.params if p.param_type_name == "argument"]
    usage = " ".join([name, *arguments])
    parameters = _parameters(command)
    return f"\n{level} `{usage}`\n\n{help_text}\n" + (f"\n{parameters}\n" if parameters else "")


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return name if parameter.required else f"[{name}]"


def _parameters(command: Any) -> str:
    rows = []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            if help_text := getattr(parameter, "help", None):
                rows.append((f"`{_argument(parameter)}`", help_text))
        elif parameter.name not in {"help", "install_completion", "show_completion"}:
            names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
            rows.append((names, " ".join(filter(None, [parameter.help, _default(parameter)]))))
    return _table(("option", "meaning"), rows) if rows else ""


def _default(parameter: Any) -> str:
    if parameter.required:
        return "Required."
    worth_saying = isinstance(parameter.default, int | str | Path) and parameter.default not in ("", False)
    return f"Default: `{parameter.default}`." if worth_saying else ""


def configuration_page() -> str:
    """Return docs/reference/configuration.md."""
    tables: dict[str, list[tuple[str, ...]]] = {}
    for entry in described():
        table, key = entry["setting"].rsplit(" ", 1)
        default = entry["default"] if entry["default"] in ("", "required") else f"`{entry['default']}`"
        tables.setdefault(table, []).append((f"`{key}`", default, _code(entry["environment"]), entry["meaning"]))
    columns = ("setting", "default", "environment", "meaning")
    text = "\n\n".join(f"## `{table}`\n\n{_table(columns, rows)}" for table, rows in tables.items())
    return CONFIGURATION_HEAD.format(settings=text)


def _code(names: str) -> str:
    return " or ".join(f"`{name}`" for name in names.split(" or ") if name)


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def state_picture(moves: Mapping[Any, frozenset[Any]], first: str) -> str:
    """Return a mermaid state diagram of a table of allowed moves."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    for state, nexts in moves.items():
        lines += [f"    {state.value} --> {after.value}" for after in sorted(nexts)]
        if not nexts:
            lines.append(f"    {state.value} --> [*]")
    return "\n".join([*lines, "```"])


PICTURES: dict[str, Callable[[], str]] = {
    "issue": lambda: state_picture(lifecycle.MOVES, "draft"),
    "delivery": lambda: state_picture(states.MOVES, "pending"),
    "subscriber": lambda: state_picture(consent.MOVES, "pending"),
}


def states_page(text: str) -> str:
    """Return docs/explanation/states.md with the pictures between their markers made anew."""
    for name, picture in PICTURES.items():
        pattern = rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end of {name} -->)"
        text, found = re.subn(pattern, rf"\g<1>{picture()}\n\g<2>", text, flags=re.DOTALL)
        if not found:
            raise SystemExit(f"docs/explanation/states.md has no marker for {name}")
    return text


def pages() -> dict[Path, str]:
    """Return every generated page as it should be."""
    states_file = DOCS / "explanation" / "states.md"
    return {
        DOCS / "reference" / "cli.md": cli_page(),
        DOCS / "reference" / "configuration.md": configuration_page(),
        states_file: states_page(states_file.read_text(encoding="utf-8")),
    }


def main() -> None:
    """Write what is stale, or with --check only name it and fail."""
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if "--check" not in sys.argv:
            path.write_text(pages()[path], encoding="utf-8")
        print(f"{'stale' if '--check' in sys.argv else 'written'}: {path.relative_to(DOCS.parent)}")
    if stale and "--check" in sys.argv:
        sys.exit("Run scripts/docs and look at the difference.")


if __name__ == "__main__":
    main()
