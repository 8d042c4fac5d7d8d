"""Tolerant parsing of untrusted mails for the sink's pages, with limits of size."""

import re
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message

from digest.sink.headers import Header, decoded, headers, in_lines, in_one_line, split_head

# Shown on a page; the whole file can be downloaded.
MAX_SHOWN_BYTES = 1024 * 1024
MAX_READ_BYTES = 40 * 1024 * 1024
_MAX_PARTS = 200

_HEAD = re.compile(r"<head\b[^<>]*>", re.IGNORECASE)
_PICTURE = re.compile(
    r"""(<img\b[^<>]*?\ssrc=["'])https?://[^"'<>\s]*(/media/[0-9a-f]{64}\.[a-z]{3,4}["'])""", re.IGNORECASE
)
_REACHING = re.compile(r"<(?=(?:link|iframe|frame|object|embed|portal|fencedframe)\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MimeLeaf:
    """A leaf of the MIME tree: its type, its file name if it has one, and its decoded size in bytes."""

    type: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed mail with its first HTML and plain text that are no attachments; `trouble` says what is missing."""

    fields: list[Header]
    source: str
    raw_head: str
    html: str | None = None
    text: str | None = None
    parts: list[MimeLeaf] = field(default_factory=list)
    trouble: str = ""


def parse(content: bytes) -> Parsed:
    """Parse a mail as far as possible."""
    head = split_head(content)[0]
    fields = headers(head)
    source, raw_head = (_shown(each[:MAX_SHOWN_BYTES], "utf-8", len(each)) for each in (content, head))
    try:
        leaves = [part for part in message_from_bytes(content).walk() if not part.is_multipart()]
    except Exception as error:  # noqa: BLE001 - the errors of the parser are not documented
        trouble = f"Its parts cannot be read ({type(error).__name__}), so the source is shown."
        return Parsed(fields, source, raw_head, trouble=trouble)
    html = text = None
    parts = []
    for leaf in leaves[:_MAX_PARTS]:
        body = _body(leaf)
        kind = in_one_line(leaf.get_content_type())
        name = in_one_line(_file_name(leaf))
        parts.append(MimeLeaf(kind, name, len(body)))
        if name or leaf.get_content_disposition() == "attachment":
            continue
        if kind == "text/html" and html is None:
            html = decoded(body[:MAX_SHOWN_BYTES], _charset(leaf))
        elif kind == "text/plain" and text is None:
            text = _shown(body[:MAX_SHOWN_BYTES], _charset(leaf), len(body))
    more = len(leaves) - _MAX_PARTS
    trouble = f"It has {more} more parts that are not shown." if more > 0 else ""
    return Parsed(fields, source, raw_head, html, text, parts, trouble)


def framed_html(html: str) -> str:
    """Return a mail's HTML for the sandboxed frame, with links that open in another tab.

    Pictures with an address of a publication's are taken from here, whatever its host is.

    The frame's policy forbids requests, but browsers connect before they check it, for `<link rel="preconnect">` and in
    Chromium for frames; so these elements are renamed.
    """
    html = _PICTURE.sub(r"\1\2", _REACHING.sub("<x-", html))
    base = '<base target="_blank">'
    found = _HEAD.search(html)
    return f"{html[: found.end()]}{base}{html[found.end() :]}" if found else f"{html}{base}"


def _body(leaf: Message) -> bytes:
    try:
        content = leaf.get_payload(decode=True)
    except Exception:  # noqa: BLE001 - as above, for encodings
        content = None
    return content if isinstance(content, bytes) else str(leaf.get_payload()).encode("utf-8", "replace")


def _file_name(leaf: Message) -> str:
    try:
        return leaf.get_filename() or ""
    except Exception:  # noqa: BLE001 - as above, for RFC 2231 parameters
        return "?"


def _charset(leaf: Message) -> str | None:
    try:
        return leaf.get_content_charset()
    except Exception:  # noqa: BLE001 - as above
        return None


def _shown(content: bytes, charset: str | None, size: int) -> str:
    cut = f"\n\n[cut off here: {size:,} bytes in total]" if size > len(content) else ""
    return in_lines(decoded(content, charset)) + cut
