"""Cache of rendered fragments in `.state/fragments.json`: one bounded file that may be deleted at any time.

The file holds a hash of its content; a damaged one counts as empty. Of two commands at once, the last one's is kept.
"""

import hashlib
import json
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from digest.runtime.atomic_file import private_folder, whole_file
from digest.runtime.errors import DigestError

NAME = "fragments.json"
MAX_CHARACTERS = 32_000_000
"""What was not used for longest makes room; an issue of 200 articles in two languages takes about 10 million."""


class FragmentCache(MutableMapping[str, Any]):
    """JSON values by the hash of what they were made from."""

    def __init__(self, path: Path, *, most: int = MAX_CHARACTERS) -> None:
        self._path, self._most = path, most
        self._values = _read(path)
        self._used: dict[str, None] = {}
        self._changed = False

    def __getitem__(self, key: str) -> Any:
        value = self._values[key]
        self._used[key] = None
        return value

    def __setitem__(self, key: str, value: object) -> None:
        self._values[key] = value
        self._used[key] = None
        self._changed = True

    def __delitem__(self, key: str) -> None:
        del self._values[key]
        self._changed = True

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def save(self) -> None:
        """Write what was added, the least recently used first; without it, the next command renders again."""
        if not self._changed:
            return
        order = [*(key for key in self._values if key not in self._used), *self._used]
        kept: list[str] = []
        room = self._most
        for key in reversed([key for key in order if key in self._values]):
            line = json.dumps([key, self._values[key]], ensure_ascii=True, separators=(",", ":"))
            room -= len(line)
            if room < 0:
                break
            kept.append(line)
        content = "[" + ",\n".join(reversed(kept)) + "]"
        with suppress(OSError, DigestError):  # a full or read-only disk
            private_folder(self._path.parent)
            with whole_file(self._path, mode=0o600, durable=False) as partial:
                partial.write_text(f"{_hash(content)}\n{content}", encoding="ascii")
        self._changed = False


def _read(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError, TypeError, RecursionError):
        stated, _, content = path.read_text(encoding="ascii").partition("\n")
        if stated == _hash(content):
            return dict(json.loads(content))
    return {}


def _hash(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()
