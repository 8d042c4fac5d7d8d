"""A rendered mail with its sources, as the input of checks."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from lxml import html as lxml_html

from digest.render.context import PublicationView
from digest.render.slots import EDITION_SLOTS, Slot


@dataclass(frozen=True)
class CheckedMail:
    """Both parts with their slot tokens.

    `declared` counts the slots in the MJML; `source` is the input of the templates, where markers such as `{{` may be
    an author's text; `titles` are those of the articles in order.
    """

    subject: str
    html: str
    text: str
    nonce: str
    publication: PublicationView
    source: object
    theme: Mapping[str, Any]
    declared: Counter[Slot]
    required: frozenset[Slot] = EDITION_SLOTS
    titles: tuple[str, ...] = ()
    preheader: str = ""

    @cached_property
    def tree(self) -> Any:
        """The parsed HTML without comments."""
        parser = lxml_html.HTMLParser(remove_comments=True, encoding="utf-8")
        return lxml_html.document_fromstring(self.html.encode(), parser=parser)

    @cached_property
    def source_text(self) -> str:
        """All texts in the input of the templates."""
        return "\n".join(texts(self.source))

    @property
    def local(self) -> bool:
        """Whether the publication's address is this machine, as in a trial."""
        return is_loopback(urlsplit(self.publication.base_url).hostname or "")


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine's own."""
    return host in {"localhost", "::1"} or host.endswith(".localhost") or host.startswith("127.")


def where(element: Any) -> str:
    """Return the part and the heading above an element."""
    above = element.xpath("(ancestor-or-self::*|preceding::*)[self::h1 or self::h2 or self::h3][last()]")
    return f"HTML, under “{' '.join(above[0].text_content().split())}”" if above else "HTML"


def texts(value: object) -> Iterator[str]:
    """Yield all texts in values of templates."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from texts(inner)
    elif is_dataclass(value):
        for spec in fields(value):
            yield from texts(getattr(value, spec.name))
