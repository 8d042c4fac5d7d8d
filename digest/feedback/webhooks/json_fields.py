"""Fields of a provider's JSON report, and the recipients they name; for whatever comes, nothing is raised. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from digest.delivery.outcome import Reason
from digest.feedback.bounce_reason import reason_of
from digest.feedback.dsn import ACTIONS, ReportedRecipient, of_fields

Fields = Mapping[str, object]
MAX_LIST = 50
_MAX_DIAGNOSTIC = 2000
# NUL does not fit into a database, and a lone surrogate into no text
_UNFIT = re.compile("[\0\ud800-\udfff]")


def json_object(data: bytes | str) -> Fields:
    """Return a JSON object; empty for anything else."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def text(fields: Fields, name: str) -> str:
    return _fit(fields.get(name))


def texts(fields: Fields, name: str) -> Sequence[str]:
    return [fit for value in _listed(fields, name) if (fit := _fit(value))]


def table(fields: Fields, name: str) -> Fields:
    found = fields.get(name)
    return found if isinstance(found, dict) else {}


def tables(fields: Fields, name: str) -> Sequence[Fields]:
    return [value for value in _listed(fields, name) if isinstance(value, dict)]


def failed(address: str, status: str, diagnostic: str, otherwise: str, action: str = "failed") -> ReportedRecipient:
    """Return a failure for the reason that the server gave; if it gave none, for the provider's: `otherwise`, a status
    code (RFC 3463).
    """
    action = action if action in ACTIONS else "failed"
    one = of_fields(address, action, status or f"{otherwise[0]}.0.0", diagnostic[:_MAX_DIAGNOSTIC])
    return one if reason_of(one) is not Reason.OTHER else replace(one, enhanced=otherwise)


def _listed(fields: Fields, name: str) -> Sequence[object]:
    found = fields.get(name)
    return found[:MAX_LIST] if isinstance(found, list) else ()


def _fit(value: object) -> str:
    return _UNFIT.sub("", value) if isinstance(value, str) else ""
