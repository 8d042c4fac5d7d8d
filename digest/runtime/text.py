"""Truncation of texts for lists, excerpts and stored replies. Pure."""


def cut(text: str, most: int) -> str:
    """Return the text in at most `most` characters, the last one an ellipsis if it was longer."""
    return text if len(text) <= most else text[: most - 1] + "…"


def cut_between_words(text: str, most: int) -> str:
    """Return the whole words within the first `most` characters, without an ellipsis; a single long word is cut."""
    return text if len(text) <= most else text[:most].rpartition(" ")[0] or text[: most - 1]
