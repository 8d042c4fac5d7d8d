"""SASL mechanisms of the SMTP login (RFC 4954): which of those offered we use, and what we say at each step. Pure.

By a password: CRAM-MD5 (RFC 2195), PLAIN (RFC 4616), LOGIN. By an access token: OAUTHBEARER (RFC 7628), XOAUTH2.
"""

import base64
import hmac
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from digest.delivery.transport import RelayRefusedError

BY_PASSWORD = ("CRAM-MD5", "PLAIN", "LOGIN")
BY_TOKEN = ("OAUTHBEARER", "XOAUTH2")
HOW_TO = "docs/how-to/log-in-with-a-token.md"
_MAX_NAMED = 12


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who logs in where; `secret` is a password or an access token, prepared by `prepared`."""

    username: bytes
    secret: bytes
    host: str
    port: int


Step = Callable[[Credentials, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Mechanism:
    """What the client says at each step, given the challenge as it came; at once, or only when asked."""

    name: str
    steps: Sequence[Step]
    client_first: bool = True


def _cram_md5(who: Credentials, challenge: bytes) -> bytes:
    digest = hmac.new(who.secret, base64.b64decode(challenge, validate=True), "md5")
    return who.username + b" " + digest.hexdigest().encode()


def _plain(who: Credentials, _challenge: bytes) -> bytes:
    return b"\0" + who.username + b"\0" + who.secret


def _oauthbearer(who: Credentials, _challenge: bytes) -> bytes:
    authzid = who.username.replace(b"=", b"=3D").replace(b",", b"=2C")
    where = f"host={who.host}\x01port={who.port}".encode()
    return b"n,a=" + authzid + b",\x01" + where + b"\x01auth=Bearer " + who.secret + b"\x01\x01"


_MECHANISMS = {
    one.name: one
    for one in (
        Mechanism("CRAM-MD5", (_cram_md5,), client_first=False),
        Mechanism("PLAIN", (_plain, _plain)),  # some ask although they were told
        Mechanism("LOGIN", (lambda who, _: who.username, lambda who, _: who.secret), client_first=False),
        # a refusal comes as a challenge, which must be answered before its code comes (RFC 7628 section 3.2.3)
        Mechanism("OAUTHBEARER", (_oauthbearer, lambda _, __: b"\x01")),
        Mechanism(
            "XOAUTH2",
            (
                lambda who, _: b"user=" + who.username + b"\x01auth=Bearer " + who.secret + b"\x01\x01",
                lambda _, __: b"",
            ),
        ),
    )
}


def usable(relay: str, offers: Mapping[str, str], *, by_token: bool) -> list[Mechanism]:
    """Return the mechanisms to try, the best first, of what EHLO offered. Raises RelayRefusedError if there is none."""
    offered = list(dict.fromkeys(offers.get("auth", "").upper().split()))
    known, others = (BY_TOKEN, BY_PASSWORD) if by_token else (BY_PASSWORD, BY_TOKEN)
    if found := [_MECHANISMS[name] for name in known if name in offered]:
        return found
    secret = "a token" if by_token else "a password"
    if not offered:
        raise RelayRefusedError(
            f"{relay} offers no login, but a username is configured: {secret} needs {_either(known)}.",
            hint='Use the port for submission (587, or 465 with tls = "implicit"), or remove username from this '
            "[[relay]].",
        )
    if not set(offered) & set(others):
        hint = "Ask the relay's operator for one of these, or whether it accepts your mail without a login."
    elif by_token:
        hint = "In this [[relay]], set password_file and remove token_command or token_url."
    else:
        hint = f"In this [[relay]], replace password_file with token_command or token_url: see {HOW_TO}."
    shown = ", ".join(offered[:_MAX_NAMED])
    raise RelayRefusedError(f"{relay} supports {shown} for login, but {secret} needs {_either(known)}.", hint=hint)


def _either(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def prepared(text: str, setting: str) -> bytes:
    """Return a user name or password as bytes: composed (NFC), every blank a space (RFC 8265 section 4.2).

    Not by SASLprep (RFC 4013), which RFC 8265 replaces: a server that still uses it comes to the same from this.
    Raises RelayRefusedError for control characters.
    """
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in text)
    composed = unicodedata.normalize("NFC", spaced)
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in composed):
        raise RelayRefusedError(
            f"[[relay]] {setting} contains a line break or another control character.", hint="Write it on one line."
        )
    return composed.encode()
