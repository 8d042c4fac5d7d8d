"""A small edition, and pieces to change about it."""

from dataclasses import replace
from datetime import date
from typing import Any

from digest.articles.body import render_body
from digest.render.context import ArticleView, EditionContext, ImageView, LeftOutView, PublicationView, SectionView

BASE = "https://digest.example.org"
PUBLICATION = PublicationView("Smart City Newsletter", "Once a month", "Centre", "21 Sample-daero, Sejong", BASE)


def picture(name: str = "hall", **fields: Any) -> ImageView:
    values: dict[str, Any] = {"alt": f"What {name} shows", "width": 1200, "height": 675} | fields
    return ImageView(f"{BASE}/media/{name}.png", **values)


def article(slug: str, markdown: str = "Some *words*.", **fields: Any) -> ArticleView:
    body = render_body(markdown, article_key=slug, language=fields.get("language", "en")).html
    values: dict[str, Any] = {
        "title": f"The title of {slug}",
        "anchor": slug,
        "kind": "story",
        "language": "en",
        "summary": f"The summary of {slug}.",
        "body_html": body,
        "read_on_url": f"{BASE}/archive/21#{slug}",
    } | fields
    return ArticleView(slug=slug, **values)


def edition(*articles: ArticleView, **fields: Any) -> EditionContext:
    shown = articles or (
        article("lead", lead=True, images=(picture(),), date="2021-09-17", sources=("MOLIT",)),
        article("second", "An [act of parliament](https://example.org/second) and a note.[^1]\n\n[^1]: The note."),
    )
    shown = tuple(replace(one, number=str(number)) for number, one in enumerate(shown, start=1))
    context = EditionContext(
        publication=PUBLICATION,
        number=21,
        period="2021-09",
        issue_date=date(2021, 9, 30),
        language="en",
        subject="Smart City Newsletter No. 21",
        preheader="What September brought.",
        intro_html="<p>Welcome.</p>",
        sections=(SectionView("news", "News", shown),),
        left_out=(LeftOutView("A title left out", f"{BASE}/archive/21#out", "Special", "ko"),),
        archive_url=f"{BASE}/archive/21",
        listed=8,
    )
    return replace(context, **fields)


def mjml(body: str, head: str = "") -> str:
    """A whole MJML document around the content of one mj-text."""
    text = f"<mj-section><mj-column><mj-text>{body}</mj-text></mj-column></mj-section>"
    return f'<mjml lang="en" dir="ltr"><mj-head>{head}</mj-head><mj-body>{text}</mj-body></mjml>'


def page(body: str, head: str = "") -> str:
    """A whole HTML document."""
    return f"<!doctype html><html><head>{head}</head><body>{body}</body></html>"
