"""Files of the gettext catalogues: the languages that the program itself speaks."""

from pathlib import Path

CATALOGUES = Path(__file__).resolve().parent.parent / "locale"
_FILE = "LC_MESSAGES/messages.po"


def catalogue_file(language: str) -> Path | None:
    """Return the catalogue of a language tag or of its first subtag, None without one."""
    names = (language.replace("-", "_"), language.partition("-")[0])
    return next((file for name in names if (file := CATALOGUES / name / _FILE).is_file()), None)


def catalogue_languages() -> list[str]:
    """Return the languages that have a catalogue, sorted."""
    return sorted(path.parent.parent.name.replace("_", "-") for path in CATALOGUES.glob(f"*/{_FILE}"))
