"""TOML files that a program changes: comments, order and form stay, and nobody else's change is overwritten."""

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError, TOMLKitError
from tomlkit.items import AoT, Table

from digest.runtime.atomic_file import whole_file
from digest.runtime.containment import leads_out
from digest.runtime.errors import ConfigError, EnvironmentFailedError

MAX_BYTES = 1_000_000
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A TOML file as it was read; `text` is empty if there is none."""

    path: Path
    text: str

    @property
    def hash(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def changed(self, values: Mapping[tuple[str, ...], object]) -> str:
        """Return the text with values at their paths; None removes a key. Tables are made where they are missing.

        Raises ConfigError with file and line for a text that is no TOML.
        """
        bom = _BOM if self.text.startswith(_BOM) else ""
        try:
            document = tomlkit.parse(self.text.removeprefix(_BOM))
            for path, value in values.items():
                _put(document, path, value)
            return bom + tomlkit.dumps(document)
        except ParseError as error:
            raise ConfigError(f"{self.path.name}, line {error.line}: this is not valid TOML: {error}") from error
        except (TOMLKitError, TypeError, ValueError) as error:
            raise ConfigError(f"{self.path.name} cannot be changed by a program: {error}") from error

    def write(self, text: str) -> None:
        """Replace the file in one step; its mode stays. Raises EnvironmentFailedError."""
        try:
            self.path.parent.mkdir(exist_ok=True)
            mode = self.path.stat().st_mode & 0o777 if self.path.exists() else None
            if mode is not None and not os.access(self.path, os.W_OK):
                raise PermissionError(13, os.strerror(13))
            with whole_file(self.path.resolve(), mode=mode) as partial:
                partial.write_bytes(text.encode())
        except OSError as error:
            hint = "Make the file and its folder writable for the user that runs digest, or edit it by hand."
            raise EnvironmentFailedError(f"{self.path} cannot be written: {error.strerror}", hint=hint) from error


def read_toml(path: Path, workspace: Path) -> TomlFile:
    """Read a file of the workspace that need not exist. Raises ConfigError for one that is unfit, with its line."""
    if leads_out(path, workspace):
        raise ConfigError(f"{path.name} is a link that points outside the workspace", hint="Copy the file itself.")
    try:
        if path.exists() and path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path.name} has more than {MAX_BYTES:,} bytes")
        content = path.read_bytes() if path.exists() else b""
        file = TomlFile(path, content.decode())
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path.name}, line {line}: this is not UTF-8", hint="Save the file as UTF-8.") from error
    except OSError as error:
        raise ConfigError(f"{path.name} cannot be read: {error.strerror}") from error
    file.changed({})
    return file


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process or thread is in this block for the same folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _put(table: Any, path: tuple[str, ...], value: object) -> None:
    *above, key = path
    for depth, name in enumerate(above):
        if not isinstance(table.get(name), MutableMapping):
            if value is None:
                return
            _set(table, name, tomlkit.inline_table() if depth else tomlkit.table())
        table = table[name]
    if value is None:
        table.pop(key, None)
    elif isinstance(value, Mapping):
        texts = tomlkit.inline_table()
        texts.update(value)
        _set(table, key, texts)
    else:
        _set(table, key, value)


def _set(table: Any, key: str, value: object) -> None:
    """Set a key; a new one goes behind the last one, before the comments that introduce the next table."""
    if key in table or not isinstance(table, Table) or not table:
        table[key] = value
        return
    last = [name for name, item in table.value.body if name is not None and not isinstance(item, Table | AoT)]
    if last:
        table.value._insert_after(last[-1], key, tomlkit.item(value))  # noqa: SLF001 - tomlkit has no public way
    else:
        table[key] = value
