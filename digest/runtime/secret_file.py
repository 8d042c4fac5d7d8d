"""Reading of files that hold one secret, named by a setting."""

from pathlib import Path

from digest.runtime.errors import ConfigError

MIN_TOKEN = 16


def read_secret_file(path: Path, setting: str) -> str:
    """Return the text of a secret file without blanks around it. Raises ConfigError with `setting`, also if empty."""
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise ConfigError(f"{setting} cannot be read: {path.name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{setting} is not UTF-8: {path.name}", hint="Save the file as UTF-8.") from error
    if not text:
        raise ConfigError(f"{setting} is empty: {path.name}", hint="Write the secret to it, on one line.")
    return text


def read_token_file(path: Path, setting: str) -> bytes:
    """Return a token that others show to us. Raises ConfigError, also for fewer than 16 ASCII characters."""
    token = read_secret_file(path, setting)
    if len(token) < MIN_TOKEN or not token.isascii():
        hint = f"Create one: openssl rand -hex 32 > {path.name}; chmod 600 {path.name}"
        raise ConfigError(f"{setting} contains fewer than {MIN_TOKEN} plain characters", hint=hint)
    return token.encode()
