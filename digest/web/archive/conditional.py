"""Conditional requests (RFC 9110 section 13): 304 for unchanged content."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Annotated

from fastapi import Depends, Header
from starlette.responses import Response

_TAG = re.compile(r'"([^"]*)"')


@dataclass(frozen=True, slots=True)
class RequestValidators:
    """The headers If-None-Match and If-Modified-Since of a request."""

    tags: str
    since: str


def _known(
    if_none_match: Annotated[str, Header()] = "", if_modified_since: Annotated[str, Header()] = ""
) -> RequestValidators:
    return RequestValidators(if_none_match, if_modified_since)


Asked = Annotated[RequestValidators, Depends(_known)]


def answer(
    known: RequestValidators, content: bytes, media_type: str, changed: datetime, headers: Mapping[str, str]
) -> Response:
    """Return the content, or 304 if the client has it already."""
    tag = hashlib.sha256(content).hexdigest()[:32]
    changed = changed.astimezone(UTC).replace(microsecond=0)
    headers = {**headers, "ETag": f'"{tag}"', "Last-Modified": format_datetime(changed, usegmt=True)}
    if _has(known, tag, changed):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def _has(known: RequestValidators, tag: str, changed: datetime) -> bool:
    if known.tags:  # then the date does not count (section 13.1.3)
        return known.tags.strip() == "*" or tag in _TAG.findall(known.tags)
    try:
        since = parsedate_to_datetime(known.since) if known.since else None
    except ValueError:
        return False
    return since is not None and changed <= (since if since.tzinfo else since.replace(tzinfo=UTC))
