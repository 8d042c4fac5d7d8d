"""The frame's rewriting: one scheme forced, nothing else of the mail changed."""

import pytest

from digest.web.desk.frames import Scheme, force_scheme, frame_html, plain_page

DARK = "@media (prefers-color-scheme: dark) { .t { color: #eee } }"


def test_dark_takes_effect_whatever_the_system_prefers() -> None:
    assert force_scheme(DARK, Scheme.DARK) == "@media all{ .t { color: #eee } }"


def test_dark_never_takes_effect_in_a_light_frame() -> None:
    assert force_scheme(DARK, Scheme.LIGHT) == "@media not all{ .t { color: #eee } }"


@pytest.mark.parametrize(
    ("query", "dark", "light"),
    [
        ("screen and (prefers-color-scheme:dark)", "screen", "not all"),
        ("(PREFERS-COLOR-SCHEME: DARK) and (max-width: 480px)", "(max-width: 480px)", "not all"),
        ("(prefers-color-scheme: light)", "not all", "all"),
        ("only screen and (max-width:480px)", "only screen and (max-width:480px)", "only screen and (max-width:480px)"),
        ("print, (prefers-color-scheme: dark)", "print, all", "print, not all"),
    ],
)
def test_each_query_is_answered_by_itself(query: str, dark: str, light: str) -> None:
    css = f"@media {query} {{ a {{ color: red }} }}"
    assert force_scheme(css, Scheme.DARK) == f"@media {dark}{{ a {{ color: red }} }}"
    assert force_scheme(css, Scheme.LIGHT) == f"@media {light}{{ a {{ color: red }} }}"


def test_the_declared_scheme_is_forced_as_it_decides_the_canvas() -> None:
    html = '<meta name="color-scheme" content="light dark"><style>:root { color-scheme: light dark; }</style>'
    assert force_scheme(html, Scheme.DARK) == (
        '<meta name="color-scheme" content="dark"><style>:root { color-scheme: dark; }</style>'
    )


def test_pictures_come_from_the_preview_itself() -> None:
    html = '<img src="https://news.example.org/media/ab.png" alt="">'
    assert frame_html(html, Scheme.LIGHT, "https://news.example.org") == '<img src="/media/ab.png" alt="">'


def test_outside_links_open_beside_the_frame_and_anchors_in_it() -> None:
    html = '<a class="a" href="https://example.org/">out</a> <a href="#one">in</a> <a target="_top" href="http://x/">own</a>'
    framed = frame_html(html, Scheme.LIGHT, "https://news.example.org")
    assert framed == (
        '<a target="_blank" rel="noopener" class="a" href="https://example.org/">out</a> <a href="#one">in</a> '
        '<a target="_top" href="http://x/">own</a>'
    )


@pytest.mark.parametrize(
    "hostile", ["", "@media", "@media {", "@media " * 5000, "<a " * 5000, "<meta name='color-scheme"]
)
def test_broken_markup_passes_unharmed(hostile: str) -> None:
    assert force_scheme(hostile, Scheme.DARK).replace(" ", "") == hostile.replace(" ", "").replace("@media{", "@media{")


def test_source_is_shown_and_never_run() -> None:
    page = plain_page("</pre><script>alert(1)</script>", 'en"><script>', "<title>")
    assert "<script>" not in page
    assert "&lt;/pre&gt;&lt;script&gt;" in page
