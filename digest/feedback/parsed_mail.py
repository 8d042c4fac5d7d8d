"""Incoming mail as parsed for its reports: its parts, within limits of size, number and depth. Pure."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from email import policy
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from functools import cached_property

from digest.runtime.errors import ContentError

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 8
_MAX_PARTS = 200
_MAX_TEXT = 64 * 1024

STATUS = frozenset({"message/delivery-status", "message/global-delivery-status"})  # RFC 6533 adds "global"
ORIGINAL = frozenset({"message/rfc822", "message/global"})
HEADERS = frozenset({"text/rfc822-headers", "message/global-headers"})
_CLOSED = STATUS | ORIGINAL
_OPENS = re.compile(rb"boundary\s*=|message/(?:rfc822|global)\b")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{3,250}>")
_TAGS = re.compile(r"<(?:style|script|title)\b.{0,4000}?</|<[^<>]{1,500}>", re.IGNORECASE | re.DOTALL)
_BREAKS = re.compile(r"<(?:br|/p|/tr|/div|/li|/h\d)\b[^<>]{0,99}>", re.IGNORECASE)
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#64;": "@", "&nbsp;": " ", "&amp;": "&"}
# the standard parser promises never to raise, and does for some broken charsets, encodings and nestings
PARSER_ERRORS = (
    *(LookupError, ValueError, TypeError, AttributeError, AssertionError, RecursionError),
    MessageError,  # of a header that cannot be decoded
)


class PoisonMailError(ContentError):
    """This mail is beyond the limits, or breaks the parser."""


@dataclass
class ParsedMail:
    """A mail and its parts in order, with their types. What is inside of a returned original is not among them."""

    raw: bytes
    root: Message
    parts: list[tuple[str, Message]]

    def part(self, kinds: Collection[str]) -> Message | None:
        """Return the first part of one of these types."""
        return next((part for kind, part in self.parts if kind in kinds), None)

    def header(self, name: str) -> str:
        """Return a header of the mail, decoded and in one line; empty if it has none."""
        return header_of(self.root, name)

    @cached_property
    def status(self) -> Message | None:
        """The machine-readable part of a report about a delivery."""
        return self.part(STATUS)

    @cached_property
    def originals(self) -> list[Message]:
        """The headers of the returned mail, wherever it is attached."""
        return [original for kind, part in self.parts if (original := _original(kind, part)) is not None]

    @cached_property
    def message_ids(self) -> tuple[str, ...]:
        """The Message-IDs of the returned mail, at most one for each copy."""
        found = (_MESSAGE_ID.search(str(original.get("Message-ID", ""))) for original in self.originals)
        return tuple(match[0] for match in found if match)

    @cached_property
    def text(self) -> str:
        """The words for a person: all text parts up to the returned original, decoded; HTML without tags."""
        texts: list[str] = []
        for kind, part in self.parts:
            if kind in {"text/plain", "text/html"} and not (kind == "text/html" and "".join(texts).strip()):
                raw = part.get_payload(decode=True)
                body = _decoded(raw[:_MAX_TEXT], part) if isinstance(raw, bytes) else ""
                texts.append(_without_tags(body) if kind == "text/html" else body)
        return "\n".join(texts).replace("\r\n", "\n")[:_MAX_TEXT]


def parse(data: bytes) -> ParsedMail:
    """Parse a mail. Raises PoisonMailError, and nothing else, for one beyond the limits or that breaks the parser."""
    if len(data) > MAX_BYTES:
        raise PoisonMailError("the mail is too large")
    # the parser recurses, so deep nesting is refused before it
    lower = data.lower()  # counting is much faster than the pattern, which seldom has to decide
    if lower.count(b"boundary") + lower.count(b"message/") > _MAX_PARTS < len(_OPENS.findall(lower)):
        raise PoisonMailError("the mail has too many parts")
    try:
        root = BytesParser(policy=policy.compat32).parsebytes(data)
        return ParsedMail(data, root, list(_parts(root, 0)))
    except PARSER_ERRORS as error:
        raise PoisonMailError("the mail cannot be parsed") from error


def header_of(part: Message, name: str) -> str:
    """Return a header, decoded and in one line; empty if there is none."""
    value = part.get(name)
    if value is None:
        return ""
    text = str(value)
    if "=?" in text:
        try:
            text = "".join(
                piece if isinstance(piece, str) else piece.decode(charset or "ascii", "replace")
                for piece, charset in decode_header(text)
            )
        except PARSER_ERRORS:
            text = str(value)
    return " ".join(text.split())


def _parts(part: Message, depth: int) -> Iterator[tuple[str, Message]]:
    if depth > MAX_DEPTH:
        raise PoisonMailError("the mail is nested too deeply")
    kind = part.get_content_type()
    yield kind, part
    if part.is_multipart() and kind not in _CLOSED:
        for inner in part.get_payload():
            if isinstance(inner, Message):
                yield from _parts(inner, depth + 1)


def _original(kind: str, part: Message) -> Message | None:
    if kind not in ORIGINAL and kind not in HEADERS:
        return None
    payload = part.get_payload()
    # of a message/* type the parser has made a message already
    if isinstance(payload, list):
        return payload[0] if payload and isinstance(payload[0], Message) else None
    raw = part.get_payload(decode=True)
    if kind in HEADERS and isinstance(raw, bytes):
        return BytesParser(policy=policy.compat32).parsebytes(raw, headersonly=True)
    return None


def _decoded(raw: bytes, part: Message) -> str:
    charset = str(part.get_content_charset() or "utf-8")
    for name in (charset, "utf-8"):
        try:
            return raw.decode(name)
        except PARSER_ERRORS:
            continue
    return raw.decode("latin-1")


def _without_tags(html: str) -> str:
    text = _TAGS.sub("", _BREAKS.sub("\n", html))
    for entity, character in _ENTITIES.items():
        text = text.replace(entity, character)
    return text
