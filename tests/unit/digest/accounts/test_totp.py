"""One-time passwords: the vectors of RFC 6238 appendix B, and each code once."""

import pytest

from digest.accounts import totp

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_the_rfc(seconds: int, expected: str) -> None:
    assert totp.code(SECRET, seconds // totp.STEP_SECONDS, digits=8) == expected
    assert totp.matching_step(SECRET, expected[2:], seconds, after=0) == seconds // 30


def test_a_code_is_good_once_and_one_step_around() -> None:
    now, step = 1_000_000 * 30.0, 1_000_000
    typed = totp.code(SECRET, step)
    assert totp.matching_step(SECRET, f" {typed[:3]} {typed[3:]}", now, after=0) == step
    assert totp.matching_step(SECRET, typed, now, after=step) is None
    assert totp.matching_step(SECRET, totp.code(SECRET, step - 1), now, after=step) is None, "an older one neither"
    assert totp.matching_step(SECRET, typed, now + 30, after=0) == step
    assert totp.matching_step(SECRET, typed, now - 30, after=0) == step
    assert totp.matching_step(SECRET, typed, now + 60, after=0) is None


@pytest.mark.parametrize("typed", ["", "000", "１２３４５６", "\udcff", "a" * 10_000])
def test_what_is_no_code_matches_nothing(typed: str) -> None:
    assert totp.matching_step(SECRET, typed, 59, after=0) is None


def test_the_uri_is_what_authenticator_apps_read() -> None:
    uri = totp.enrolment_uri(SECRET, "kim@x", "Smart City: 소식")
    assert uri.startswith("otpauth://totp/Smart%20City%20%20%EC%86%8C%EC%8B%9D:kim%40x?secret=GEZDGNBVGY3TQOJQ")
    assert "&issuer=Smart%20City" in uri
