"""The stream that tells the desk of changed files: it outlives the page that was closed before."""

import asyncio
import threading
from pathlib import Path

from digest.web.desk.file_changes import events

SECONDS = 10


async def first_change(workspace: Path, closing: threading.Event, text: str) -> bytes:
    """Open a stream, save a file, and return the first event; then the browser goes away."""
    stream = events(workspace, closing)
    assert await anext(stream) == b": watching\n\n"
    task = asyncio.create_task(next_event(stream))
    for time in range(SECONDS):
        # the watch begins with the first wait, and nobody hears when: saved too early, it is saved once more
        await asyncio.wait([task], timeout=1 if time else 0.3)
        if task.done():
            break
        (workspace / "articles" / "a.md").write_text(f"{text} {time}")
    event = await asyncio.wait_for(task, SECONDS)
    await stream.aclose()
    return event


async def next_event(stream) -> bytes:
    async for event in stream:
        if event.startswith(b"event:"):
            return event
    return b"ended"


def test_a_page_opened_after_another_was_closed_is_still_told(tmp_path: Path) -> None:
    (tmp_path / "articles").mkdir()
    closing = threading.Event()

    async def story() -> list[bytes]:
        first = await first_change(tmp_path, closing, "one")
        cancelled = asyncio.create_task(next_event(events(tmp_path, closing)))  # a tab that is closed in mid-wait
        await asyncio.sleep(0.3)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        return [first, await first_change(tmp_path, closing, "two")]

    assert asyncio.run(story()) == [b"event: changed\ndata: files\n\n"] * 2
    assert not closing.is_set()


def test_streams_end_when_the_desk_closes(tmp_path: Path) -> None:
    closing = threading.Event()

    async def story() -> bytes:
        task = asyncio.create_task(next_event(events(tmp_path, closing)))
        await asyncio.sleep(0.2)
        closing.set()
        return await asyncio.wait_for(task, SECONDS)

    assert asyncio.run(story()) == b"ended"
