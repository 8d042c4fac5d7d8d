"""HMAC-SHA256 (RFC 2104) for many short messages under one key. Pure."""

import hmac


class KeyedHash:
    """HMAC-SHA256 under one key, which is prepared once and copied for each message.

    `hmac.digest` would prepare it each time, and let other threads run at each call, and wait for them.
    """

    __slots__ = ("_prepared",)

    def __init__(self, key: bytes) -> None:
        self._prepared = hmac.new(key, digestmod="sha256")

    def digest(self, message: bytes) -> bytes:
        mac = self._prepared.copy()
        mac.update(message)
        return mac.digest()
