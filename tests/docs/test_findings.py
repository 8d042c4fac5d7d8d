"""docs/reference/findings.md has a section for each finding of the checks, and for no other."""

import ast
import re
from collections import defaultdict
from pathlib import Path

from digest.publish.waivers import WAIVABLE

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/findings.md").read_text("utf-8")
SECTION = re.compile(r"^### `([a-z-]+)`\n(.+?)(?=\n\n#|\Z)", re.MULTILINE | re.DOTALL)
FIRST_WORD = {"BLOCK": "Blocks", "ADVISE": "Advises"}


def in_code() -> dict[str, set[str]]:
    """The ids with what each may do; a variable severity is either."""
    found = defaultdict(set)
    for path in [*ROOT.glob("digest/render/**/*.py"), *ROOT.glob("digest/publish/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                identifier, severity = ast.literal_eval(node.args[0]), node.args[1]
                names = [severity.attr] if isinstance(severity, ast.Attribute) else list(FIRST_WORD)
                found[identifier].update(FIRST_WORD[name] for name in names)
    return found


def test_findings_and_their_sections_belong_to_each_other() -> None:
    sections = dict(SECTION.findall(PAGE))
    assert sorted(sections) == sorted(in_code())
    assert len(sections) == PAGE.count("\n### ")
    wrong = {one: text for one, text in sections.items() if re.split(r"\W", text)[0] not in in_code()[one]}
    assert wrong == {}


def test_the_page_says_which_blocking_ones_can_be_waived() -> None:
    assert {one for one, text in SECTION.findall(PAGE) if text.startswith("Blocks; can be waived.")} == WAIVABLE
