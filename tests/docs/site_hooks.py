"""Hooks of mkdocs.yml: the order of the pages, and links that leave docs/ lead to the repository."""

import posixpath
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"
REPOSITORY = "https://github.com/digestpress/digestpress/tree/main/"
SECTIONS = {
    "Learn": ["tutorial/your-own-digest.md", "tutorial/first-issue.md"],
    "Do": "how-to",
    "Look up": "reference",
    "Understand": "explanation",
    "Why it is so": "adr",
}
LINK = re.compile(r"(\]\()(?![a-z]+:|#)([^)\s#]+)")


def on_config(config: Any) -> Any:
    """Order the pages as docs/README.md does."""
    config["nav"] = [{"Home": "README.md"}, *({title: pages(place)} for title, place in SECTIONS.items())]
    config["nav"].insert(4, {"Words": "glossary.md"})
    return config


def pages(place: str | list[str]) -> list[str]:
    """Return the pages of a folder, its index first."""
    if isinstance(place, list):
        return place
    found = sorted((DOCS / place).glob("*.md"), key=lambda path: (path.name != "README.md", path.name))
    return [path.relative_to(DOCS).as_posix() for path in found]


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links to what is not a page of the site into links to the repository."""
    folder = posixpath.dirname(page.file.src_uri)

    def elsewhere(found: re.Match[str]) -> str:
        goal = posixpath.normpath(posixpath.join("docs", folder, found[2]))
        inside = (
            goal.startswith("docs/")
            and not goal.startswith("docs/operating")
            and goal.endswith((".md", ".png", ".svg"))
        )
        return found[0] if inside else f"{found[1]}{REPOSITORY}{goal}"

    return LINK.sub(elsewhere, markdown)
