"""What mail apps leave of a mail, simulated."""

import pytest

from digest.web.desk.mail_clients import GMAIL_STYLE_LIMIT, MailClient, left_by, turned


def test_gmail_keeps_what_it_supports() -> None:
    css = "@media (prefers-color-scheme: dark) { a { color: #fff } } @media screen and (max-width: 480px) { .x { width: 1px } }"
    kept = left_by(MailClient.GMAIL, f"<style>{css} [data-ogsc] b {{ top: 0 }} .t b {{ left: 0 }} @import 'x';</style>")
    assert ".x" in kept
    assert ".t b" in kept
    assert not any(one in kept for one in ("prefers", "ogsc", "import"))


def test_gmail_drops_what_is_beyond_its_limit() -> None:
    small, large = "<style>b { top: 0 }</style>", f"<style>i {{ left: 0 }} /*{'x' * GMAIL_STYLE_LIMIT}*/</style>"
    kept = left_by(MailClient.GMAIL, small + large + "<p>")
    assert "top" in kept
    assert "left" not in kept


def test_outlook_turns_and_marks_light_grounds_and_dark_text() -> None:
    html = '<head></head><body><p style="color:#111111;background-color: #fff;border-color:#222222">x</p>'
    turned_html = left_by(MailClient.OUTLOOK_DARK, html)
    assert 'data-ogsc="#111111"' in turned_html
    assert 'data-ogsb="#fff"' in turned_html
    assert "border-color:#222222" in turned_html
    assert "background-color: #262626" in turned_html


@pytest.mark.parametrize(
    ("colour", "ground", "expected"), [("#fcfcfb", False, "#fcfcfb"), ("#0b4f83", True, "#0b4f83")]
)
def test_light_text_and_dark_grounds_stay(colour: str, ground: bool, expected: str) -> None:
    assert turned(colour, ground=ground) == expected


@pytest.mark.parametrize("client", MailClient)
@pytest.mark.parametrize(
    "hostile", ["", "<", "<style>", "<style>@media {{{</style>", "<img " * 5000, "<p style='color:#"]
)
def test_broken_markup_is_no_error(client: MailClient, hostile: str) -> None:
    assert isinstance(left_by(client, hostile), str)
