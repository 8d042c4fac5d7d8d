"""Rotation of the link keys in secrets.toml: the first key signs, every key verifies."""

import hashlib
import re
import secrets
import stat
import tomllib
from collections.abc import Sequence
from pathlib import Path

from digest.runtime.atomic_file import whole_file
from digest.runtime.errors import ConfigError, NotFoundError, RefusedError
from digest.settings.root import SECRETS_NAME, load_settings

_ASSIGNMENT = re.compile(r"^(?P<name>[ \t]*link_keys[ \t]*=[ \t]*)\[[^\]]*\]", re.MULTILINE)
_VARIABLE = "DIGEST_SECRETS__LINK_KEYS"


class KeyNotFoundError(NotFoundError):
    """There is no such link key."""

    default_hint = "To list the keys: digest links list"


def name_of(key: str) -> str:
    """Return a key's public name: the first eight hex digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]


def rotate(workspace: Path) -> tuple[str, list[str]]:
    """Add a new key in front; return its name and the names of all."""
    path, text, keys = _read(workspace)
    new = secrets.token_urlsafe(32)
    return name_of(new), _write(path, text, [new, *keys])


def retire(workspace: Path, name: str) -> list[str]:
    """Remove a key for good; return the names of the others. Raises RefusedError for the key that signs."""
    path, text, keys = _read(workspace)
    names = [name_of(key) for key in keys]
    if name not in names:
        raise KeyNotFoundError(f"There is no link key {name}")
    if name == names[0]:
        raise RefusedError(f"{name} is the key that is signing now", hint="Run `digest links rotate` first.")
    return _write(path, text, [key for key in keys if name_of(key) != name])


def _read(workspace: Path) -> tuple[Path, str, list[str]]:
    path = workspace / SECRETS_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    keys = _keys(text)
    if not keys or len(_ASSIGNMENT.findall(text)) != 1:
        message = f'{path} has no line of the form link_keys = ["..."] that could be changed'
        raise ConfigError(message, hint="Write link_keys in that form.")
    if [key.get_secret_value() for key in load_settings(workspace).secrets.link_keys] != keys:
        raise RefusedError(
            f"The link keys in use are not those of {SECRETS_NAME}: they come from the environment or .env",
            hint=f"Change {_VARIABLE} there; put the new key first.",
        )
    return path, text, keys


def _keys(text: str) -> list[str]:
    try:
        found = tomllib.loads(text).get("secrets", {}).get("link_keys", [])
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{SECRETS_NAME} is not valid TOML: {error}") from error
    return [str(key) for key in found]


def _write(path: Path, text: str, keys: Sequence[str]) -> list[str]:
    written = ", ".join('"{}"'.format(key.replace("\\", "\\\\").replace('"', '\\"')) for key in keys)
    changed = _ASSIGNMENT.sub(lambda found: f"{found['name']}[{written}]", text)
    if _keys(changed) != list(keys):
        raise ConfigError(f"{path} could not be changed safely", hint="Edit link_keys by hand: the newest key first.")
    # half a file would be no key at all, and every link in old mails dead
    with whole_file(path, mode=stat.S_IMODE(path.stat().st_mode)) as partial:
        partial.write_text(changed, encoding="utf-8")
    return [name_of(key) for key in keys]
