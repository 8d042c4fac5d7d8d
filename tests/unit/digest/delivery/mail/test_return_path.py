"""Signed return paths: short, whatever a server does to the case, and not to be forged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.mail.return_path import LONGEST_TOKEN, MAX_LOCAL_PART, Claim, ReturnPath, claims
from digest.outbox.tables import Promised
from digest.settings.feedback import LONGEST_LOCAL_PART

PATH = ReturnPath("bounces@news.example.org", b"k" * 32)
NAMES = st.tuples(st.text(min_size=1), st.text(min_size=1))


@given(st.sampled_from(Promised), st.integers(0, 2**63 - 1), NAMES)
def test_an_address_names_what_it_was_made_for(promised: Promised, of_id: int, name: tuple[str, str]) -> None:
    token = PATH.token(promised, of_id, name)
    for text in (
        PATH.address(token),
        PATH.address(token).upper(),
        f"<x-{token}@y.z>",
        f"Original-Envelope-Id: {token}",
    ):
        (claim,) = claims(text.encode())
        assert (claim.letter, claim.id) == (promised[0], of_id)
        assert PATH.confirms(claim, name)


@given(st.integers(0, 2**63 - 1))
def test_a_local_part_has_at_most_64_octets(of_id: int) -> None:
    token = PATH.token(Promised.DELIVERY, of_id, ("21", "ref"))
    assert len(token) <= LONGEST_TOKEN
    assert LONGEST_LOCAL_PART + len("+") + LONGEST_TOKEN <= MAX_LOCAL_PART
    assert token.isascii()
    assert token == token.lower()
    assert token.isalnum()


def test_a_changed_or_foreign_address_is_not_confirmed() -> None:
    token = PATH.token(Promised.DELIVERY, 7, ("21", "ref"))
    (claim,) = claims(f"+{token}@".encode())
    assert not PATH.confirms(claim, ("22", "ref"))
    assert not PATH.confirms(claim, ("21", "other"))
    assert not PATH.confirms(Claim("d", 8, claim.mac), ("21", "ref"))
    assert not PATH.confirms(Claim("n", 7, claim.mac), ("21", "ref"))
    assert not ReturnPath("bounces@news.example.org", b"j" * 32).confirms(claim, ("21", "ref"))


@pytest.mark.parametrize(
    "text", ["", "bounces@news.example.org", "d7" + "g" * 20, "x" * 10_000, "dzzzzzzzzzzzzz" + "0" * 20]
)
def test_what_is_no_token_claims_nothing(text: str) -> None:
    assert claims(f"+{text}".encode()) == ()
