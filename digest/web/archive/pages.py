"""HTML of the archive's pages, for the server and the static export."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any, Protocol
from urllib.parse import urlsplit

from sqlmodel import Session

from digest.editions.store import Document
from digest.publish import archive
from digest.publish.archive import ShownIssue, Teaser
from digest.publish.publisher import Publisher
from digest.render.checks.page import access_report
from digest.render.figures import media_url
from digest.settings.publication import pick, pick_own
from digest.web.archive.neutral import Neutral, neutral_html, neutral_text
from digest.web.public.pages import Page, publication_in
from digest.web.public.stylesheet import page_style


class Numbered(Protocol):
    """An issue, as a row or as the archive shows it."""

    @property
    def number(self) -> int:
        """Its number."""


def list_values(page: Page, session: Session, issues: Sequence[ShownIssue]) -> dict[str, Any]:
    """Return the values of the list of issues, with their subjects as mailed, headlines and pictures."""
    default = page.publisher.settings.publication.language
    shown = [(issue, issue.edition(page.language, default)) for issue in issues]
    teasers = archive.teasers(session, [edition for _, edition in shown])
    entries = [
        {
            "number": issue.number,
            "date": issue.date,
            "subject": edition.subject,
            "language": edition.language,
            "headlines": teasers[edition.id].headlines,
            "picture": _picture(page, teasers[edition.id]),
        }
        for issue, edition in shown
    ]
    return {"entries": entries, "interests": interests_of(page), "indexed": True}


def _picture(page: Page, teaser: Teaser) -> dict[str, Any] | None:
    """Return a teaser's picture as a page shows it."""
    image = teaser.picture
    file = (image.shown or image.file) if image else None
    if image is None or file is None:
        return None
    url = media_url(file, urlsplit(page.publisher.settings.publication.base_url).path)
    return {"url": url, "width": file.width, "height": file.height, "alt": image.alt}


def start_page(
    page: Page, session: Session, latest: Sequence[ShownIssue], *, next_day: date | None = None, form_token: str = ""
) -> str:
    """Return the start page; `next_day` is the day of the next issue. Without a token for its form it has no form."""
    values = list_values(page, session, latest)
    return page.render("start", **values, next_day=next_day, form_token=form_token, still=not form_token)


def interests_of(page: Page) -> list[dict[str, str]]:
    """Return slug and title of the publication's interests."""
    return [{"slug": i.slug, "title": pick(i.title, page.language)} for i in page.publisher.settings.interest]


def issue_html(
    page: Page, session: Session, issue: ShownIssue, document: Document, issues: Sequence[ShownIssue]
) -> str:
    """Return the whole issue between bars with links to its neighbours; `issues` are all in the archive."""
    earlier = max((other.number for other in issues if other.number < issue.number), default=None)
    later = min((other.number for other in issues if other.number > issue.number), default=None)
    note = pick_own(issue.note, page.language)
    values: dict[str, Any] = {"number": issue.number, "whole": True, "earlier": earlier, "later": later, "note": note}
    values["corrections"] = _corrections(page, session, [other for other in issues if other.corrects == issue.number])
    values |= _described(page, session, issue) | {"access": access_report(document.html)}
    return _mail(page, issue, document, page.render("archive_issue", **values), page.render("archive_below", **values))


def _corrections(page: Page, session: Session, issues: Sequence[ShownIssue]) -> list[dict[str, Any]]:
    """Return the corrections of an issue, the newest first."""
    default = page.publisher.settings.publication.language
    editions = [issue.edition(page.language, default) for issue in issues]
    teasers = archive.teasers(session, editions, most=1)
    return [
        {"number": issue.number, "headline": teasers[edition.id].headlines[0]}
        for issue, edition in zip(issues, editions, strict=True)
    ]


def _described(page: Page, session: Session, issue: ShownIssue) -> dict[str, Any]:
    """Return what other sites show of an issue: title, description, picture, and its JSON-LD."""
    settings = page.publisher.settings
    edition = issue.edition(page.language, settings.publication.language)
    teaser = archive.teasers(session, [edition], most=len(edition.articles))[edition.id]
    file = teaser.picture.file if teaser.picture else None
    picture = media_url(file, settings.publication.base_url) if file else ""
    description = " · ".join(line.title for line in teaser.headlines[: archive.HEADLINES])
    publication, address = publication_in(settings, page.language), f"{settings.publication.base_url}/archive/"
    address = f"{address}{issue.number}?lang={page.language}"
    data = {
        "@context": "https://schema.org",
        "@type": "PublicationIssue",
        "name": edition.subject,
        "issueNumber": str(issue.number),
        "datePublished": issue.date.isoformat(),
        "dateModified": issue.updated_at.date().isoformat(),
        "inLanguage": edition.language,
        "url": address,
        "isPartOf": {"@type": "Periodical", "name": publication.name},
        "publisher": {"@type": "Organization", "name": publication.sender_name},
        "hasPart": [
            {"@type": "Article", "headline": line.title, "inLanguage": line.language, "url": f"{address}#{line.anchor}"}
            for line in teaser.headlines
        ],
    } | ({"image": picture} if picture else {})
    return {"subject": edition.subject, "description": description, "picture": picture, "data": data}


def view_html(page: Page, issue: Numbered, document: Document) -> str:
    """Return one edition below a bar with a link to the whole issue."""
    bar = page.render("archive_issue", number=issue.number, whole=False)
    return _mail(page, issue, document, bar, "")


def issue_text(publisher: Publisher, issue: Numbered, document: Document, language: str) -> str:
    """Return the plain text of an edition without personal parts."""
    return neutral_text(document.text, document.nonce, _neutral(publisher, issue, language))


def _mail(page: Page, issue: Numbered, document: Document, bar: str, below: str) -> str:
    base_url = page.publisher.settings.publication.base_url
    html = neutral_html(document.html, document.nonce, _neutral(page.publisher, issue, page.language))
    # A mail needs absolute addresses of pictures; here they are relative to the server, whatever its name.
    html = html.replace(f'"{base_url}/media/', f'"{urlsplit(base_url).path}/media/')
    return framed(html, bar, page_style(page.publisher.templates, "archive_issue.css"), below)


def _neutral(publisher: Publisher, issue: Numbered, language: str) -> Neutral:
    base_url, translate = publisher.settings.publication.base_url, publisher.templates.translate(language)
    in_language = f"?lang={language}"
    page_url = f"{base_url}/archive/{issue.number}{in_language}"
    return Neutral(f"{base_url}/subscribe{in_language}", translate("Subscribe"), page_url)


def framed(html: str, bar: str, css: str, below: str = "") -> str:
    """Return a mail's document as the main part of a page, with navigation above and below.

    Lines of the bar with a `link` or `meta` element, or with JSON-LD, are moved to the head.
    """
    in_head = re.compile(
        r"^<(?:(?:link|meta)\b[^>]*|script type=.application/ld\+json.>[^<]*</script)>\n?", re.MULTILINE
    )
    inside, bar = "".join(in_head.findall(bar)), in_head.sub("", bar)
    head = f"{inside}<style>{css}</style>"
    html = re.sub(r"</head>", lambda found: head + found[0], html, count=1, flags=re.IGNORECASE)
    html = re.sub(r"<body\b[^>]*>", lambda found: f"{found[0]}{bar}<main>", html, count=1, flags=re.IGNORECASE)
    before, closing, after = html.rpartition("</body>")
    return f"{before}</main>{below}{closing}{after}" if closing else f"{html}</main>{below}"
