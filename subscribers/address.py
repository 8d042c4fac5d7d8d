"""Validation and normalisation of e-mail addresses. Pure."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self
from unicodedata import name

from email_validator import EmailNotValidError, EmailSyntaxError, validate_email

from subscribers.characters import has_invisible
from subscribers.errors import AddressError

MAX_OCTETS = 254  # RFC 5321, 4.5.3.1.3: a path has 256, and two of them are the angle brackets
_MAX_LOCAL: Final = 64  # RFC 5321, 4.5.3.1.1
# Local parts that need no check by the library, which takes ten times as long.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*", re.ASCII)
_DOMAINS_REMEMBERED: Final = 20_000


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """A valid address: `address` for the wire (domain as lower-case IDNA A-labels), `key` for comparing two of them.

    The key also has the local part case-folded. Plus and dots stay: only the receiving server knows what they mean.
    """

    address: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address in `text`. Raises AddressError, whose `problem` is a stable identifier."""
        stripped = text.strip(" ")
        local, at, domain = stripped.partition("@")
        if at and len(stripped) <= MAX_OCTETS and len(local) <= _MAX_LOCAL and _PLAIN.fullmatch(local):
            known = _ascii_domain(domain)
            if known and len(local) + 1 + len(known) <= MAX_OCTETS:
                return cls(address=f"{local}@{known}", key=f"{local.lower()}@{known}")
        return cls._read(stripped)

    @classmethod
    def _read(cls, stripped: str) -> Self:
        _refuse_unsafe(stripped)
        try:
            valid = validate_email(stripped, check_deliverability=False)
        except EmailSyntaxError as error:
            raise AddressError("syntax", _sentence(error)) from error
        except (EmailNotValidError, UnicodeError) as error:
            raise AddressError("domain", _sentence(error)) from error
        local, domain = valid.local_part, valid.ascii_domain.lower()
        address = f"{local}@{domain}"
        if len(address) > MAX_OCTETS:
            message = f"The address is longer than {MAX_OCTETS} characters in its encoded form"
            raise AddressError("too-long", message)
        return cls(address=address, key=f"{local.casefold()}@{domain}")

    @property
    def masked(self) -> str:
        """The address as a stranger may see it; see `mask`."""
        return mask(self.address)


def mask(address: str) -> str:
    """Return `k•••@example.org` for kim@example.org; always three dots, so that the length stays hidden too."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"


@lru_cache(maxsize=_DOMAINS_REMEMBERED)
def _ascii_domain(domain: str) -> str:
    """Return the domain as used on the wire, empty if it is invalid; cached, since addresses share few domains."""
    if not domain.isascii():
        return ""
    try:
        return EmailAddress._read(f"a@{domain}").address.rpartition("@")[2]  # noqa: SLF001 - the same module
    except AddressError:
        return ""


def _refuse_unsafe(text: str) -> None:
    """Raise AddressError for what the library would accept or would report less clearly; untrusted text of any size."""
    if not text:
        raise AddressError("empty", "The address is empty")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_OCTETS:
        raise AddressError("too-long", f"The address is longer than {MAX_OCTETS} characters")
    # CR and LF would start a new header or SMTP command wherever the address is written; NUL ends strings in C.
    if has_invisible(text):
        raise AddressError("control", "The address contains a control character or an invisible one")
    local, at, _domain = text.rpartition("@")
    if not at:
        wide = " but a full-width one" if "＠" in text else ""
        raise AddressError("syntax", f"The address has no @ sign{wide}")
    if any(character.isspace() for character in text):
        raise AddressError("syntax", "The address contains a space")
    if foreign := next((character for character in local if not character.isascii()), ""):
        # Would need SMTPUTF8 (RFC 6531) at every server on the way.
        message = "The part before the @ sign may contain only ASCII characters; this is an internationalized address"
        raise AddressError("local-part", f"{message} (EAI): it has {name(foreign, 'a character of another script')}")


def _sentence(error: Exception) -> str:
    return str(error).rstrip(".")
