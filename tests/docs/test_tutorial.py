"""The tutorials and the README are run as a reader would: each command in turn, in an empty folder, with what the page shows.

A command that ends with `&` runs to the end of the page, on a free port in place of 2525.
"""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.page_commands import background, done, free_port, missing_line, steps

PAGES = ["docs/tutorial/first-issue.md", "docs/tutorial/your-own-digest.md", "README.md"]


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


def test_a_line_that_was_not_printed_is_noticed() -> None:
    printed = "Issue 21: 24 planned\nstate     deliveries\naccepted          24\n"
    assert missing_line(("Issue 21: … planned", "accepted 24"), printed) is None
    assert missing_line(("accepted 24", "Issue 21: 24 planned"), printed) == "Issue 21: 24 planned"
    assert missing_line(("accepted 25",), printed) == "accepted 25"
    assert missing_line(("1 en 63639",), "1  en  61234") is None
