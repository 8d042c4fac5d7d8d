"""Parsing of posted forms, with limits of size, fields and time."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs

from fastapi import HTTPException, Request
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

MAX_BODY = 64 * 1024
MAX_FIELDS = 1000
BODY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file; `name` is what the browser calls it."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """The fields and files of a form; a name may occur more than once."""

    fields: Mapping[str, tuple[str, ...]]
    uploads: Mapping[str, tuple[Upload, ...]] = field(default_factory=dict)

    def one(self, name: str) -> str:
        """Return the first value of a field, or an empty text."""
        return self.fields.get(name, ("",))[0]

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field."""
        return self.fields.get(name, ())

    def files(self, name: str) -> tuple[Upload, ...]:
        """Return the files of a field; a field left empty has none."""
        return self.uploads.get(name, ())


async def posted_form(request: Request) -> Form:
    """Return the form of a public page: at most 64 KiB."""
    return await read_form(request)


async def read_form(request: Request, most: int = MAX_BODY) -> Form:
    """Return the posted form, urlencoded or multipart.

    Raises HTTPException: 413 for more than `most` octets, before it is read, 408 after 30 seconds, 400 for what is no
    form.
    """
    body = await read_body(request, most)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        # Anything else is read as urlencoded: mail programs that forget the type want to unsubscribe, too.
        return await _multipart(request, body) if kind == "multipart/form-data" else _urlencoded(body)
    except (MultiPartException, ValueError, KeyError) as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST) from error


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


def _urlencoded(body: bytes) -> Form:
    text = body.decode("utf-8", errors="replace")
    fields = parse_qs(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    return Form({name: tuple(values) for name, values in fields.items()})


async def _multipart(request: Request, body: bytes) -> Form:
    async def whole() -> AsyncIterator[bytes]:
        yield body

    limits = {"max_files": MAX_FIELDS, "max_fields": MAX_FIELDS, "max_part_size": max(MAX_BODY, len(body))}
    parser = MultiPartParser(request.headers, whole(), **limits)  # type: ignore[arg-type]
    form = await parser.parse()
    try:
        fields: dict[str, tuple[str, ...]] = {}
        uploads: dict[str, tuple[Upload, ...]] = {}
        for name, value in form.multi_items():
            if isinstance(value, str):
                fields[name] = (*fields.get(name, ()), value)
            elif value.filename:
                uploads[name] = (*uploads.get(name, ()), Upload(value.filename, await value.read()))
        return Form(fields, uploads)
    finally:
        await form.close()
