"""Slugs of articles: letters and digits of any script, and hyphens. Pure."""

import unicodedata

from digest.articles.draft import MAX_SLUG

_TITLE_LENGTH = 80


def slug_of(title: str) -> str:
    """Return the slug of a title, at most 80 characters, cut between words, not transliterated; "" without letters."""
    text = unicodedata.normalize("NFC", title).lower()
    words = "".join(character if _belongs(character) else " " for character in text).split()
    slug = words[0][:_TITLE_LENGTH] if words else ""
    for word in words[1:]:
        if len(slug) + 1 + len(word) > _TITLE_LENGTH:
            break
        slug += "-" + word
    return unicodedata.normalize("NFC", slug)


def is_slug(text: str) -> bool:
    """Return whether a text is a valid slug."""
    words = text.split("-")
    if not all(words) or len(text) > MAX_SLUG or text != unicodedata.normalize("NFC", text).lower():
        return False
    return all(_belongs(character) for word in words for character in word)


def _belongs(character: str) -> bool:
    # Marks: the vowel signs of Indic scripts are part of their words.
    return character.isalnum() or unicodedata.category(character).startswith("M")
