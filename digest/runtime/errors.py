"""Error base classes: the docstring is the message, the hint says what to do, each has an exit code."""

from typing import ClassVar

EXIT_DONE = 0
EXIT_ATTENTION = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
EXIT_ENVIRONMENT = 4


class DigestError(Exception):
    """Something went wrong."""

    exit_code: ClassVar[int] = EXIT_ATTENTION
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())
        self.hint = hint or self.default_hint

    @property
    def message(self) -> str:
        return str(self)


class UsageError(DigestError):
    """The command was called in a way that cannot work."""

    exit_code = EXIT_USAGE


class ConfigError(UsageError):
    """The configuration is not usable."""

    default_hint = "Correct digest.toml. To see all problems: digest config check"


class WorkspaceNotFoundError(UsageError):
    """No digest.toml was found in this folder or one above."""

    default_hint = "Create a workspace with `digest init DIR`, change to one, or pass --workspace DIR."


class NotFoundError(UsageError):
    """There is no such thing."""


class ContentError(DigestError):
    """Some content cannot be used as it is."""


class RefusedError(DigestError):
    """A promise forbids this."""

    exit_code = EXIT_REFUSED


class EnvironmentFailedError(DigestError):
    """Something that digestpress needs is out of reach."""

    exit_code = EXIT_ENVIRONMENT


class DatabaseUnreachableError(EnvironmentFailedError):
    """The database cannot be reached."""

    default_hint = "Check [database] url in digest.toml, that the server is running, and that the disk is not full."


class RelayUnreachableError(EnvironmentFailedError):
    """The relay cannot be reached."""

    default_hint = "Check [[relay]] in digest.toml. Nothing was lost; run the command again when the relay answers."
