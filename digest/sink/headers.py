"""Lenient parser of header fields of untrusted mails: no errors, no control characters. Pure."""

import codecs
import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header

MAX_FIELDS = 1000
# A longer value is cut before it is decoded: the decoder's time must have a bound.
MAX_VALUE_BYTES = 16 * 1024
_END = re.compile(rb"\A\r?\n|\r?\n\r?\n")
_NAME = re.compile(rb"([!-9;-~]{1,200})[ \t]*:", re.DOTALL)
# Python's, not mail's: they make surrogates, which no page can be written with, or take time without a bound.
_NO_CHARSETS = frozenset(
    {"unicode_escape", "unicode-escape", "raw_unicode_escape", "raw-unicode-escape", "punycode", "idna", "utf-7"}
)
# Control characters (a tab and a line's end apart), ends of lines and paragraphs, halves of characters, and what turns
# the direction of what follows, so that a text reads other than it is.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


@dataclass(frozen=True, slots=True)
class Header:
    """A field with its unfolded, decoded value in one line. A line that is no field has no name."""

    name: str
    text: str


def split_head(content: bytes) -> tuple[bytes, bytes]:
    """Return head and body of a message; without an empty line all is head."""
    found = _END.search(content)
    return (content[: found.start()], content[found.end() :]) if found else (content, b"")


def headers(head: bytes) -> list[Header]:
    """Return the fields of a head in their order, at most 1000."""
    fields: list[list[bytes]] = []
    for line in head.replace(b"\r\n", b"\n").split(b"\n"):
        if fields and line[:1] in {b" ", b"\t"}:
            fields[-1].append(line)
        elif len(fields) == MAX_FIELDS:
            break
        elif line:
            fields.append([line])
    return [_header(b" ".join(part.strip() for part in lines)) for lines in fields]


def first(found: list[Header], name: str) -> str:
    """Return the decoded value of the first field of this name, else an empty string."""
    return next((header.text for header in found if header.name.casefold() == name.casefold()), "")


def in_one_line(text: str) -> str:
    """Return text in one line, with � for every control and bidi character."""
    return _STEERING.sub("�", text.replace("\t", " ").replace("\n", "�")).strip()


def in_lines(text: str) -> str:
    """Return text with its lines and tabs, and with � for every other control and bidi character."""
    return _STEERING.sub("�", text.replace("\r\n", "\n"))


def _header(line: bytes) -> Header:
    found = _NAME.match(line)
    if not found:
        return Header("", in_one_line(line[:MAX_VALUE_BYTES].decode("utf-8", "replace")))
    value = line[found.end() :].strip()[:MAX_VALUE_BYTES]
    return Header(found[1].decode("ascii"), in_one_line(_words(value.decode("utf-8", "replace"))))


def _words(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        parts = decode_header(value)
    except (HeaderParseError, ValueError):
        return value
    return "".join(part if isinstance(part, str) else decoded(part, charset) for part, charset in parts)


def decoded(content: bytes, charset: str | None) -> str:
    """Return bytes decoded by the charset that a mail claims, or as UTF-8 if that is unknown."""
    try:
        codec = codecs.lookup(charset or "utf-8").name
        return content.decode("utf-8" if codec in _NO_CHARSETS else codec, "replace")
    except (LookupError, ValueError):  # unknown, has a NUL, or is no text codec
        return content.decode("utf-8", "replace")
