"""Doubts about a valid address: a domain that looks mistyped, a mailbox of a role. Pure.

A doubt is told to people and never acted upon: the address stays as it was given.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from subscribers.address import EmailAddress
from subscribers.errors import AddressError
from subscribers.mailbox_domains import DOMAINS


class DoubtKind(StrEnum):
    """What is doubtful about an address."""

    MISTYPED = "mistyped"
    ROLE = "role"


@dataclass(frozen=True, slots=True)
class AddressDoubt:
    """A doubt, in words without a person's name."""

    kind: DoubtKind
    message: str


# RFC 2142, and what writes or collects mail by itself. Those that people read, such as info@, are left out.
_ROLES = """
abuse bounce bounces daemon devnull do-not-reply do_not_reply donotreply ftp hostmaster listserv mailer-daemon majordomo
news no-reply no_reply nobody noc noreply postmaster root security spam sysadmin unsubscribe usenet uucp webmaster www
"""
# Those of which slips are known to be frequent.
_WELL_KNOWN = """
gmail.com googlemail.com hotmail.com outlook.com live.com yahoo.com rocketmail.com icloud.com naver.com daum.net
hanmail.net kakao.com nate.com empas.com protonmail.com foxmail.com yandex.com aol.com
"""
# Real domains that are one letter away from a well-known one.
_REAL = "foxtail.com gail.com gmall.com grail.com hitmail.com hotmall.com navel.com never.com"
ROLES: Final = frozenset(_ROLES.split())
_TARGETS: Final = tuple(_WELL_KNOWN.split())
_NO_SLIPS: Final = DOMAINS.keys() | _REAL.split()
# Providers with one public domain: the same name under another ending is taken for it.
_ONLY_HERE: Final = {"gmail.com", "naver.com", "hanmail.net", "icloud.com"}
_OTHER_ENDINGS: Final = {"com", "net", "org", "kr", "co.kr"}
_LONG, _SHORT = 5, 4
"""Of a short name only two exchanged letters are a slip, of a shorter one nothing: too many are somebody's."""


@lru_cache(maxsize=20_000)
def meant(domain: str) -> str:
    """Return the well-known domain that `domain` (lower case) seems to be a slip of; empty without a doubt.

    Within one edit, an exchange of neighbours counting as one, in the name and one in a generic ending.
    """
    if domain in _NO_SLIPS:
        return ""
    return next((target for target in _TARGETS if _is_slip(domain, target)), "")


def _is_slip(domain: str, target: str) -> bool:
    name, _, ending = domain.partition(".")
    true_name, _, true_ending = target.partition(".")
    if name == true_name and target in _ONLY_HERE and (ending in _OTHER_ENDINGS or _near(ending, "com")):
        return True
    if name[:1] != true_name[:1]:
        return False  # people rarely miss the first letter, and ?mail.com is somebody's at nearly every letter
    long = len(true_name) >= _LONG
    # Two letters are a country's; only under a long name is .co or .cm rather a slip.
    if ending != true_ending and not (_near(ending, true_ending) and (long or len(ending) > 2)):
        return False
    if name == true_name:
        return True
    return _near(name, true_name) if long else len(true_name) == _SHORT and _exchanged(name, true_name)


def _near(text: str, other: str) -> bool:
    """Return whether at most one edit lies between two texts: a letter missing, added or replaced, or two exchanged."""
    left, right = _differing(text, other)
    return max(len(left), len(right)) <= 1 or _exchanged(text, other)


def _exchanged(text: str, other: str) -> bool:
    left, right = _differing(text, other)
    return len(left) == 2 and left == right[::-1]


def _differing(text: str, other: str) -> tuple[str, str]:
    """Return the texts without their common beginning, then without their common end."""
    start = _common(text, other)
    left, right = text[start:], other[start:]
    end = _common(left[::-1], right[::-1])
    return left[: len(left) - end], right[: len(right) - end]


def _common(text: str, other: str) -> int:
    return next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))


def role_of(key: str) -> str:
    """Return the role of an address such as postmaster@, without what follows a plus; empty for a person's."""
    local = key.rpartition("@")[0].partition("+")[0]
    return local if local in ROLES else ""


def doubt(key: str) -> AddressDoubt | None:
    """Return the doubt about an address, given by its key; None for nearly all."""
    domain = key.rpartition("@")[2]
    if other := meant(domain):
        return AddressDoubt(DoubtKind.MISTYPED, f"{domain} looks like a typo of {other}")
    if role := role_of(key):
        return AddressDoubt(DoubtKind.ROLE, f"{role}@ is a role mailbox or belongs to a program")
    return None


def suggestion(typed: str) -> str:
    """Return the address that somebody who typed this probably meant; empty without a doubt, or for no address."""
    try:
        address = EmailAddress.parse(typed)
    except AddressError:
        return ""
    other = meant(address.address.rpartition("@")[2])
    return other and f"{address.address.rpartition('@')[0]}@{other}"
