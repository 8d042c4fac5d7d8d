"""Slots: tokens that nobody else can place, and values that fit where they stand."""

import hashlib

import pytest

from digest.render.slots import PREFIX, Slot, SlotContext, SlotTokens, choose_nonce, escape, fill, split, token
from digest.runtime.errors import ContentError

NONCE = "0123456789abcdef"


@pytest.mark.parametrize("slot", Slot)
def test_templates_reach_every_slot_by_its_name(slot: Slot) -> None:
    assert getattr(SlotTokens(NONCE), slot.lower()) == token(NONCE, slot)


def test_the_nonce_follows_from_the_content_and_is_not_in_it() -> None:
    first = choose_nonce("content")
    assert choose_nonce("content") == first
    assert choose_nonce("Content") != first
    assert PREFIX + choose_nonce(f"content {PREFIX}{first}") not in f"content {PREFIX}{first}"


def test_a_nonce_that_occurs_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    # No text that holds its own hash is known, so that the first hash is replaced.
    real = hashlib.sha256
    monkeypatch.setattr(hashlib, "sha256", lambda data: real(b"fixed" if data.startswith(b"0\n") else data))
    first = choose_nonce("plain")
    assert choose_nonce(f"{PREFIX}{first}") != first


def test_a_document_is_split_at_its_own_tokens_only() -> None:
    other = token("f" * 16, Slot.VIEW_URL)
    document = f"a{token(NONCE, Slot.VIEW_URL)}{other}{token(NONCE, Slot.INTERESTS)}"
    assert list(split(document, NONCE)) == ["a", Slot.VIEW_URL, other, Slot.INTERESTS, ""]


def test_a_token_that_names_no_slot_is_an_error() -> None:
    with pytest.raises(ContentError, match="Unknown slot SURPRISE"):
        list(split(f"{PREFIX}{NONCE}_SURPRISE@@", NONCE))


@pytest.mark.parametrize("nonce", ["", "xyz", ".*", "0" * 15])
def test_what_is_no_nonce_is_an_error(nonce: str) -> None:
    with pytest.raises(ContentError, match="not a valid slot nonce"):
        list(split("x", nonce))


@pytest.mark.parametrize(
    ("slot", "value", "place", "expected"),
    [
        (Slot.INTERESTS, "<b>\"A\" & 'B'", SlotContext.HTML, "&lt;b&gt;&quot;A&quot; &amp; &#x27;B&#x27;"),
        (Slot.INTERESTS, "<b>\"A\" & 'B'", SlotContext.PLAIN, "<b>\"A\" & 'B'"),
        (Slot.INTERESTS, " a\r\nBcc: b\x00\u2028c ", SlotContext.PLAIN, "a  Bcc: b  c"),
        (Slot.INTERESTS, "모빌리티 👩\u200d💻", SlotContext.PLAIN, "모빌리티 👩\u200d💻"),
        (Slot.VIEW_URL, "https://a.example/v?x=1&y=2", SlotContext.HTML, "https://a.example/v?x=1&amp;y=2"),
        (Slot.VIEW_URL, "https://a.example/v?x=1&y=2", SlotContext.PLAIN, "https://a.example/v?x=1&y=2"),
        (
            Slot.VIEW_URL,
            'https://a.example/"><script>\r\n',
            SlotContext.HTML,
            "https://a.example/%22%3E%3Cscript%3E%0D%0A",
        ),
        (Slot.VIEW_URL, "https://a.example/한", SlotContext.PLAIN, "https://a.example/%ED%95%9C"),
    ],
)
def test_values_are_escaped_for_their_place(slot: Slot, value: str, place: SlotContext, expected: str) -> None:
    assert escape(slot, value, place) == expected


def test_filling_leaves_the_rest_as_it_is() -> None:
    document = f"<a href='{token(NONCE, Slot.VIEW_URL)}'>&amp;</a>"
    assert (
        fill(document, NONCE, {Slot.VIEW_URL: "https://a.example/"}, SlotContext.HTML)
        == "<a href='https://a.example/'>&amp;</a>"
    )
