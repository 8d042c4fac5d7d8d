"""The port for providers that report bounces and complaints by a webhook, and what adapters share."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Protocol

from digest.feedback.events import ReadMail
from digest.runtime.errors import RefusedError

MAX_BYTES = 1024 * 1024


class FeedbackProvider(Protocol):
    """A provider whose calls come in at `/webhooks/NAME`."""

    @property
    def name(self) -> str: ...

    def read(self, headers: Mapping[str, str], body: bytes) -> Sequence[ReadMail]:
        """Return the events of a call, which may be none. Raises CallRefusedError; blocks while it asks others.

        `headers` have lower-case names; `body` has at most MAX_BYTES.
        """


class CallRefusedError(RefusedError):
    """A webhook's call is not from its provider, or cannot be checked now."""

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.FORBIDDEN) -> None:
        super().__init__(message)
        self.status = status
