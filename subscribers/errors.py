"""Errors about subscribers: one sentence and a hint, never a whole address."""

from typing import ClassVar


class SubscribersError(Exception):
    """Something about a subscriber cannot be done."""

    default_hint: ClassVar[str] = ""

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())
        self.hint = hint or self.default_hint


class AddressError(SubscribersError):
    """This is not an e-mail address that mail can be sent to; `problem` names what is wrong with it."""

    def __init__(self, problem: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problem = problem


class NameUnusableError(SubscribersError):
    """This cannot be used as a name."""


class InterestUnknownError(SubscribersError):
    """There is no such interest."""


class SecretUnusableError(SubscribersError):
    """A secret key is missing or too short to protect anything."""

    default_hint = (
        "`digest init` creates secrets of the right length; restore yours from the backup instead of creating new ones."
    )


class SubscriberNotFoundError(SubscribersError):
    """There is no subscriber with this address."""


class ConsentRefusedError(SubscribersError):
    """A promise to the subscriber forbids this."""


class LinkInvalidError(SubscribersError):
    """This link was not made by us, or not for this purpose."""


class LinkExpiredError(LinkInvalidError):
    """This link is too old."""


class ImportFileError(SubscribersError):
    """The file as a whole cannot be read as a list of readers."""
