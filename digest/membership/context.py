"""What membership needs of an opened workspace."""

import secrets
from typing import Protocol

from digest.delivery.wakeup.protocol import Dispatcher
from digest.settings.opened import OpenWorkspace


class MembershipContext(OpenWorkspace, Protocol):
    """An opened workspace whose workers can be woken: membership promises notices."""

    @property
    def dispatcher(self) -> Dispatcher: ...


def new_ref() -> str:
    """Return a random name for a subscriber, by which links know them: 32 hexadecimal digits."""
    return secrets.token_hex(16)
