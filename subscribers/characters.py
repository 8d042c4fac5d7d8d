"""Control and invisible characters, forbidden in names, addresses and header fields. Pure."""

from unicodedata import category

# Controls, lone surrogates, and the separators that `str.splitlines` takes for line ends.
_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})


def has_controls(text: str) -> bool:
    """Return whether the text holds a line end or another control character."""
    return not text.isprintable() and any(category(character) in _CONTROLS for character in text)


def has_invisible(text: str) -> bool:
    """Return whether the text holds a control or invisible character, such as a zero-width space."""
    return has_controls(text) or any(category(character) == "Cf" for character in text)
