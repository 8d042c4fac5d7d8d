"""An edition for anybody: nothing of a reader in it, and no line that only makes sense to one."""

import pytest

from digest.render.slots import Slot, choose_nonce, token
from digest.web.archive.neutral import Neutral, neutral_html, neutral_text

NEUTRAL = Neutral("https://n.example/subscribe", "Subscribe", "https://n.example/archive/21")
NONCE = choose_nonce("anything")
PREFERENCES, UNSUBSCRIBE = token(NONCE, Slot.PREFERENCES_URL), token(NONCE, Slot.UNSUBSCRIBE_URL)
VIEW, INTERESTS = token(NONCE, Slot.VIEW_URL), token(NONCE, Slot.INTERESTS)


def test_lines_about_the_reader_go_and_one_link_subscribes() -> None:
    html = (
        f'<p class="p">You follow: {INTERESTS}.</p>\n<ul><li><a class="a" href="{PREFERENCES}">Change</a></li>'
        f'<li><a href="{UNSUBSCRIBE}">Leave</a></li><li><a href="{VIEW}">Browser</a></li></ul><p>Postal address</p>'
    )
    assert neutral_html(html, NONCE, NEUTRAL) == (
        '<ul><li><a class="a" href="https://n.example/subscribe">Subscribe</a></li></ul><p>Postal address</p>'
    )


def test_an_article_around_is_never_taken_out_with_the_line() -> None:
    html = f'<ul><li>Article <ul><li><a href="{VIEW}">Browser</a></li></ul> end</li></ul>'
    assert neutral_html(html, NONCE, NEUTRAL) == "<ul><li>Article <ul></ul> end</li></ul>"


def test_a_slot_outside_of_any_line_is_filled() -> None:
    html = f'<div><a href="{UNSUBSCRIBE}">Leave</a> {INTERESTS} <a href="{VIEW}">See</a></div>'
    assert neutral_html(html, NONCE, NEUTRAL) == ('<div><a href="https://n.example/subscribe">Subscribe</a> … </div>')


def test_the_text_loses_the_same_lines() -> None:
    text = (
        f"View:\n{VIEW}\n\nArticle one.\n\nYou get this because you\nfollow: {INTERESTS}.\n\nChange:\n{PREFERENCES}\n\n"
        f"Unsubscribe:\n{UNSUBSCRIBE}\n\nPostal address\n"
    )
    assert neutral_text(text, NONCE, NEUTRAL) == (
        "Article one.\n\nSubscribe:\nhttps://n.example/subscribe\n\nPostal address\n"
    )


def test_a_long_block_keeps_its_words() -> None:
    block = "one\ntwo\nthree\nfour\nfive " + UNSUBSCRIBE
    assert neutral_text(block, NONCE, NEUTRAL) == "one\ntwo\nthree\nfour\nfive https://n.example/subscribe"


@pytest.mark.parametrize("hostile", ["", "<li>" * 3000, f"<li>{VIEW}" * 300, "<p " * 3000, "@@R_" * 3000])
def test_broken_and_huge_markup_leaves_no_token(hostile: str) -> None:
    assert NONCE not in neutral_html(hostile, NONCE, NEUTRAL)


def test_the_label_is_text() -> None:
    odd = Neutral("https://n.example/subscribe", "<b>Join</b>", "")
    assert "&lt;b&gt;" in neutral_html(f'<a href="{PREFERENCES}">x</a>', NONCE, odd)


def test_a_token_that_an_author_wrote_is_text_and_stays() -> None:
    html = f"<p>{token('0123456789abcdef', Slot.VIEW_URL)}</p>"
    assert neutral_html(html, NONCE, NEUTRAL) == html


def test_a_link_from_the_page_to_itself_goes_with_its_line_break() -> None:
    html = f'<p>The preheader stays.<br />\n<a class="a" href="{VIEW}">View in a browser</a></p>'
    assert neutral_html(html, NONCE, NEUTRAL) == "<p>The preheader stays.</p>"
