"""Findings of the accessibility checks on the HTML of a stored edition, for the statement on its page. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lxml import html as lxml_html

from digest.render.checks.accessible import HEADINGS, heading, outline_faults, table_faults, unworded
from digest.render.checks.finding import Finding
from digest.render.checks.links import words_faults
from digest.render.checks.theme import shown_faults

SUBJECTS = ("pictures", "headings", "tables", "links", "language", "contrast")


@dataclass(frozen=True, slots=True)
class AccessReport:
    """How many faults there are of each subject; `pictures` is how many pictures were looked at."""

    pictures: int
    faults: dict[str, int]

    @property
    def passed(self) -> tuple[str, ...]:
        """The subjects without a fault."""
        return tuple(subject for subject in SUBJECTS if subject not in self.faults)


@lru_cache(maxsize=32)
def access_report(html: str) -> AccessReport:
    """Return what the checks find on a page's HTML."""
    tree = lxml_html.document_fromstring(
        html.encode(), parser=lxml_html.HTMLParser(remove_comments=True, encoding="utf-8")
    )
    pictures = list(tree.iter("img"))
    faults = Counter(subject for subject, _ in _faults(tree, pictures))
    return AccessReport(len(pictures), dict(faults))


def _faults(tree: Any, pictures: list[Any]) -> Iterator[tuple[str, Finding | None]]:
    yield from (("pictures", None) for picture in pictures if unworded(picture))
    yield from (("headings", found) for found in outline_faults(map(heading, tree.iter(*HEADINGS))))
    yield from (("tables", found) for table in tree.iter("table") for found in table_faults(None, table))
    yield from (("links", found) for link in tree.iterfind(".//a[@href]") for found in words_faults(link))
    if not tree.get("lang"):
        yield "language", None
    yield from (("contrast", found) for *_, found in shown_faults(tree))
