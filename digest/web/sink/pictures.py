"""Pictures of the workspace under test, for the mails that the sink shows."""

from collections.abc import Callable

from fastapi import HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from digest.app import App
from digest.runtime.errors import DigestError
from digest.web.public import media


class WorkspacePictures:
    """ASGI endpoint of `/media/{name}`.

    The workspace is opened for each request: it may be made, upgraded or replaced while the sink runs. Without one, or
    without the picture, the answer is 404.
    """

    def __init__(self, open_workspace: Callable[[], App]) -> None:
        self._open_workspace = open_workspace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the picture."""
        try:
            opened = await run_in_threadpool(self._open_workspace)
        except (DigestError, OSError) as error:
            raise HTTPException(404) from error
        try:
            await media.build_router(opened.engine, opened.settings)(scope, receive, send)
        finally:
            opened.engine.dispose()
