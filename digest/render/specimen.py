"""A specimen of every component of a mail, so that a look can be judged before there is an issue in it. Pure."""

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from PIL import Image, ImageDraw

from digest.articles.body import render_body
from digest.articles.embeds import Citation
from digest.issues.models import Issue
from digest.render import tables
from digest.render.content import MOST_LISTED, EditionViews, IssueContent
from digest.render.context import ArticleView, EditionContext, ImageView, LeftOutView, SectionView, VideoView
from digest.render.logo import logo_pictures
from digest.settings.root import Settings

_DAY = date(2026, 1, 15)
_PICTURE = "specimen.png"
_SIZE = (1104, 621)


def specimen(settings: Settings, language: str, translate: Callable[[str], str]) -> EditionContext:
    """Return an edition that shows every component in a language. Raises ContentError for a logo that is none."""
    at = f"{settings.publication.base_url}/"
    issue = Issue(number=1, period="2026-01", date=_DAY, created_at=datetime(2026, 1, 15, tzinfo=UTC))
    frame = EditionViews(IssueContent(issue, {}, {}), language, settings, translate).frame
    prose = translate(
        "This is how an article reads. It has a [link](%(url)s), **strong words**, and a list:\n\n- the first entry\n"
        "- the second one\n\n> A quotation stands apart.\n\n| Year | Cities |\n|---|--:|\n| 2025 | 12 |\n"
        "| 2026 | 17 |\n"
    ) % {"url": at}

    def picture(name: str) -> ImageView:
        alt, caption = translate("A bridge over a river"), translate("A picture with its caption")
        return ImageView(f"{at}media/{name}", alt, caption, width=_SIZE[0], height=_SIZE[1])

    def article(slug: str, title: str, body: str = "", **fields: Any) -> ArticleView:
        text = tables.fit(render_body(body, article_key=slug, language=language).html, language)
        plain = ArticleView(slug, slug, title, "story", language, body_html=text, display="full", read_on_url=at)
        return replace(plain, **fields)

    other = next((code for code in settings.languages if code != language), language)
    summary = translate("A summary says in two sentences what an article is about. The rest is read on the web.")
    articles = [
        article("lead", translate("The first article is the largest"), prose, lead=True, summary=summary,
                images=(picture(_PICTURE),), date="2026-01-12", sources=(translate("A source"),)),
        article("short", translate("An article as a summary"), summary=summary, display="summary"),
        article("pair", translate("Two pictures side by side"), kind="gallery", images=(picture(_PICTURE),) * 2),
        article("notice", translate("A notice with a date and a button"), kind="notice", summary=summary,
                apply_by=date(2026, 1, 31), link=at),
        article("film", translate("A video"), kind="video",
                videos=(VideoView(at, translate("A video"), summary, picture(_PICTURE)),)),
        article("paper", translate("A paper with its reference"), kind="citation", summary=summary, link=at,
                citation=Citation(("A. Kim", "B. Lee"), "Journal of Cities", "12", "3", "2026", "45–67")),
        article("other", translate("An article in its original language"), language=other, summary=summary),
    ]  # fmt: skip
    numbered = tuple(replace(one, number=str(number)) for number, one in enumerate(articles, start=1))
    sections = [
        SectionView("first", translate("A section"), numbered[:4]),
        SectionView("second", translate("Another section"), numbered[4:]),
    ]
    return replace(
        frame,
        subject=translate("How mails look"),
        preheader=summary,
        sections=tuple(sections),
        left_out=(LeftOutView(translate("A title that this edition leaves out"), at, sections[0].title, language),),
        untranslated=True,
        listed=MOST_LISTED,
    )


def with_pictures(html: str, settings: Settings) -> str:
    """Return the HTML of a specimen with the bytes of its pictures and of the logo, which need not be stored."""
    media = f"{settings.publication.base_url}/media/"
    html = html.replace(f"{media}{_PICTURE}", _data(_drawn(), "png"))
    for picture in logo_pictures(settings):
        address = f"{media}{picture.hash}.{picture.extension}"
        html = html.replace(address, _data(picture.content, picture.extension))
    return html


def _data(content: bytes, extension: str) -> str:
    kind = {"jpg": "jpeg"}.get(extension, extension)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


@cache
def _drawn() -> bytes:
    image = Image.new("RGB", _SIZE, "#b9cbd8")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 430, _SIZE[0], _SIZE[1]), fill="#7f9db3")
    draw.arc((150, 210, 954, 720), 180, 360, fill="#3d5668", width=18)
    draw.rectangle((0, 400, _SIZE[0], 424), fill="#3d5668")
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
