"""Each trap of the renderers that was measured, by number: what goes wrong without us, and that it does not with us."""

import re
from types import ModuleType

import mjml as mjml_package
import premailer.cache
import pytest
from lxml import html as lxml_html
from mjml import mjml2html
from premailer import Premailer

from digest.render import mjml as seam
from digest.render.checks import HTML_WARNING, html_bytes
from digest.render.edition import render_edition
from digest.render.inline import inline
from digest.render.loader import Templates
from digest.render.markup import conserved, shown
from digest.render.mjml import MAX_DEPTH, RendererMissingError, to_html
from digest.render.mjml_lint import MjmlError
from digest.render.parts import encode
from digest.render.slots import EDITION_SLOTS, PREFIX, Slot
from digest.runtime.errors import ContentError
from tests.support.render_sample import article, edition, mjml, page, picture

UNUSUAL = {
    "no-break space": "\u00a0",
    "ideographic space": "\u3000",
    "joined emoji": "👩\u200d💻",
    "variation selector": "❤\ufe0f",
    "soft hyphen": "a\u00adb",
    "combining accent": "e\u0301",
    "half-width sound mark": "\uff76\uff9e",
    "backslash": "C:\\new",
    "double quote": 'say "yes"',
    "newline and tab": "one\n\ttwo",
}


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates()


@pytest.mark.parametrize("text", UNUSUAL.values(), ids=UNUSUAL)
def test_trap_1_attributes_keep_what_mrml_prints_as_rust_escapes(text: str) -> None:
    quoted = text.replace('"', "&quot;")
    rendered = to_html(mjml(f'<p title="{quoted}">x</p>'))
    title = lxml_html.document_fromstring(rendered).xpath("string(//p/@title)")
    assert title.split() == text.split()
    assert "\\u{" not in rendered


@pytest.mark.parametrize("text", UNUSUAL.values(), ids=UNUSUAL)
def test_trap_1_titles_become_an_attribute_too(text: str) -> None:
    quoted = text.replace('"', "&quot;")
    rendered = to_html(mjml("x", head=f"<mj-title>{quoted}</mj-title>"))
    label = lxml_html.document_fromstring(rendered).xpath("string(//*[@aria-label]/@aria-label)")
    assert label.split() == text.split()


def test_trap_1_single_quoted_attributes_may_hold_double_quotes() -> None:
    rendered = to_html(mjml("<p title='say \"yes\"'>x</p>"))
    assert lxml_html.document_fromstring(rendered).xpath("string(//p/@title)") == 'say "yes"'


def test_trap_1_is_real() -> None:
    assert "\\u{3000}" in mjml2html(mjml('<p title="\u3000">x</p>'))


def test_trap_2_words_do_not_join_where_only_a_newline_stands() -> None:
    joined = "<i>a</i>\n<b>b</b>"
    assert "<i>a</i><b>b</b>" in mjml2html(mjml(joined))
    assert "<i>a</i> <b>b</b>" in to_html(mjml(joined))


def test_trap_2_lines_of_preformatted_text_stay_lines() -> None:
    rendered = to_html(mjml("<pre><b>a</b>\n\n<b>b</b></pre>"))
    assert lxml_html.document_fromstring(rendered).xpath("string(//pre)") == "a\n\nb"


def test_trap_3_the_doctype_stays() -> None:
    assert inline(page("<p>x</p>"), "p { margin: 0 }").startswith("<!DOCTYPE html>")


def test_trap_4_the_width_of_an_image_stays_in_pixels() -> None:
    image = page('<img class="i" width="552" src="a" alt="">')
    css = ".i { width: 100%; height: auto }"
    assert 'width="100%"' in Premailer(image, css_text=css).transform()
    assert 'width="552"' in inline(image, css)


def test_trap_5_important_and_media_queries_stay_in_style() -> None:
    style = "@media (max-width:480px) { .c { width: 100% !important } }"
    inlined = inline(page('<p class="c">x</p>', f'<style>{style}</style><style media="screen">.d{{}}</style>'), "")
    assert f"<style>{style}</style>" in inlined
    assert '<style media="screen">.d{}</style>' in inlined
    assert "data-premailer" not in inlined


def test_trap_5_important_stays_in_style_attributes() -> None:
    assert 'style="margin:0 !important"' in inline(page('<p class="a">x</p>'), ".a { margin: 0 !important }")


def test_colours_keep_six_digits_when_they_are_inlined() -> None:
    assert 'style="color:#ffffff"' in inline(page('<p class="a">x</p>'), ".a { color: #ffffff }")


def test_no_mail_asks_a_font_server() -> None:
    assert "fonts.googleapis.com" in mjml2html(mjml("x"))
    assert "https://" not in to_html(mjml("x"))
    with pytest.raises(MjmlError, match="no element <mj-font>"):
        to_html(mjml("x", head='<mj-font name="A" href="https://fonts.example/a" />'))


def test_trap_5_styles_in_conditional_comments_are_left_alone() -> None:
    comment = "<!--[if mso]><style>td { color: #111111 }</style><![endif]-->"
    assert comment in inline(page("<p>x</p>", comment), "")


def test_trap_6_one_strange_style_spoils_no_later_mail() -> None:
    css = "p { margin: 0 }"
    premailer.cache.cache.clear()
    Premailer(page('<p class="a" style="p">x</p>'), css_text=".a { color: red }").transform()
    with pytest.raises(TypeError):
        Premailer(page("<p>x</p>"), css_text=css).transform()
    assert 'style="margin:0"' in inline(page("<p>x</p>"), css)
    with pytest.raises(ContentError, match="style attribute"):
        inline(page('<p style="head">x</p>'), css)
    assert 'style="margin:0"' in inline(page("<p>x</p>"), css)


def test_trap_7_deep_nesting_is_refused_before_it_kills() -> None:
    deep = "<div>" * 20_000 + "x" + "</div>" * 20_000
    with pytest.raises(MjmlError, match=f"more than {MAX_DEPTH} elements deep"):
        to_html(mjml(deep))


@pytest.mark.parametrize("depth", [260, 2_000])
def test_trap_7_text_that_the_parser_drops_in_silence_is_missed(depth: int) -> None:
    with pytest.raises(ContentError, match="CSS inlining changed the text"):
        inline(page("<div>" * depth + "lost words" + "</div>" * depth), "")


def test_trap_7_what_mrml_drops_in_silence_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam, "normalise", lambda document: document.replace("lost ", ""))
    with pytest.raises(ContentError, match=r"MJML rendering changed the text .* where “lostwords” became “words”"):
        to_html(mjml("lost words"))


def test_trap_7_a_lost_link_is_missed_though_its_words_are_there() -> None:
    with pytest.raises(ContentError, match=r"lost the link to https://a\.example/"):
        conserved('<p><a href="https://a.example/">words</a></p>', "<p>words</p>", "A stage")


def test_trap_7_what_is_lost_is_named_with_the_words_before_it() -> None:
    with pytest.raises(ContentError, match=r"after “…Fromhereon”, where “alllost” became “”"):
        conserved("<p>From here on <b>all lost</b></p>", "<p>From here on </p>", "A stage")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (mjml("x").replace("mj-section", "mj-sektion"), "no element <mj-sektion>; did you mean mj-section"),
        (mjml("x").replace("<mj-text", '<mj-text colour="#112233"'), "no attribute colour; did you mean color"),
        (mjml("x").replace("<mj-text", '<mj-text color="#112233" color="#445566"'), "attribute color twice"),
        (mjml("x").replace("<mj-text", '<mj-text padding="10pt"'), r"padding='10pt'"),
        (mjml("x").replace("<mj-text", '<mj-text align="middle"'), "align='middle'"),
        (mjml("x").replace("<mj-text", '<mj-text color="#123"'), "color='#123'"),
        (mjml("<mj-divider></mj-divider>"), "<mj-divider> is not allowed inside <mj-text>"),
        (mjml("x").replace("<mj-column>", "").replace("</mj-column>", ""), "<mj-text> is not allowed in <mj-section>"),
        (mjml("x").replace("</mj-column>", ""), "</mj-section> closes an element that is not open"),
        ("<mjml><mj-body>", "<mj-body> is never closed"),
        (mjml("x").replace("<mj-column>", "loose words<mj-column>"), "“loose words” is outside"),
        (mjml("<p class=x>y</p>"), "<p> has an attribute without quotation marks"),
        (mjml('<p title="a=b" class=x>y</p>'), "<p> has an attribute without quotation marks"),
        (mjml("a < b"), "A `<` does not start a tag"),
        (mjml("a <!-- b -- c --> d"), "A comment contains `--`"),
    ],
)
def test_trap_8_what_mrml_would_ignore_is_an_error(document: str, message: str) -> None:
    with pytest.raises(MjmlError, match=message):
        to_html(document)


def test_trap_8_errors_have_line_and_column() -> None:
    with pytest.raises(MjmlError, match=r"line 3, column 5"):
        to_html("<mjml>\n  <mj-body>\n    <mj-txt></mj-txt>\n  </mj-body>\n</mjml>")


def test_trap_9_no_mime_field_needs_folding_or_encoded_words(templates: Templates) -> None:
    rendered = render_edition(edition(), templates)
    parts = encode(rendered.html, rendered.text, rendered.nonce)
    for header in (parts.header("html"), parts.header("text")):
        assert b"=?" not in header
        assert max(map(len, header.split(b"\r\n"))) <= 76


def test_trap_10_a_long_issue_is_summaries_before_gmail_clips_it(templates: Templates) -> None:
    long = "\n\n".join(["A paragraph of an article that is really long, as they are. " * 8] * 6)
    issue = edition(*(article(f"a{n}", long, lead=n == 0) for n in range(40)))
    rendered = render_edition(issue, templates)
    assert html_bytes(rendered.html, rendered.nonce) <= HTML_WARNING
    found = next(finding for finding in rendered.findings if finding.id == "shown-as-summary")
    assert found.message.startswith(
        "To stay below the size at which Gmail clips, 31 articles will be shown as summaries"
    )
    assert "“The title of a9”" in found.message
    assert "“The title of a8”" not in found.message


def test_trap_10_articles_of_a_section_share_one_mjml_section(templates: Templates) -> None:
    def sections(count: int) -> int:
        rendered = render_edition(edition(*(article(f"a{n}") for n in range(count))), templates)
        return rendered.html.count('style="margin:0px auto')

    assert sections(2) == sections(12)


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "</mj-text><mj-raw><b>x</b></mj-raw>", '"><img src=x>']
)
def test_trap_11_everything_is_escaped_in_mjml_templates(templates: Templates, hostile: str) -> None:
    strange = article(
        "strange", title=hostile, summary=hostile, sources=(hostile,), images=(picture(alt=hostile, caption=hostile),)
    )
    rendered = render_edition(edition(strange, subject=hostile, preheader=hostile), templates)
    assert hostile not in rendered.html
    assert "".join(hostile.split()) in shown(rendered.html).text


def test_trap_12_another_package_called_mjml_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ModuleType("mjml")
    other.mjml2html = ModuleType("mjml.mjml2html")  # type: ignore[attr-defined]
    monkeypatch.setattr(seam, "_mjml", other)
    seam._renderer.cache_clear()
    with pytest.raises(RendererMissingError) as caught:
        to_html(mjml("x"))
    assert "mjml-python" in caught.value.hint
    monkeypatch.setattr(seam, "_mjml", mjml_package)
    seam._renderer.cache_clear()
    assert "x" in shown(to_html(mjml("x"))).text


def test_trap_13_a_token_that_an_author_writes_stays_text(templates: Templates) -> None:
    known = render_edition(edition(), templates)
    stolen = f"{PREFIX}{known.nonce}_{Slot.UNSUBSCRIBE_URL}@@"
    body = f"See [this page](https://evil.example/{stolen}) and {stolen} and {{{{7*7}}}} and `{{% raw %}}`."
    rendered = render_edition(edition(article("thief", body)), templates)
    assert rendered.nonce != known.nonce
    assert stolen in rendered.text
    assert "{{7*7}}" in rendered.html
    assert "{{7*7}}" in rendered.text
    own = re.findall(rf"{PREFIX}{rendered.nonce}_([A-Z_]+)@@", rendered.text)
    assert set(own) == EDITION_SLOTS | {Slot.TEST_MARK}
    assert [finding for finding in rendered.findings if finding.id == "leftover"] == []
