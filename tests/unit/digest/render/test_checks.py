"""Every check finds its fault, and a good mail has none."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lxml import html as lxml_html
from lxml.cssselect import CSSSelector

from digest.render.checks import (
    HTML_LIMIT,
    HTML_WARNING,
    CheckedMail,
    Finding,
    Severity,
    check_mail,
    check_weight,
    html_bytes,
    shown_pictures,
)
from digest.render.checks.parts import slots_in
from digest.render.checks.shown_colours import index_of, shown_texts
from digest.render.checks.theme import CONTRAST, contrast
from digest.render.edition import render_edition
from digest.render.loader import Templates
from digest.render.slots import Slot, token
from digest.settings.publication import PLACEHOLDER_ADDRESS
from tests.support.render_sample import BASE, PUBLICATION, article, edition

BLOCK, ADVISE = Severity.BLOCK, Severity.ADVISE


@cache
def good() -> CheckedMail:
    context, templates = edition(), Templates()
    rendered = render_edition(context, templates)
    return CheckedMail(
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        nonce=rendered.nonce,
        publication=context.publication,
        source=context,
        theme=templates.theme,
        declared=slots_in(rendered.html, rendered.nonce),
        titles=tuple(a.title for a in context.articles),
    )


def findings(**changes: Any) -> dict[str, Finding]:
    return {finding.id: finding for finding in check_mail(replace(good(), **changes))}


def with_html(change: Callable[[str], str]) -> dict[str, Finding]:
    changed = change(good().html)
    assert changed != good().html
    return findings(html=changed, declared=slots_in(changed, good().nonce))


def with_body(markup: str) -> dict[str, Finding]:
    """The findings for markup put under the article "lead"."""
    return with_html(lambda html: html.replace("Some <em>words</em>.", f"Some <em>words</em>.{markup}", 1))


def own(slot: Slot) -> str:
    return token(good().nonce, slot)


def test_a_good_mail_has_no_findings() -> None:
    assert check_mail(good()) == ()


def test_each_finding_says_where_what_and_what_to_do() -> None:
    found = with_body('<a href="">nowhere</a>')["link-empty"]
    assert found.where == "HTML, under “The title of lead”"
    assert "nowhere" in found.message
    assert found.remedy


@pytest.mark.parametrize(
    ("subject", "identifier", "severity"),
    [
        ("", "subject-empty", BLOCK),
        ("One\r\nBcc: x@example.org", "subject-control", BLOCK),
        ("Turned \u202e around", "subject-control", BLOCK),
        ("Re: our news", "subject-reply", BLOCK),
        ("x" * 79, "subject-long", ADVISE),
        ("가" * 40, "subject-long", ADVISE),
    ],
)
def test_subjects(subject: str, identifier: str, severity: Severity) -> None:
    assert findings(subject=subject)[identifier].severity == severity


def test_html_size_advises_first_and_then_blocks() -> None:
    room = HTML_LIMIT - html_bytes(good().html, good().nonce)
    below, above = f"<p>{'x' * (room - 7)}</p>", f"<p>{'x' * (room - 6)}</p>"
    assert with_body(below)["html-size"].severity == ADVISE
    assert with_body(above)["html-size"].severity == BLOCK
    assert "html-size" not in with_body(f"<p>{'x' * (room - 7 - HTML_LIMIT + HTML_WARNING)}</p>")


def test_the_bounds_are_at_least_as_strict_as_gmail_and_wcag() -> None:
    assert HTML_LIMIT <= 102_000  # where Gmail clips, in bytes
    assert CONTRAST >= 4.5  # of normal text, WCAG 2.2, 1.4.3


def test_html_size_counts_bytes_and_not_characters() -> None:
    assert with_body("한" * 24_000)["html-size"].severity == ADVISE


def test_styles_that_gmail_would_ignore_block() -> None:
    assert (
        with_html(lambda html: html.replace("</style>", "x" * 16_000 + "</style>", 1))["style-size"].severity == BLOCK
    )


@pytest.mark.parametrize("part", ["html", "text"])
@pytest.mark.parametrize("slot", [Slot.UNSUBSCRIBE_URL, Slot.PREFERENCES_URL, Slot.VIEW_URL, Slot.INTERESTS])
def test_a_missing_slot_blocks(part: str, slot: Slot) -> None:
    found = findings(**{part: getattr(good(), part).replace(own(slot), "")})
    assert found["slot-missing"].severity == BLOCK
    assert slot.lower() in found["slot-missing"].message


def test_a_slot_that_was_doubled_on_the_way_blocks() -> None:
    doubled = good().html.replace(own(Slot.INTERESTS), own(Slot.INTERESTS) * 2)
    assert findings(html=doubled)["slot-doubled"].severity == BLOCK


@pytest.mark.parametrize("leftover", ["{{ name }}", "{% if %}", "@@R_0000000000000000_NAME@@", "\\u{3000}"])
@pytest.mark.parametrize("part", ["html", "text"])
def test_leftovers_of_templates_block(part: str, leftover: str) -> None:
    found = findings(
        **{part: good().html.replace("Some", f"{leftover} Some", 1) if part == "html" else good().text + leftover}
    )
    assert found["leftover"].severity == BLOCK


def test_what_looks_like_a_leftover_may_stand_in_an_article() -> None:
    rendered = render_edition(edition(article("about-templates", "Write `{{ name }}` and \\\\u{3000}.")), Templates())
    assert "{{ name }}" in rendered.text
    assert rendered.findings == ()


@pytest.mark.parametrize("part", ["html", "text"])
def test_a_missing_postal_address_blocks(part: str) -> None:
    found = findings(**{part: getattr(good(), part).replace("21 Sample-daero", "")})
    assert found["postal-missing"].severity == BLOCK


def test_the_placeholder_address_is_noticed() -> None:
    publication = replace(PUBLICATION, postal_address=PLACEHOLDER_ADDRESS)
    rendered = render_edition(edition(publication=publication), Templates())
    assert [(f.id, f.severity) for f in rendered.findings] == [("postal-placeholder", ADVISE)]


def test_an_empty_plain_text_blocks() -> None:
    assert findings(text=" \n")["text-empty"].severity == BLOCK


@pytest.mark.parametrize("part", ["html", "text"])
def test_an_article_that_only_one_part_names_blocks(part: str) -> None:
    found = findings(**{part: getattr(good(), part).replace("The title of second", "Something else")})
    assert found["text-order"].severity == BLOCK


def test_another_order_of_articles_in_the_text_blocks() -> None:
    assert findings(titles=good().titles[::-1], text="\n".join(good().titles))["text-order"].severity == BLOCK
    assert "text-order" not in findings(titles=good().titles, text="\n".join(good().titles))


def test_an_address_that_the_text_lacks_is_advised() -> None:
    assert findings(text=good().text.replace("https://example.org/second", ""))["text-link-missing"].severity == ADVISE


@pytest.mark.parametrize(
    ("address", "typed", "is_named"),
    [
        ("http://www.a.example", "www.a.example", True), ("mailto:a@b.example", "a@b.example.", True),
        ("https://a.example/its", "https://a.example/its에서", True), ("https://a.example/x", "https://a.example/xy", False),
        ("mailto:a@b.example", "la@b.example", False), ("http://a.example/", "a.example/", True),
    ],
)  # fmt: skip
def test_an_address_stands_in_the_text_as_it_was_typed(address: str, typed: str, *, is_named: bool) -> None:
    html = good().html.replace("Some <em>words</em>.", f'Some <em>words</em>.<a href="{address}">some words</a>', 1)
    found = findings(html=html, text=f"{good().text}\n{typed}\n", declared=slots_in(html, good().nonce))
    assert ("text-link-missing" not in found) == is_named


def test_a_title_that_is_not_the_subject_blocks() -> None:
    assert findings(subject="Another subject")["title-subject"].severity == BLOCK


@pytest.mark.parametrize("attribute", ["lang", "dir"])
def test_language_and_direction_are_required_twice(attribute: str) -> None:
    for tag in ("<html", "<div aria-label="):
        found = with_html(
            lambda html, tag=tag: re.sub(rf'({re.escape(tag)}[^>]*?) {attribute}="[^"]*"', r"\1", html, count=1)
        )
        assert found["language-missing"].severity == BLOCK


def test_headings_step_down_one_by_one() -> None:
    assert with_body("<h5>Too deep</h5>")["heading-order"].severity == BLOCK
    assert with_body("<h1>A second title</h1>")["heading-one"].severity == BLOCK
    assert with_body("<h4> </h4>")["heading-empty"].severity == BLOCK


def test_tables_are_for_layout_or_have_heads() -> None:
    assert with_body("<table><tr><td>x</td></tr></table>")["table-role"].severity == BLOCK
    assert "table-role" not in with_body("<table><tr><th>x</th></tr><tr><td>y</td></tr></table>")


def test_images_need_words_width_and_a_place_of_our_own() -> None:
    source = f"{BASE}/media/a.png"
    assert with_body(f'<img src="{source}" width="10">')["image-alt"].severity == BLOCK
    assert (
        with_body(f'<a href="https://a.example/"><img src="{source}" width="10" alt=""></a>')["image-alt"].severity
        == BLOCK
    )
    assert with_body(f'<img src="{source}" alt="">')["image-width"].severity == BLOCK
    assert with_body(f'<img src="{source}" alt="" width="100%">')["image-width"].severity == BLOCK
    assert with_body('<img src="https://elsewhere.example/a.png" alt="" width="10">')["image-remote"].severity == BLOCK
    assert with_body('<img src="data:image/png;base64,AA" alt="" width="10">')["image-remote"].severity == BLOCK
    assert with_body(f'<img src="{source}" alt="" width="10">') == {}


def test_ids_are_unique_and_links_inside_the_mail_have_targets() -> None:
    assert with_body('<p id="lead">x</p>')["id-doubled"].severity == BLOCK
    assert with_body('<a href="#nothing">words here</a>')["target-missing"].severity == BLOCK
    assert with_body('<a name="there"></a><a href="#there">words there</a>') == {}


@pytest.mark.parametrize(
    ("address", "identifier", "severity"),
    [
        ("", "link-empty", BLOCK),
        ("/archive/21", "link-relative", BLOCK),
        ("page.html", "link-relative", BLOCK),
        ("//evil.example/x", "link-relative", BLOCK),
        ("https:///x", "link-relative", BLOCK),
        ("http://a.example/", "link-http", ADVISE),
        ("http://localhost:8000/x", "link-local", BLOCK),
        ("https://127.0.0.1/x", "link-local", BLOCK),
        ("https://[::1]/x", "link-local", BLOCK),
        ("https://[broken/x", "link-broken", BLOCK),
    ],
)
def test_links(address: str, identifier: str, severity: Severity) -> None:
    assert with_body(f'<a href="{address}">some words</a>')[identifier].severity == severity


def test_local_links_only_advise_while_the_publication_is_local() -> None:
    base = "http://127.0.0.1:8000"
    html = good().html.replace(BASE, base)
    text = good().text.replace(BASE, base)
    found = findings(html=html, text=text, publication=replace(PUBLICATION, base_url=base))
    assert [(f.id, f.severity) for f in found.values()] == [("link-local", ADVISE)]


@pytest.mark.parametrize("words", ["here", "Click here", "여기", "더 보기", "more »"])
def test_links_say_where_they_lead(words: str) -> None:
    assert with_body(f'<a href="#lead">{words}</a>')["link-words"].severity == ADVISE


def test_a_link_without_any_words_blocks() -> None:
    assert with_body('<a href="#lead"></a>')["link-words-missing"].severity == BLOCK


@pytest.mark.parametrize("palette", ["light", "dark"])
def test_colours_that_cannot_be_read_block(palette: str) -> None:
    theme = good().theme
    faint = theme | {palette: theme[palette] | {"muted": theme[palette]["paper"]}}
    found = findings(theme=faint)["contrast"]
    assert (found.severity, found.where) == (BLOCK, f"theme, {palette}")
    wrong = theme | {palette: theme[palette] | {"muted": "grey"}}
    assert findings(theme=wrong)["theme-colour"].severity == BLOCK


def test_contrast_is_what_wcag_defines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


FAINT = [
    '<p style="color:#eeeeee">faint</p>',
    '<div style="background-color:#1b232b"><p>dark on dark</p></div>',
    '<div style="background:#222 url(x.png)"><span>dark on dark</span></div>',
    '<table role="presentation"><tr><td bgcolor="#333333"><b>cell</b></td></tr></table>',
    '<p style="color:rgba(27, 35, 43, .2)">translucent</p>',
    '<p style="opacity:0.2">translucent</p>',
    '<p style="font-size:14px;color:#949494;font-weight:bold">3 : 1, and small</p>',
    '<style>.own { color: #eee; }</style><p class="own">by a class</p>',
    '<style>@media (max-width: 480px) { .own { color: #eee; } }</style><p class="own">on a phone</p>',
    '<style>@media (prefers-color-scheme: dark) { .t p.own { color: #222 !important; } }</style><p class="own">dark</p>',
    '<style>p.own > a:link, p.own > b { color: white; }</style><p class="own"><b>child</b></p>',
]


@pytest.mark.parametrize("markup", FAINT)
def test_text_that_the_mail_shows_faintly_blocks(markup: str) -> None:
    assert with_body(markup)["contrast"].severity == BLOCK


@pytest.mark.parametrize(
    "markup",
    [
        '<p style="display:none;color:#fcfcfb">hidden</p>',
        '<p style="font-size:30px;color:#8a8a8a">3.4 : 1, and large; dark by the palette</p>',
        '<style>p.own:hover { color: #fff; } p::selection { color: #fff; } p:-x-y { color: #fff }</style><p class="own">x</p>',
        "<style>@media print { p { color: #fff; } }</style><p>x</p>",
        '<div style="background-color:transparent"><p style="color:inherit">x</p></div>',
    ],
)
def test_text_that_can_be_read_does_not(markup: str) -> None:
    assert "contrast" not in with_body(markup)


def test_an_overridden_template_is_measured_as_it_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "email/layouts/inline.css.j2"
    path.parent.mkdir(parents=True)
    path.write_text(Templates().file("email/layouts/inline.css.j2").read_text() + ".body p { color: #f2f2f2; }\n")
    (found,) = render_edition(edition(), Templates(tmp_path)).findings
    assert (found.id, found.severity) == ("contrast", BLOCK)
    assert "1.1 : 1" in found.message


@pytest.mark.parametrize(
    ("preheader", "repeats"),
    [
        ("Smart City Newsletter No. 21", True), ("smart city newsletter, no. 21!", True), ("No. 21", True),
        ("Smart City Newsletter No. 21: what is new", True), ("What is new", False), ("", False),
    ],
)  # fmt: skip
def test_a_preheader_that_repeats_the_subject(preheader: str, *, repeats: bool) -> None:
    assert ("preheader-subject" in findings(preheader=preheader)) == repeats


def test_a_label_contains_the_links_text() -> None:
    assert with_body('<a href="#lead" aria-label="각주 1의 본문으로">[1]</a>')["link-label"].severity == BLOCK
    assert with_body('<a href="#lead" aria-label="본문으로: 각주 [1]">[1]</a>') == {}


def test_a_mail_that_is_heavy_with_its_pictures() -> None:
    shown = "".join(f'<img width="9" src="{BASE}/media/{letter * 64}.png">' for letter in "ab")
    html = f'{shown}{shown}<a href="{BASE}/media/{"c" * 64}.png">whole</a>'
    assert shown_pictures(html) == {"a" * 64, "b" * 64}
    assert list(check_weight(len(html), {"a" * 64: 1_000_000, "b" * 64: 900_000})) == []
    (found,) = check_weight(len(html), {"a" * 64: 1_000_000, "b" * 64: 1_200_000})
    assert (found.id, found.severity) == ("mail-weight", ADVISE)
    assert "2.2 MB" in found.message


@pytest.mark.parametrize(
    "selector",
    [
        "p", ".a", "p.a.b", ".a p", ".a > p", "div.a>p", ".a .a p", "div div p", ".c p", ".a .c", "p, .b", "p + p",
        "p:first-child", "*.a", "[id]", "#x p", ".a   >   .b",
    ],
)  # fmt: skip
def test_colours_of_selectors_are_those_of_xpath(selector: str) -> None:
    markup = (
        '<div class="a"><p>1</p><p class="b a">2</p><div class=" b  a"><p id="i">3</p><div class="ab"><p>4</p></div></div>'
        '<!-- p --><b class="b">5</b></div><div id="x"><p class="A">6</p><div><p class="b\ta">7</p></div></div>'
    )
    tree = lxml_html.document_fromstring(f"<style>{selector} {{color:#123456}} p, b {{font-size:30px}}</style>{markup}")
    coloured = {e for one in selector.split(",") for e in CSSSelector(one, translator="html")(tree) if e.tag in "pb"}
    shown = shown_texts(tree, index_of(tree), dark=False, part_of=lambda element: element)
    ink = {text.element for text in shown if text.ink == "#123456"}
    above = {e for e in tree.iter("p", "b") if {*e.iterancestors()} & {*CSSSelector(selector)(tree)}}
    assert ink == coloured | above
