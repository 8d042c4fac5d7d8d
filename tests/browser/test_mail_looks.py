"""The rendered mail in a real browser: wide and narrow, light and dark, English and Korean, with and without pictures."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, ViewportSize

from digest.articles.body import render_body
from digest.articles.embeds import Citation
from digest.render.context import (
    ArticleView,
    EarlierIssueView,
    EarlierTitleView,
    EditionContext,
    ImageView,
    LeftOutView,
    PublicationView,
    SectionView,
    VideoView,
)
from digest.render.edition import render_edition
from digest.render.loader import Templates
from digest.render.tables import fit
from tests.support.combinations import combinations

pytestmark = pytest.mark.browser

MEDIA = "https://digest.example.org/media/"
WIDE, PHONE = 640, 375
SCHEMES = ("light", "dark", "outlook-dark")
# Both fire on every mail: it has no landmarks, since mail apps put it into their own page.
AXE_OFF = {"region": {"enabled": False}, "landmark-one-main": {"enabled": False}}

BODY = """A first paragraph with **weight**, a [link to the notice](https://example.org/notice) and a footnote.[^1]

## What it sets out

| Part | What it sets out | When |
|:--|:--|--:|
| Corridors | A sketch of three-dimensional city traffic, with skyways reserved for it | 3 November 14:00 |

- **(Programme)** opening, tour, keynotes
  - 25 conferences
- https://example.org/a/path/that/never/ends/and/goes/on/and/on/and/on/and/on/and/on/and/on/and/on/and/on/and/on

| One | Two | Three | Four | Five |
|--|--|--|--|--|
| Certification | Interoperability | Standardisation | Demonstration | Commercialisation |

> See: REAL YOUR SMART CITY

`a/word/without/any/gap/that/is/much/longer/than/a/telephone/is/wide/a/word/without/any/gap/at/all`

[^1]: The vehicles exchange data.
"""
BODY_KO = "국토교통부는 「스마트도시 인증」 공모를 통해 5개 도시를 우수 스마트도시로 인증했습니다.\n\n※ **도시별 대표 성과**\n\n1. **대도시**\n\n   ➊ **서울특별시**: 스마트폴, 디지털 트윈"


def _picture(name: str, width: int = 1200) -> ImageView:
    return ImageView(
        f"{MEDIA}{name}.png", f"What {name} shows", f"The caption of {name}", "Illustration: Centre", width, 675
    )


def _video(name: str) -> VideoView:
    return VideoView(f"https://example.org/videos/{name}", f"Film {name}", "What it tells", _picture(name))


def _article(slug: str, kind: str = "story", language: str = "en", **fields: Any) -> ArticleView:
    markdown = BODY_KO if language == "ko" else BODY
    body = fit(render_body(markdown, article_key=slug, language=language).html, language)
    values = {"body_html": body, "date": "2021-09-17", "sources": ("MOLIT", "LH"), "summary": "A summary."} | fields
    return ArticleView(slug=slug, anchor=slug, title=f"The title of {slug}", kind=kind, language=language, **values)


def _earlier(number: int) -> EarlierIssueView:
    url = f"https://digest.example.org/archive/{number}"
    titles = (EarlierTitleView("A title", f"{url}#a", "en"), EarlierTitleView("한국어 제목", f"{url}#b", "ko"))
    return EarlierIssueView(number, date(2021, 8, 31), url, titles, more=3)


def _edition(language: str) -> EditionContext:
    """One issue with every kind of article, one of them in another language than the mail's."""
    citation = Citation(("Junsu Kim", "Howon Lee"), "Journal", "38", "9", "2021-08", "55–63", "044-417-9668")
    sections = (
        SectionView("issue", "Issue", (_article("lead", lead=True, images=(_picture("hall"),), language=language),)),
        SectionView(
            "special",
            "Special",
            (
                _article("gallery", "gallery", images=(_picture("left"), _picture("right"), _picture("diagram"))),
                _article("films", "videos", videos=(_video("one"), _video("two"), _video("three"))),
                _article("pair", videos=(_video("four"), _video("five")), link="https://example.org/pair"),
                _article("film", "video", videos=(_video("six"),), language="ko"),
            ),
        ),
        SectionView(
            "news",
            "News",
            (
                _article("short", display="summary", images=(_picture("thumb"),), read_on_url=f"{MEDIA}../archive/21"),
                _article("title", display="summary", summary="", body_html="", read_on_url=f"{MEDIA}../archive/21"),
                _article("notice", "notice", apply_by=date(2021, 10, 15), link="mailto:ideas@example.org", sources=()),
                _article("small", images=(_picture("small", width=180),)),
            ),
        ),
        SectionView(
            "literature",
            "Literature",
            (
                _article("paper", "citation", citation=citation, body_html="", link="https://example.org/paper"),
                _article("paper-two", "citation", citation=citation, body_html="", date=""),
            ),
        ),
    )
    return EditionContext(
        publication=PublicationView(
            "Smart City Newsletter", "Once a month", "Centre", "21 Sample-daero, Sejong", "https://digest.example.org"
        ),
        number=21,
        period="2021-09",
        issue_date=date(2021, 9, 30),
        language=language,
        subject="Smart City Newsletter No. 21",
        preheader="Five cities are certified.",
        intro_html="<p>What September brought.</p>",
        sections=sections,
        left_out=(LeftOutView("A title left out", "https://digest.example.org/archive/21#x", "Special", "ko"),),
        frequency="third",
        earlier=tuple(_earlier(number) for number in (20, 19)),
        archive_url="https://digest.example.org/archive/21",
        untranslated=True,
    )


@pytest.fixture(scope="module")
def mails() -> dict[str, str]:
    templates = Templates(None)
    return {language: render_edition(_edition(language), templates).html for language in ("en", "ko")}


@dataclass
class Screen:
    """A mail on a screen, and the addresses that it asked for. Nothing reaches the network."""

    page: Page
    asked: list[str]

    def number(self, script: str) -> float:
        return float(self.page.evaluate(script))


def _show(browser: Browser, mail: str, width: int, scheme: str = "light", *, pictures: bool = True) -> Screen:
    png = io.BytesIO()
    Image.new("RGB", (1200, 675), "#336688").save(png, "PNG")
    size: ViewportSize = {"width": width, "height": 900}
    page = browser.new_context(viewport=size, color_scheme="dark" if scheme == "dark" else "light").new_page()
    screen = Screen(page, [])

    def answer(route: Route) -> None:
        screen.asked.append(route.request.url)
        if pictures and route.request.url.startswith(MEDIA):
            route.fulfill(body=png.getvalue(), content_type="image/png")
        else:
            route.abort()

    page.route("**/*", answer)
    page.set_content(mail, wait_until="load")
    if scheme == "outlook-dark":  # what Outlook on the web adds where it darkens a mail itself
        page.evaluate("for (const name of ['data-ogsc', 'data-ogsb']) document.body.setAttribute(name, '')")
    return screen


@pytest.fixture
def show(browser: Browser) -> Iterator[Any]:
    screens: list[Screen] = []

    def open_mail(*arguments: Any, **options: Any) -> Screen:
        screens.append(_show(browser, *arguments, **options))
        return screens[-1]

    yield open_mail
    for screen in screens:
        screen.page.context.close()


LOOKS = [
    ("en", WIDE, "light"), ("en", PHONE, "dark"), ("en", 320, "outlook-dark"),
    ("ko", WIDE, "outlook-dark"), ("ko", PHONE, "light"), ("ko", 320, "dark"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("language", "width", "scheme"), combinations(LOOKS, ["en", "ko"], [WIDE, PHONE, 320], SCHEMES)
)
def test_the_mail_fits_and_everyone_can_read_it(
    mails: dict[str, str], show: Any, language: str, width: int, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - reads half a megabyte

    screen = show(mails[language], width, scheme)
    assert screen.number("document.documentElement.scrollWidth") <= width

    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    result = Axe().run(screen.page, options={"rules": AXE_OFF, "runOnly": tags}).response
    found = [(v["id"], v["impact"], [n["html"] for n in v["nodes"]]) for v in result["violations"]]
    assert [finding for finding in found if finding[1] in {"serious", "critical"}] == []
    # A rule that could not decide, or found nothing to look at, would pass silently.
    assert "color-contrast" in {rule["id"] for rule in result["passes"]}
    undecided = [n["html"] for rule in result["incomplete"] if rule["id"] == "color-contrast" for n in rule["nodes"]]
    assert undecided == []
    assert {"heading-order", "image-alt", "link-name", "target-size"} <= {rule["id"] for rule in result["passes"]}


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_nothing_is_lost_where_pictures_are_off(mails: dict[str, str], show: Any, width: int) -> None:
    screen = show(mails["en"], width, pictures=False)
    assert screen.number("document.documentElement.scrollWidth") <= width
    shown = screen.page.evaluate("[...document.images].map(i => [i.alt, i.getBoundingClientRect().height])")
    assert shown
    assert all(alt and height >= 14 for alt, height in shown)  # the words of each are visible


def test_the_mail_asks_nobody_but_the_publication_for_anything(mails: dict[str, str], show: Any) -> None:
    asked = show(mails["en"], WIDE).asked
    assert asked
    assert [url for url in asked if not url.startswith(MEDIA)] == []


@pytest.mark.parametrize("scheme", ["dark", "outlook-dark"])
def test_dark_is_the_themes_dark(mails: dict[str, str], show: Any, scheme: str) -> None:
    dark = Templates(None).theme["dark"]
    page = show(mails["en"], WIDE, scheme).page
    style = "(s, p) => getComputedStyle(document.querySelector(s))[p]"
    wanted = {
        (".paper", "backgroundColor"): "paper",
        ("h3", "color"): "ink",
        ("h2", "color"): "accent",
        (".meta", "color"): "muted",
        (".section > table", "borderTopColor"): "accent",
    }
    for (selector, name), token in wanted.items():
        shown = page.evaluate(f"([s, p]) => ({style})(s, p)", [selector, name])
        red, green, blue = (int(dark[token][i : i + 2], 16) for i in (1, 3, 5))
        assert shown == f"rgb({red}, {green}, {blue})", (selector, token)


@pytest.mark.parametrize(("scheme", "wanted"), [("light", "none"), ("dark", "brightness(0.88)")])
def test_pictures_are_a_little_dimmed_in_the_dark_only(
    mails: dict[str, str], show: Any, scheme: str, wanted: str
) -> None:
    script = "[...new Set([...document.images].map(picture => getComputedStyle(picture).filter))]"
    assert show(mails["en"], WIDE, scheme).page.evaluate(script) == [wanted]


@pytest.mark.parametrize("kind", ["gallery", "pair"])
def test_what_stands_side_by_side_is_stacked_on_a_phone(mails: dict[str, str], show: Any, kind: str) -> None:
    script = """kind => {
        const cells = document.getElementById(kind).parentElement.querySelectorAll('td.stack');
        return [...cells].slice(0, 2).map(c => c.getBoundingClientRect()).map(r => [r.left, r.top, r.width]);
    }"""
    wide = show(mails["en"], WIDE).page.evaluate(script, kind)
    assert wide[0][1] == wide[1][1]
    assert wide[0][0] < wide[1][0]
    phone = show(mails["en"], PHONE).page.evaluate(script, kind)
    assert phone[0][1] < phone[1][1]
    assert phone[0][0] == phone[1][0]
    assert phone[0][2] > 300


@pytest.mark.parametrize("kind", ["films", "short"])
def test_a_small_picture_stays_beside_its_text_on_a_phone(mails: dict[str, str], show: Any, kind: str) -> None:
    script = """kind => {
        const cells = [...document.getElementById(kind).parentElement.querySelector('td.thumb').parentElement.cells];
        return [cells[0], cells[2]].map(c => c.getBoundingClientRect()).map(r => [r.left, r.top, r.width]);
    }"""
    (left, top, width), (beside, there, _) = show(mails["en"], PHONE).page.evaluate(script, kind)
    assert top == there
    assert 110 <= width <= 120
    assert left + width < beside


def test_the_lead_is_what_one_sees_first(mails: dict[str, str], show: Any) -> None:
    for language, mail in mails.items():
        assert show(mail, PHONE).number("document.querySelector('h3').getBoundingClientRect().top") <= 400, language


def test_text_is_large_airy_and_not_justified(mails: dict[str, str], show: Any) -> None:
    page = show(mails["ko"], PHONE).page
    script = """s => [...document.querySelectorAll(s)].map(e => getComputedStyle(e)).map(
        c => [parseFloat(c.fontSize), parseFloat(c.lineHeight) / parseFloat(c.fontSize), c.textAlign, c.wordBreak])"""
    texts = page.evaluate(script, ".body > p:not(.note):not(.record)")
    assert texts
    assert all(size == 16 and height >= 1.5 and align in {"left", "start"} for size, height, align, _ in texts)
    assert {keep for *_, keep in texts} == {"keep-all"}
    everything = page.evaluate(script, "p, li, td, h1, h2, h3, h4, h5")
    # Table cells that only lay out carry no text of their own, and mrml sets their size to nothing.
    assert min(size for size, *_ in everything if size) >= 14


def test_a_small_picture_is_not_blown_up(mails: dict[str, str], show: Any) -> None:
    width = show(mails["en"], WIDE).number("document.querySelector('img[src$=\"small.png\"]').width")
    assert width == 180


@pytest.mark.parametrize("width", [WIDE, PHONE, 320])
def test_words_in_tables_are_whole_at_every_width(mails: dict[str, str], show: Any, width: int) -> None:
    script = """() => [...document.querySelectorAll('.body th, .body td, .body .record')].flatMap(cell => {
        const broken = [], texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), range = document.createRange();
        while (texts.nextNode()) for (const word of texts.currentNode.data.matchAll(/\\S+/g)) {
            range.setStart(texts.currentNode, word.index);
            range.setEnd(texts.currentNode, word.index + word[0].length);
            if (new Set([...range.getClientRects()].map(r => r.top)).size > 1 && !/[-–]/.test(word[0])) broken.push(word[0]);
        }
        return broken;
    })"""
    page = show(mails["en"], width).page
    assert page.evaluate(script) == []
    heads = "[...document.querySelectorAll('.body thead')].filter(head => head.getClientRects().length).length > 0"
    assert page.evaluate(heads) == (width > PHONE)  # below, rows are records
