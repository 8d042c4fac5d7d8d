"""Messages, hints and exit codes of unexpected exceptions."""

import sys
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError

from digest.runtime.db import explain
from digest.runtime.errors import EXIT_REFUSED, EXIT_USAGE
from subscribers.errors import ConsentRefusedError, SubscribersError

EXIT_UNEXPECTED = 70


class Failure(NamedTuple):
    """The message, hint and exit code of an exception."""

    message: str
    hint: str
    exit_code: int


def explained(error: Exception) -> Failure:
    if isinstance(error, DBAPIError):
        known = explain(error)
        return Failure(known.message, known.hint, known.exit_code)
    if isinstance(error, SubscribersError):
        code = EXIT_REFUSED if isinstance(error, ConsentRefusedError) else EXIT_USAGE
        return Failure(str(error), error.hint, code)
    if isinstance(error, UnicodeEncodeError) and any(map(_has_other_bytes, sys.argv)):
        hint = "Set the terminal to UTF-8 and enter the command again."
        return Failure("The arguments of `digest` are not valid UTF-8", hint, EXIT_USAGE)
    hint = "Run it again with -v and report the output."
    return Failure(f"Unexpected error: {type(error).__name__}: {error}", hint, EXIT_UNEXPECTED)


def _has_other_bytes(argument: str) -> bool:
    """Whether an argument has bytes that are not UTF-8, which are surrogates in Python."""
    return any("\ud800" <= character <= "\udfff" for character in argument)
