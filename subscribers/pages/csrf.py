"""Protection of forms against forgery (CSRF), programs and mail flooding.

There is no cookie: the signed link authorises. A foreign site does not know it, and one that does (from a forwarded
mail) could post by itself, but might use a visitor's browser and address for it. So forms are taken only from our own
pages, by Fetch Metadata and a token. Exempt are RFC 8058 posts (section 3.2) and the sign-up form, which may stand on
any site.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from subscribers.errors import LinkInvalidError
from subscribers.links import LinkSigner, Purpose
from subscribers.pages.forms import Form

FIELD = "form"
"""Hidden field with the token."""
TRAP = "remark"
"""Honeypot: an invisible field that programs fill in."""
QUICKEST = timedelta(seconds=2)
"""Shortest time in which a person can fill in the sign-up form."""
SUBSCRIBE = "subscribe"
_OWN = frozenset({"same-origin", "none"})
_CLOCKS_DIFFER = timedelta(minutes=5)


class Refusal(StrEnum):
    """Why a form is refused; the page says so, changes nothing, and shows the form again."""

    NONE = ""
    FOREIGN = "foreign"
    STALE = "stale"


class FormStamp(StrEnum):
    """Verdict on the hidden field of the sign-up form."""

    WELL = "well"
    TOO_FAST = "fast"
    ELSEWHERE = "elsewhere"  # a form on a foreign site, or an expired one


@dataclass(frozen=True, slots=True)
class Asking:
    """A request for a mail: the client's host, the key of the address; `bare` if not from a page of ours."""

    host: str
    address_key: str
    bare: bool = False


Gate = Callable[[Asking], int]
"""Rate limiter: returns the seconds to wait; 0 admits the request and counts it."""


def open_gate(_asking: Asking) -> int:
    """Admit every request, for pages without limits."""
    return 0


def token(signer: LinkSigner, purpose: str, ref: str, now: datetime) -> str:
    """Return the hidden field's value, valid from now on for this form of this subscriber."""
    return signer.token(Purpose.FORM, ref, extra=purpose, now=now)


def refusal(headers: Headers, form: Form, signer: LinkSigner, purpose: str, *, ref: str, now: datetime) -> Refusal:
    """Return why a form behind a signed link is refused, if it was not posted from its page."""
    if from_elsewhere(headers, signer.base_url):
        return Refusal.FOREIGN
    try:
        payload = signer.read(Purpose.FORM, form.one(FIELD), now)
    except LinkInvalidError:
        return Refusal.STALE
    return Refusal.NONE if (payload.ref, payload.extra) == (ref, str(purpose)) else Refusal.STALE


def from_elsewhere(headers: Headers, base_url: str) -> bool:
    """Return whether another site's page posts, by Fetch Metadata, else by `Origin` (RFC 6454).

    Browsers send `Origin: null` from our own pages too, because of their referrer policy `no-referrer`.
    """
    site = headers.get("sec-fetch-site", "").strip().lower()
    if site:
        return site not in _OWN
    origin = headers.get("origin", "").strip().lower()
    if origin in {"", "null"}:
        return False
    own = {urlsplit(base_url).netloc.lower(), headers.get("host", "").lower()}
    return origin.partition("://")[2] not in own


def shown(form: Form, signer: LinkSigner, now: datetime) -> FormStamp:
    """Return the verdict on the hidden field of a sign-up form, which holds the time when it was shown."""
    try:
        payload = signer.read(Purpose.FORM, form.one(FIELD), now)
    except LinkInvalidError:
        return FormStamp.ELSEWHERE
    issued = payload.issued_at or now
    if payload.extra != SUBSCRIBE or issued > now + _CLOCKS_DIFFER:
        return FormStamp.ELSEWHERE
    return FormStamp.TOO_FAST if now - issued < QUICKEST else FormStamp.WELL
