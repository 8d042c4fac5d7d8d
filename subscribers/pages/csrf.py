"""What keeps the open forms from being a weapon: who asks, which page the form came from, and when it was shown.

There is no cookie and no login. The signed link is the authority, so a foreign site, which does not know it, can do
nothing in a visitor's name; and a site that does know it (a forwarded mail) could as well post by itself. What is left
for it is to use somebody else's browser, address and hand for that, by a form or a button of its own. So a human form
is taken only from our own page: by what the browser says of the page that posts, and by a token that the page holds.
RFC 8058 posts come from no page and are exempt (section 3.2), and the sign-up form may stand on any site.
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
"""The hidden field with the token."""
TRAP = "remark"
"""A field that no person sees, and that programs fill in because it is there."""
QUICKEST = timedelta(seconds=2)
"""Nobody reads the page, types an address and sends it in less."""
SUBSCRIBE = "subscribe"
_OWN = frozenset({"same-origin", "none"})
_CLOCKS_DIFFER = timedelta(minutes=5)


class Refusal(StrEnum):
    """Why a form is not taken; the page says so, changes nothing, and offers the same form anew."""

    NONE = ""
    FOREIGN = "foreign"
    STALE = "stale"


class FormStamp(StrEnum):
    """What the hidden field of the sign-up form says."""

    WELL = "well"
    TOO_FAST = "fast"
    ELSEWHERE = "elsewhere"  # a form on a foreign site, or one that was kept for too long


@dataclass(frozen=True, slots=True)
class Asking:
    """Somebody who wants a mail to be sent: their host, the key of the address; `bare` if not by a page of ours."""

    host: str
    address_key: str
    bare: bool = False


Gate = Callable[[Asking], int]
"""Says how many seconds somebody has to wait; 0 lets them pass, and counts them."""


def open_gate(asking: Asking) -> int:
    """Let everybody pass: for whoever builds the pages without limits."""
    del asking
    return 0


def token(signer: LinkSigner, purpose: str, ref: str, now: datetime) -> str:
    """Return the hidden field's value: good for this form of this person, from now on."""
    return signer.token(Purpose.FORM, ref, extra=purpose, now=now)


def refusal(headers: Headers, form: Form, signer: LinkSigner, purpose: Purpose, *, ref: str, now: datetime) -> Refusal:
    """Say whether a human form on a page behind a signed link was posted by a person who had that page open."""
    if from_elsewhere(headers, signer.base_url):
        return Refusal.FOREIGN
    try:
        payload = signer.read(Purpose.FORM, form.one(FIELD), now)
    except LinkInvalidError:
        return Refusal.STALE
    return Refusal.NONE if (payload.ref, payload.extra) == (ref, str(purpose)) else Refusal.STALE


def from_elsewhere(headers: Headers, base_url: str) -> bool:
    """Say whether the browser tells that another site's page posts (Fetch Metadata, else RFC 6454).

    `Origin: null` tells nothing: it is what browsers send from our own pages, whose referrer policy is `no-referrer`.
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
    """Say when the sign-up form was shown, as its hidden field has it."""
    try:
        payload = signer.read(Purpose.FORM, form.one(FIELD), now)
    except LinkInvalidError:
        return FormStamp.ELSEWHERE
    issued = payload.issued_at or now
    if payload.extra != SUBSCRIBE or issued > now + _CLOCKS_DIFFER:
        return FormStamp.ELSEWHERE
    return FormStamp.TOO_FAST if now - issued < QUICKEST else FormStamp.WELL
