"""Signed return paths (VERP): the envelope sender of each mail names its delivery or notice, for bounces. Pure.

`bounces+dTOKEN@example.org`: the kind and number of what was sent, and a keyed hash of what its Message-ID is made of.
Only digits and lower-case letters, as some servers change the case of a local part; at most 64 octets.
"""

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from subscribers.keyed_hash import KeyedHash

MAX_LOCAL_PART = 64
LONGEST_TOKEN = 34
_MAC_DIGITS = 20  # 80 bits; as in the pattern below
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
# Behind the plus of an address (the most frequent, and found fastest), else behind what some servers make of it, else
# as the envelope id of a report.
_PATTERN = rb"([dDnN])([0-9a-zA-Z]{1,13})([0-9a-fA-F]{20})(?![0-9a-zA-Z])"
_PLACES = tuple(re.compile(place + _PATTERN) for place in (rb"\+", rb"[=_-]", rb"[Ee]nvelope-[Ii][Dd]:[ \t]*"))


@dataclass(frozen=True, slots=True)
class Claim:
    """What a return path says it belongs to, a delivery (d) or notice (n); true only if `ReturnPath.confirms` it."""

    letter: str
    id: int
    mac: str


class ReturnPath:
    """Makes and checks return paths below one mailbox, such as `bounces@example.org`."""

    def __init__(self, mailbox: str, key: bytes) -> None:
        self.mailbox = mailbox
        self._local, _, self._domain = mailbox.rpartition("@")
        self._keyed = KeyedHash(KeyedHash(key).digest(b"return path"))

    def token(self, promised: str, of_id: int, name: Sequence[str]) -> str:
        """Return the token; `name` is what the Message-ID is made of: number and ref, or kind and key."""
        letter = promised[0]
        return f"{letter}{_base36(of_id)}{self._sign(letter, of_id, name)}"

    def address(self, token: str) -> str:
        return f"{self._local}+{token}@{self._domain}"

    def confirms(self, claim: Claim, name: Sequence[str]) -> bool:
        """Return whether the claim was made by `token` for `name`."""
        return hmac.compare_digest(self._sign(claim.letter, claim.id, name), claim.mac)

    def _sign(self, letter: str, of_id: int, name: Sequence[str]) -> str:
        return self._keyed.digest("\0".join((f"{letter}{of_id}", *name)).encode()).hex()[:_MAC_DIGITS]


def claims(mail: bytes) -> tuple[Claim, ...]:
    """Return what the return paths and envelope ids in a mail claim, in the order in which they stand there."""
    written = next((found for place in _PLACES if (found := place.findall(mail))), [])
    found = [Claim(letter.lower().decode(), int(number, 36), mac.lower().decode()) for letter, number, mac in written]
    return tuple(dict.fromkeys(claim for claim in found if claim.id < 2**63))


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if not number:
            return digits
