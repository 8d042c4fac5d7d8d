"""One-time passwords by time (TOTP, RFC 6238): SHA-1, six digits, 30 seconds, as every authenticator app has. Pure."""

import base64
import hashlib
import hmac
import struct
from urllib.parse import quote, urlencode

STEP_SECONDS = 30
DIGITS = 6
# The steps around the present one: a phone's clock may be off, and typing takes time (RFC 6238 section 5.2).
_AROUND = (0, -1, 1)


def code(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """Return the code of a time step (RFC 4226 section 5.3)."""
    digest = hmac.digest(secret, struct.pack(">Q", step), hashlib.sha1)
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def matching_step(secret: bytes, typed: str, seconds: float, after: int) -> int | None:
    """Return the step whose code was typed, if it is later than `after`: a code is good once."""
    now = int(seconds // STEP_SECONDS)
    plain = "".join(typed.split())
    steps = [now + offset for offset in _AROUND if now + offset > after]
    matching = [
        step for step in steps if hmac.compare_digest(code(secret, step).encode(), plain.encode("utf-8", "replace"))
    ]
    return matching[0] if matching else None


def text_of(secret: bytes) -> str:
    """Return the secret in base32, for typing."""
    return base64.b32encode(secret).decode().rstrip("=")


def enrolment_uri(secret: bytes, login: str, issuer: str) -> str:
    """Return the otpauth URI for authenticator apps (Google's key URI format)."""
    issuer = issuer.replace(":", " ").strip()
    query = urlencode({"secret": text_of(secret), "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{quote(issuer)}:{quote(login)}?{query}"
