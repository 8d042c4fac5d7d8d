"""Checks of both parts of a mail before approval: each is a function from a CheckedMail to findings with stable ids."""

from collections.abc import Callable, Iterator

from digest.render.checks.accessible import check_headings, check_images, check_language, check_tables, check_title
from digest.render.checks.finding import Finding, Severity
from digest.render.checks.links import check_anchors, check_links
from digest.render.checks.mail import CheckedMail
from digest.render.checks.parts import check_footer, check_leftovers, check_slots, check_subject, check_text
from digest.render.checks.size import (
    HTML_LIMIT,
    HTML_WARNING,
    check_html_size,
    check_style_size,
    check_weight,
    html_bytes,
    shown_pictures,
)
from digest.render.checks.theme import check_contrast

__all__ = [
    "HTML_LIMIT",
    "HTML_WARNING",
    "CheckedMail",
    "Finding",
    "Severity",
    "check_mail",
    "check_weight",
    "html_bytes",
    "shown_pictures",
]

_CHECKS: tuple[Callable[[CheckedMail], Iterator[Finding]], ...] = (
    check_subject,
    check_html_size,
    check_style_size,
    check_slots,
    check_leftovers,
    check_footer,
    check_title,
    check_language,
    check_headings,
    check_tables,
    check_images,
    check_anchors,
    check_links,
    check_text,
    check_contrast,
)


def check_mail(mail: CheckedMail) -> tuple[Finding, ...]:
    """Return the findings of all checks, without repeats."""
    return tuple(dict.fromkeys(finding for check in _CHECKS for finding in check(mail)))
