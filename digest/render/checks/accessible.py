"""Accessibility checks: title, language, headings, tables, images."""

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from digest.render.checks.finding import Finding, Severity
from digest.render.checks.mail import CheckedMail, where
from digest.runtime.text import count_of

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


def check_title(mail: CheckedMail) -> Iterator[Finding]:
    """The title equals the subject: some screen readers read it first."""
    title = mail.tree.find(".//title")
    text = " ".join((title.text or "").split()) if title is not None else ""
    if text != " ".join(mail.subject.split()):
        message = f"The title of the HTML is “{text}”, not the subject"
        yield Finding("title-subject", Severity.BLOCK, "HTML", message, "Set mj-title to the subject.")


def check_language(mail: CheckedMail) -> Iterator[Finding]:
    """Language and direction are set on html and on the children of body, because mail apps drop html and body."""
    elements = [mail.tree, *(e for e in mail.tree.find("body") if isinstance(e.tag, str))]
    for element in elements:
        missing = [name for name in ("lang", "dir") if not element.get(name) or element.get(name) in {"und", "auto"}]
        if missing:
            message = f"<{element.tag}> has no {' and no '.join(missing)}"
            yield Finding("language-missing", Severity.BLOCK, "HTML", message, "Set lang and dir on <mjml>.")


def check_headings(mail: CheckedMail) -> Iterator[Finding]:
    """There is one h1, no skipped level and no empty heading."""
    yield from outline_faults(map(heading, mail.tree.iter(*HEADINGS)))


def heading(element: Any) -> tuple[int, str]:
    """Return the level of a heading and its words."""
    return int(element.tag[1]), " ".join(element.text_content().split())


def outline_faults(headings: Iterable[tuple[int, str]]) -> Iterator[Finding]:
    """Yield the findings on the headings of a mail, each with its level and words, in order."""
    headings = list(headings)
    ones = sum(rank == 1 for rank, _ in headings)
    if ones != 1:
        message = f"The mail has {count_of(ones, 'first-level heading')}"
        yield Finding("heading-one", Severity.BLOCK, "HTML", message, "Print exactly one h1: the publication's name.")
    level, place = 0, "HTML"
    for rank, text in headings:
        place = f"HTML, under “{text}”" if rank <= 3 else place
        if not text:
            yield Finding("heading-empty", Severity.BLOCK, place, f"An h{rank} heading is empty", "Add text to it.")
        if rank > level + 1:
            message = f"“{text}” is an h{rank} after an h{level}" if level else f"The first heading is an h{rank}"
            yield Finding("heading-order", Severity.BLOCK, place, message, f"Make it an h{level + 1}.")
        level = rank


def check_tables(mail: CheckedMail) -> Iterator[Finding]:
    """Layout tables have a role; data tables have headers."""
    for table in mail.tree.iter("table"):
        yield from table_faults(mail, table)


def table_faults(_: CheckedMail | None, table: Any) -> Iterator[Finding]:
    """Yield what is wrong with one table."""
    if table.get("role") not in {"presentation", "none"} and table.find(".//th") is None:
        message = "A table has neither header cells nor a role, so screen readers announce its rows and columns"
        remedy = 'Give a layout table role="presentation", and a data table header cells.'
        yield Finding("table-role", Severity.BLOCK, where(table), message, remedy)


def check_images(mail: CheckedMail) -> Iterator[Finding]:
    """Every image has a text alternative, a width in pixels and an address of the publication."""
    for image in mail.tree.iter("img"):
        yield from image_faults(mail, image)


def image_faults(mail: CheckedMail, image: Any) -> Iterator[Finding]:
    """Yield what is wrong with one picture."""
    media = f"{mail.publication.base_url.rstrip('/')}/media/"
    source = image.get("src") or ""
    name = urlsplit(source).path.rpartition("/")[2] or source
    if unworded(image):
        alone = _is_alone(image)
        message = f"The picture {name} is a link without text" if alone else f"The picture {name} has no alt text"
        yield Finding(
            "image-alt", Severity.BLOCK, where(image), message, "Describe in `alt` what it shows or where it leads."
        )
    if not re.fullmatch(r"[1-9]\d*", image.get("width") or ""):
        message = f"The picture {name} has no width in pixels, so Outlook shows it at full size"
        yield Finding(
            "image-width", Severity.BLOCK, where(image), message, "Give the img a width attribute without a unit."
        )
    if not source.startswith(media):
        message = f"The picture {source or '(no address)'} is not served from {media}"
        remedy = "Import the picture with its article: mails must not load content from other servers."
        yield Finding("image-remote", Severity.BLOCK, where(image), message, remedy)


def unworded(image: Any) -> bool:
    """Return whether a picture lacks a text alternative, which may be empty only where it is not all of a link."""
    words = image.get("alt")
    return words is None or (_is_alone(image) and not words.strip())


def _is_alone(image: Any) -> bool:
    link = next(image.iterancestors("a"), None)
    return link is not None and not link.text_content().strip()
