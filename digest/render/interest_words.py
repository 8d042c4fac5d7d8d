"""Interests as text in mails and in the preview. Pure."""

from collections.abc import Callable, Sequence

from digest.settings.publication import Interest, pick
from subscribers.interests import ALL_TEXT, Catalogue


def interests_in_words(
    text: str, language: str, offered: Sequence[Interest], catalogue: Catalogue, translate: Callable[[str], str]
) -> str:
    """Return the stored interests `text` as titles in `language`, in the publication's order."""
    chosen = catalogue.parse(text)
    if ALL_TEXT in chosen:
        return translate("everything")
    titles = [pick(one.title, language) for one in offered if one.slug in chosen]
    return ", ".join(titles) or translate("what is for everyone")
