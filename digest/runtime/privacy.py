"""Masking of addresses and tokens in what leaves for logs, webhooks and operators."""

import re

# An address in any of the forms in which one gets into a text: plain, percent-encoded, inside a repr or a URL.
_ADDRESS = re.compile(r"[^\s<>()\[\]{},;:\"'=/?&@]{0,320}(?:@|%40|＠)[^\s<>()\[\]{},;:\"'/?&@]{1,255}")
# A signed link's token: payload, dot, and the 43 characters of its SHA-256 (subscribers.links).
_TOKEN = re.compile(r"[\w-]{8,}\.[\w-]{43}(?![\w-])")
# A part of one alone: long, and mixed as only what was drawn or computed is.
_PART = re.compile(r"(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])(?=[\w-]*\d)[\w-]{24,}(?![\w-])", re.ASCII)
# A subscriber's reference, which stands in every link of theirs.
_REFERENCE = re.compile(r"(?<![\w-])[0-9a-f]{32}(?![\w-])")
_SECRET = re.compile(r"(?i)\b(bearer|password|passwd|secret|api[_-]?key|token)(\s*[=:]\s*|\s+)(?=\S{12})[^\s,;&'\"]+")
_URL_LOGIN = re.compile(r"(\w+://)[^\s/@]*:[^\s/]*@")


def masked(text: str) -> str:
    """Return the text with addresses, signed links' tokens and passwords replaced."""
    if "@" in text or "%40" in text or "＠" in text:
        text = _ADDRESS.sub("<address>", _URL_LOGIN.sub(r"\1", text))
    if "." in text:
        text = _TOKEN.sub("<token>", text)
    text = _PART.sub("<token>", text)
    text = _REFERENCE.sub("<reference>", text)
    return _SECRET.sub(r"\1\2<secret>", text)
