"""Versioned texts of pages, as proof of what was shown for consent; each version is stored once.

A version is a hash of the page's text in its language: it changes with a template, a translation, the title of an
interest, the publication's name.
"""

import hashlib
from contextlib import suppress
from datetime import datetime
from html.parser import HTMLParser

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from subscribers.models import Wording

_UNSEEN = frozenset({"script", "style", "head", "header", "footer", "nav"})
_DIGITS = 12  # with the names of page and language they fit into 40 characters
_LONGEST_LANGUAGE = 12


class _Text(HTMLParser):
    """Collects the visible text of the page's main part."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the base's
        if tag in _UNSEEN:
            self._unseen += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen -= 1

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data)


def words_of(html: str) -> str:
    """Return the text of a page's main part, with single blanks."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    return " ".join(" ".join(parser.pieces).split())


def version_of(page: str, language: str, text: str) -> str:
    """Return the version of a page's words, such as `preferences.ko.3f2a91c0d7be`."""
    digest = hashlib.sha256(f"{page}\n{language}\n{text}".encode()).hexdigest()
    return f"{page}.{language[:_LONGEST_LANGUAGE]}.{digest[:_DIGITS]}"


def keep(session: Session, page: str, language: str, html: str, now: datetime) -> str:
    """Store a page's text unless it is stored already, in the caller's transaction; return its version."""
    text = words_of(html)
    version = version_of(page, language, text)
    if session.get(Wording, version) is None:
        # another process may keep the same words at the same moment
        with suppress(IntegrityError), session.begin_nested():
            session.add(Wording(version=version, language=language, text=text, first_used_at=now))
    return version
