"""What the server may write down: never an address, a token, or a name by which a link knows somebody."""

import copy
import logging
import re
from typing import Any

from uvicorn.config import LOGGING_CONFIG
from uvicorn.logging import DefaultFormatter

_ADDRESS = re.compile(r"[^\s\"'<>()\[\],:;=/]+@[^\s\"'<>()\[\],:;/]+")
# Payload and signature of a token, together or apart, and the 32 digits of a subscriber's reference.
_TOKEN = re.compile(r"(?<![\w-])[\w-]{24,}(?:\.[\w-]+)?", re.ASCII)


def redacted(text: str) -> str:
    """Return the text with addresses, and everything that is as long as a part of a token, taken out."""
    return _TOKEN.sub("[…]", _ADDRESS.sub("[address]", text))


class Redacting(DefaultFormatter):
    """uvicorn's own format. Texts of exceptions are redacted too: a driver's names the values that it was given."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and what was raised."""
        return redacted(super().format(record))


def log_config() -> dict[str, Any]:
    """Return uvicorn's configuration of logging, redacting."""
    config = copy.deepcopy(LOGGING_CONFIG)
    config["formatters"]["default"]["()"] = "digest.web.logs.Redacting"
    return config


def redact_the_rest() -> None:
    """Redact what comes from loggers that nobody configured; they end in Python's handler of last resort."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(Redacting("%(levelname)s: %(message)s"))
