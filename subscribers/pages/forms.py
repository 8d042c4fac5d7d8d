"""Parsing of posted forms, with limits of size, fields and time."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs

from fastapi import HTTPException, Request
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

MAX_BODY = 64 * 1024
MAX_FIELDS = 200
BODY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form; a name may occur more than once."""

    fields: Mapping[str, tuple[str, ...]]

    def one(self, name: str) -> str:
        """Return the first value of a field, or an empty text."""
        return self.fields.get(name, ("",))[0]

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field."""
        return self.fields.get(name, ())


async def read_form(request: Request) -> Form:
    """Return the posted form, urlencoded or multipart, without uploaded files.

    Raises HTTPException: 413 for more than 64 KiB, before it is read, 408 after 30 seconds, 400 for what is no form.
    """
    body = await read_body(request, MAX_BODY)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        # Anything else is read as urlencoded: mail programs that forget the type want to unsubscribe, too.
        fields = await _multipart(request, body) if kind == "multipart/form-data" else _urlencoded(body)
    except (MultiPartException, ValueError, KeyError) as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST) from error
    return Form(fields)


async def read_body(request: Request, most: int) -> bytes:
    """Return a body of at most so many octets. Raises HTTPException: 413 for a larger one, 408 after 30 seconds."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > most:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except TimeoutError as error:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from error
    except ClientDisconnect as error:  # not an error for the log
        raise HTTPException(HTTPStatus.BAD_REQUEST) from error
    return bytes(body)


def _urlencoded(body: bytes) -> dict[str, tuple[str, ...]]:
    text = body.decode("utf-8", errors="replace")
    fields = parse_qs(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    return {name: tuple(values) for name, values in fields.items()}


async def _multipart(request: Request, body: bytes) -> dict[str, tuple[str, ...]]:
    async def whole() -> AsyncIterator[bytes]:
        yield body

    parser = MultiPartParser(request.headers, whole(), max_files=MAX_FIELDS, max_fields=MAX_FIELDS)  # type: ignore[arg-type]
    form = await parser.parse()
    try:
        fields: dict[str, tuple[str, ...]] = {}
        for name, value in form.multi_items():
            if isinstance(value, str):
                fields[name] = (*fields.get(name, ()), value)
        return fields
    finally:
        await form.close()
