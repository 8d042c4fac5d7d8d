"""Checks of size: Gmail clips large mails and drops large styles."""

import re
from collections.abc import Iterator, Mapping

from digest.render.checks.finding import Finding, Severity
from digest.render.checks.mail import CheckedMail
from digest.render.slots import WORST_VALUES, SlotContext, fill

HTML_WARNING = 90_000
"""Bytes of HTML above which articles become summaries, with advice."""
HTML_LIMIT = 100_000
"""Bytes of HTML above which a finding blocks: Gmail clips at about 102,000, and the unsubscribe link is at the end."""
WEIGHT_WARNING = 2_000_000
"""Bytes of both parts and all pictures above which a finding advises: on a slow phone that takes half a minute."""
STYLE_LIMIT = 16_000
"""Bytes in style elements; above about 16 KB Gmail ignores them."""
_SHOWN_PICTURE = re.compile(r"<img\b[^>]*\ssrc=\"[^\"]*/media/([0-9a-f]{64})\.")


def html_bytes(html: str, nonce: str) -> int:
    """Return the UTF-8 bytes of a rendered mail with the longest slot values."""
    return len(fill(html, nonce, WORST_VALUES, SlotContext.HTML).encode())


def check_html_size(mail: CheckedMail) -> Iterator[Finding]:
    """The HTML stays below the size at which Gmail clips."""
    yield from size_faults(html_bytes(mail.html, mail.nonce))


def size_faults(size: int) -> Iterator[Finding]:
    """Yield the finding on so many bytes of HTML."""
    if size > HTML_WARNING:
        severity = Severity.BLOCK if size > HTML_LIMIT else Severity.ADVISE
        message = f"The HTML has {size:,} bytes; Gmail clips mails at about 102,000"
        yield Finding("html-size", severity, "HTML", message, "Show more articles as summaries, or remove some.")


def check_style_size(mail: CheckedMail) -> Iterator[Finding]:
    """The style elements stay below the size at which Gmail ignores them."""
    size = sum(len((style.text or "").encode()) for style in mail.tree.iter("style"))
    if size > STYLE_LIMIT:
        message = f"The mail has {size:,} bytes of styles; Gmail ignores more than 16,000"
        yield Finding("style-size", Severity.BLOCK, "HTML", message, "Shorten email/layouts/adapt.mjml.j2.")


def shown_pictures(html: str) -> set[str]:
    """Return the hashes of the stored pictures that a mail shows."""
    return set(_SHOWN_PICTURE.findall(html))


def check_weight(parts: int, pictures: Mapping[str, int]) -> Iterator[Finding]:
    """The mail, whose parts have so many bytes, loads on a slow connection, too, with its pictures (hash -> bytes)."""
    weight = parts + sum(pictures.values())
    if weight > WEIGHT_WARNING:
        pictures_part = f"{len(pictures)} pictures, the heaviest {max(pictures.values(), default=0) / 1e6:.1f} MB"
        message = f"The mail and its pictures weigh {weight / 1e6:.1f} MB ({pictures_part})"
        remedy = "Save photographs as JPEG, 1,200 pixels wide, and animations as a still picture with a link."
        yield Finding("mail-weight", Severity.ADVISE, "pictures", message, remedy)
