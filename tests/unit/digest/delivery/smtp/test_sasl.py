"""SASL: each mechanism says what its standard's example says, and a login that cannot be done says why."""

import base64

import pytest

from digest.delivery.smtp.sasl import Credentials, prepared, usable
from digest.delivery.transport import RelayRefusedError


def said(name: str, who: Credentials, challenge: bytes = b"") -> list[bytes]:
    (mechanism,) = usable("relay", {"auth": name}, by_token=name in {"OAUTHBEARER", "XOAUTH2"})
    return [step(who, challenge) for step in mechanism.steps]


def test_cram_md5_is_the_example_of_rfc_2195() -> None:
    who = Credentials(b"tim", b"tanstaaftanstaaf", "relay", 25)
    challenge = b"PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"
    assert said("CRAM-MD5", who, challenge) == [b"tim b913a602c7eda7a495b4e6e7334d3890"]


def test_plain_is_the_example_of_rfc_4616() -> None:
    assert said("PLAIN", Credentials(b"tim", b"tanstaaftanstaaf", "relay", 25))[0] == b"\0tim\0tanstaaftanstaaf"


def test_oauthbearer_is_the_example_of_rfc_7628() -> None:
    who = Credentials(b"user@example.com", b"vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg==", "server.example.com", 587)
    first, after_a_refusal = said("OAUTHBEARER", who)
    expected = (
        "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9NTg3AWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk"
        "52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2c9PQEB"
    )
    assert base64.b64encode(first).decode() == expected
    assert base64.b64encode(after_a_refusal) == b"AQ=="


def test_xoauth2_is_the_example_of_its_inventor() -> None:
    who = Credentials(b"someuser@example.com", b"ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg", "relay", 587)
    first, after_a_refusal = said("XOAUTH2", who)
    expected = (
        "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0"
        "Q2cBAQ=="
    )
    assert base64.b64encode(first).decode() == expected
    assert after_a_refusal == b""


def test_a_name_with_a_comma_stays_one_field() -> None:
    assert said("OAUTHBEARER", Credentials(b"a,n=b", b"t", "h", 1))[0].startswith(b"n,a=a=2Cn=3Db,\x01host=h\x01")


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("pässwörd", "pässwörd"),
        ("pa\u0308sswo\u0308rd", "pässwörd"),  # as macOS writes it
        ("비밀번호", "비밀번호"),
        ("a\u3000b\u00a0c", "a b c"),
        ("ﬁ²", "ﬁ²"),  # composed, not folded: RFC 8265
    ],
)
def test_a_password_is_composed_and_otherwise_as_written(written: str, sent: str) -> None:
    assert prepared(written, "password_file") == sent.encode()


@pytest.mark.parametrize("text", ["two\nlines", "a\0b", "a\x01auth=x", "a\x7fb"])
def test_a_secret_with_a_control_is_refused_by_its_setting(text: str) -> None:
    with pytest.raises(RelayRefusedError, match="password_file contains a line break") as caught:
        prepared(text, "password_file")
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    ("offered", "by_token", "tried"),
    [
        ("LOGIN PLAIN CRAM-MD5", False, ["CRAM-MD5", "PLAIN", "LOGIN"]),
        (" login XOAUTH2 LOGIN", False, ["LOGIN"]),
        ("PLAIN XOAUTH2 OAUTHBEARER", True, ["OAUTHBEARER", "XOAUTH2"]),
        ("PLAIN xoauth2", True, ["XOAUTH2"]),
    ],
)
def test_the_best_of_what_is_offered_comes_first(offered: str, by_token: bool, tried: list[str]) -> None:
    assert [one.name for one in usable("relay", {"auth": offered}, by_token=by_token)] == tried


@pytest.mark.parametrize(
    ("offered", "by_token", "message", "hint"),
    [
        (
            "XOAUTH2",
            False,
            "supports XOAUTH2 .*a password needs CRAM-MD5, PLAIN or LOGIN",
            "token_command or token_url",
        ),
        ("GSSAPI NTLM", False, "supports GSSAPI, NTLM .*a password needs", "operator"),
        ("PLAIN LOGIN", True, "supports PLAIN, LOGIN .*a token needs OAUTHBEARER or XOAUTH2", "set password_file"),
        ("", True, "offers no login, .*a token needs", "587"),
        (None, False, "offers no login, .*a password needs", "remove username from"),
    ],
)
def test_a_login_that_cannot_be_done_says_why(offered: str | None, by_token: bool, message: str, hint: str) -> None:
    with pytest.raises(RelayRefusedError, match=message) as caught:
        usable("relay", {} if offered is None else {"auth": offered}, by_token=by_token)
    assert hint in caught.value.hint
