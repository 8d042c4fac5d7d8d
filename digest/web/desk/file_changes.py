"""Detection of changed files in a workspace, on each request and as Server-Sent Events."""

import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from watchfiles import Change, DefaultFilter, awatch

from digest.settings.root import CONFIG_NAME

ARTICLES = "articles"
TEMPLATES = "templates"
QUIET_MILLISECONDS = 200

Stamp = frozenset[tuple[str, int, int]]


def stamp(*places: Path) -> Stamp:
    """Return path, time and size of every file under `places`, which need not exist."""
    return frozenset(_stat(file) for place in places for file in _files(place))


def _files(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from (path for path in place.rglob("*") if path.is_file())
    elif place.is_file():
        yield place


def _stat(file: Path) -> tuple[str, int, int]:
    try:
        status = file.stat()
    except FileNotFoundError:  # an editor that saves by renaming; the next request sees the new file
        return str(file), 0, 0
    return str(file), status.st_mtime_ns, status.st_size


class WorkspaceFilter(DefaultFilter):
    """Filter for the files that an issue is made from; others in the workspace change all the time."""

    def __init__(self, workspace: Path) -> None:
        super().__init__()
        self.workspace = workspace.resolve()

    def __call__(self, change: Change, path: str) -> bool:
        """Return whether this file affects the preview."""
        try:
            first = Path(path).relative_to(self.workspace).parts[:1]
        except ValueError:
            return False
        return first in {(ARTICLES,), (TEMPLATES,), (CONFIG_NAME,)} and super().__call__(change, path)


async def events(workspace: Path, closing: threading.Event) -> AsyncIterator[bytes]:
    """Yield Server-Sent Events: `changed` whenever a file that an issue is made from has changed.

    Comments open the stream and keep it alive, which detects closed pages. Ends when `closing` is set.
    """
    yield b": watching\n\n"
    only = WorkspaceFilter(workspace)
    watching = awatch(
        only.workspace,
        watch_filter=only,
        debounce=QUIET_MILLISECONDS,
        rust_timeout=1000,
        yield_on_timeout=True,
        # Not `closing`, which all open pages share: awatch sets it when the browser closes the stream.
        stop_event=threading.Event(),
    )
    async for changes in watching:
        if closing.is_set():
            return
        yield b"event: changed\ndata: files\n\n" if changes else b": still here\n\n"
