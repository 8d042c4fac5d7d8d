"""Links: nothing that we did not make is accepted, for no purpose but its own, and no longer than it lives."""

import hashlib
import hmac
import re
import string
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from subscribers.errors import LinkExpiredError, LinkInvalidError, SecretUnusableError
from subscribers.links import LIFETIMES, LinkSigner, Purpose

NOW = datetime(2021, 9, 30, tzinfo=UTC)
OLD_KEY, NEW_KEY = "an old key, long enough", "a new key, long enough"
SIGNER = LinkSigner([NEW_KEY, OLD_KEY], "https://digest.example.org/")
REF = "0123456789abcdef0123456789abcdef"
PURPOSES = st.sampled_from(list(Purpose))


def token(purpose: Purpose, ref: str = REF, extra: str = "", signer: LinkSigner = SIGNER) -> str:
    return signer.token(purpose, ref, extra=extra, now=NOW if purpose in LIFETIMES else None)


@given(PURPOSES, st.text("0123456789abcdef", min_size=32, max_size=32), st.text(max_size=40))
def test_a_token_says_what_was_signed(purpose: Purpose, ref: str, extra: str) -> None:
    payload = SIGNER.read(purpose, token(purpose, ref, extra), NOW)
    assert (payload.purpose, payload.ref, payload.extra) == (purpose, ref, extra)


@given(PURPOSES, st.integers(0, 10_000), st.sampled_from(string.ascii_letters + string.digits + "-_.=~ \0é"))
def test_no_changed_character_is_accepted(purpose: Purpose, position: int, character: str) -> None:
    genuine = token(purpose)
    at = position % len(genuine)
    forged = genuine[:at] + character + genuine[at + 1 :]
    if forged != genuine:
        with pytest.raises(LinkInvalidError):
            SIGNER.read(purpose, forged, NOW)


@given(PURPOSES, st.integers(1, 60))
def test_a_link_that_was_cut_off_is_not_accepted(purpose: Purpose, lost: int) -> None:
    with pytest.raises(LinkInvalidError):
        SIGNER.read(purpose, token(purpose)[:-lost], NOW)


@given(st.text(max_size=2000), PURPOSES)
def test_no_text_makes_reading_fail_otherwise(text: str, purpose: Purpose) -> None:
    with pytest.raises(LinkInvalidError):
        SIGNER.read(purpose, text, NOW)


@given(PURPOSES, PURPOSES)
def test_a_token_opens_nothing_but_its_own_purpose(made_for: Purpose, used_for: Purpose) -> None:
    if made_for != used_for:
        with pytest.raises(LinkInvalidError):
            SIGNER.read(used_for, token(made_for), NOW)


@pytest.mark.parametrize("spelling", range(4))
def test_a_signature_has_one_spelling(spelling: int) -> None:
    genuine = token(Purpose.UNSUBSCRIBE)
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    last = alphabet.index(genuine[-1])
    other = genuine[:-1] + alphabet[last - last % 4 + spelling]
    if other == genuine:
        assert SIGNER.read(Purpose.UNSUBSCRIBE, other, NOW).ref == REF
    else:
        with pytest.raises(LinkInvalidError):
            SIGNER.read(Purpose.UNSUBSCRIBE, other, NOW)


@pytest.mark.parametrize("purpose", [Purpose.UNSUBSCRIBE, Purpose.VIEW])
def test_unsubscribe_and_view_links_live_for_ever_and_never_vary(purpose: Purpose) -> None:
    assert SIGNER.read(purpose, token(purpose), NOW + timedelta(days=36_500)).ref == REF
    assert token(purpose) == token(purpose)


@pytest.mark.parametrize("purpose", list(LIFETIMES))
def test_other_links_expire(purpose: Purpose) -> None:
    made = token(purpose)
    assert SIGNER.read(purpose, made, NOW + LIFETIMES[purpose]).ref == REF
    with pytest.raises(LinkExpiredError):
        SIGNER.read(purpose, made, NOW + LIFETIMES[purpose] + timedelta(seconds=1))


def test_a_confirmation_lives_for_a_week() -> None:
    assert LIFETIMES[Purpose.CONFIRM] == timedelta(days=7)


def test_after_a_rotation_old_links_work_and_new_ones_differ() -> None:
    before = LinkSigner([OLD_KEY], "https://digest.example.org")
    assert SIGNER.read(Purpose.UNSUBSCRIBE, token(Purpose.UNSUBSCRIBE, signer=before), NOW).ref == REF
    only_new = LinkSigner([NEW_KEY], "https://digest.example.org")
    assert only_new.read(Purpose.UNSUBSCRIBE, token(Purpose.UNSUBSCRIBE), NOW).ref == REF
    with pytest.raises(LinkInvalidError):
        only_new.read(Purpose.UNSUBSCRIBE, token(Purpose.UNSUBSCRIBE, signer=before), NOW)


def test_a_url_carries_an_opaque_token_and_nothing_else() -> None:
    url = SIGNER.url(Purpose.UNSUBSCRIBE, REF)
    assert re.fullmatch(r"https://digest\.example\.org/unsubscribe/[A-Za-z0-9_.-]+", url)


@pytest.mark.parametrize("keys", [[], [""], ["short"], [NEW_KEY, ""]])
def test_keys_that_protect_nothing_are_refused(keys: list[str]) -> None:
    with pytest.raises(SecretUnusableError):
        LinkSigner(keys, "https://digest.example.org")


def test_an_expiring_link_needs_its_instant_and_others_take_none() -> None:
    with pytest.raises(ValueError, match="needs"):
        SIGNER.token(Purpose.CONFIRM, REF)
    with pytest.raises(ValueError, match="takes no"):
        SIGNER.token(Purpose.VIEW, REF, now=NOW)


@given(st.sampled_from(sorted(Purpose)), st.text(max_size=40), st.text(max_size=40))
def test_a_token_is_the_librarys_own(purpose: Purpose, ref: str, extra: str) -> None:
    """We sign by ourselves, for speed; format and keys are itsdangerous's, and it reads what we made."""
    signer = LinkSigner(["0" * 32, "1" * 32], "https://example.org")
    issued = NOW if purpose in LIFETIMES else None
    token = signer.token(purpose, ref, extra=extra, now=issued)
    payload = [ref, extra] if issued is None else [ref, extra, int(issued.timestamp())]
    theirs = URLSafeSerializer(
        [b"1" * 32, b"0" * 32],
        salt=f"digestpress.link.{purpose}",
        signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
    )
    assert theirs.loads(token) == payload
    assert signer.read(purpose, theirs.dumps(payload), NOW).ref == ref  # also what the library has compressed
    made = theirs.dumps(payload)
    if not made.startswith("."):  # the library compresses what gets shorter by it
        assert token == made


def test_every_key_is_tried_whichever_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time must not tell a link of an old key, or a forged one, from another."""
    compare, checks = hmac.compare_digest, []

    def counted(ours: bytes, theirs: bytes) -> bool:
        checks.append(ours)
        return compare(ours, theirs)

    monkeypatch.setattr("subscribers.links.hmac.compare_digest", counted)
    old = LinkSigner([OLD_KEY], "https://digest.example.org")
    for made in (token(Purpose.UNSUBSCRIBE), token(Purpose.UNSUBSCRIBE, signer=old), "x.y", token(Purpose.VIEW)):
        checks.clear()
        with suppress(LinkInvalidError):
            SIGNER.read(Purpose.UNSUBSCRIBE, made, NOW)
        assert len(checks) == 2
