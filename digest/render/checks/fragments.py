"""Checks of each fragment of a rendering, so that what editions have in common is checked once."""

import html
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

from lxml import html as lxml_html

from digest.render.checks.accessible import HEADINGS, heading, image_faults, table_faults
from digest.render.checks.finding import Finding
from digest.render.checks.links import link_faults
from digest.render.checks.mail import CheckedMail
from digest.render.checks.parts import leftovers
from digest.render.checks.size import shown_pictures
from digest.render.checks.theme import shown_faults
from digest.render.fragments import HtmlFragment, LocalFinding, TextFragment, html_fragment, text_fragment
from digest.render.marks import Cutting, pattern

# In the order of `check_mail`.
SUBJECT, SIZE, STYLE, SLOTS, LEFTOVER, FOOTER, TITLE, LANGUAGE, OUTLINE = range(9)
TABLES, IMAGES, ANCHORS, LINKS, TEXT, CONTRAST = range(9, 15)
_LISTS = ("ids", "names", "links", "headings", "findings")
_FAULTS: dict[str, tuple[int, Callable[[CheckedMail, Any], Iterator[Finding]]]] = {
    "table": (TABLES, table_faults),
    "img": (IMAGES, image_faults),
    "a": (LINKS, link_faults),
}


class NotComposableError(Exception):
    """The templates print something that depends on more than an article and its form; the message says what."""


def html_fragments(cuttings: Sequence[Cutting], marked: str, mail: CheckedMail, number: str) -> list[HtmlFragment]:
    """Return the fragments of a rendering of `mail`, whose HTML with marks is `marked`, each with its findings."""
    facts = _facts(marked, mail)
    if len(facts) != len(cuttings):
        raise NotComposableError("a mark does not stand between elements")
    made = []
    for cutting, own in zip(cuttings, facts, strict=True):
        left = leftovers("HTML", html.unescape(cutting.content), mail)
        own["findings"] += [LocalFinding(LEFTOVER, "", found) for found in left]
        own["pictures"] = sorted(shown_pictures(cutting.content))
        values = {name: tuple(found) for name, found in own.items()}
        made.append(html_fragment(cutting.content, number, mail.nonce, values))
    return made


def text_fragments(cuttings: Sequence[Cutting], mail: CheckedMail, number: str) -> list[TextFragment]:
    """Return the fragments of the plain text of a rendering of `mail`."""
    made = []
    for place, cutting in enumerate(cuttings):
        left = [LocalFinding(LEFTOVER, "", found) for found in leftovers("plain text", cutting.content, mail)]
        content = cutting.content.lstrip() if place == 0 else cutting.content
        content = content.rstrip() if place == len(cuttings) - 1 else content
        made.append(text_fragment(content, number, mail.nonce, left))
    return made


def _facts(marked: str, mail: CheckedMail) -> list[dict[str, list[Any]]]:
    parser = lxml_html.HTMLParser(encoding="utf-8")
    tree = lxml_html.document_fromstring(marked.encode(), parser=parser)
    facts: list[dict[str, list[Any]]] = [{name: [] for name in _LISTS}]
    mark, owners, above = pattern(mail.nonce), {}, "HTML"
    for node in tree.iter():
        if not isinstance(node.tag, str):
            if mark.match(node.text or ""):
                facts.append({name: [] for name in _LISTS})
            continue
        owners[node], own = len(facts) - 1, facts[-1]
        if node.tag in HEADINGS:
            own["headings"].append(heading(node))
            above = f"HTML, under “{own['headings'][-1][1]}”" if node.tag in HEADINGS[:3] else above
        _note_anchors(node, own, above)
        if node.tag in _FAULTS and (node.tag != "a" or node.get("href") is not None):
            rank, faults = _FAULTS[node.tag]
            own["findings"] += [LocalFinding(rank, "", found) for found in faults(mail, node)]
    for element, colours, found in shown_faults(tree, owners.__getitem__):
        facts[owners[element]]["findings"].append(LocalFinding(CONTRAST, " ".join(map(str, colours)), found))
    return facts


def _note_anchors(node: Any, own: dict[str, list[Any]], above: str) -> None:
    if node.get("id") is not None:
        own["ids"].append(node.get("id"))
    if node.tag == "a":
        if node.get("name") is not None:
            own["names"].append(node.get("name"))
        address = (node.get("href") or "").strip()
        if address.startswith("#"):
            own["links"].append((address, above))


def in_order(found: Sequence[LocalFinding]) -> Iterator[Finding]:
    """Yield the findings of an edition's fragments as `check_mail` has them: by check, each once."""
    seen: set[tuple[object, ...]] = set()
    fresh = count()
    for one in sorted(found, key=lambda one: (one.rank, one.key.startswith("dark"))):
        key = (one.rank, one.key or next(fresh))
        if key not in seen:
            seen.add(key)
            yield one.finding
