"""Reading of files that hold one secret, named by a setting."""

from pathlib import Path

from digest.runtime.errors import ConfigError


def read_secret_file(path: Path, setting: str) -> str:
    """Return the text of a secret file without blanks around it. Raises ConfigError with `setting`, also if empty."""
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise ConfigError(f"{setting} cannot be read: {path.name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{setting} is not UTF-8: {path.name}", hint="Save the file as UTF-8.") from error
    if not text:
        raise ConfigError(f"{setting} is empty: {path.name}", hint="Write the secret into it, on one line.")
    return text
