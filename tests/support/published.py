"""What the tests of public pages ask the database for."""

from datetime import date, datetime
from typing import Any

from sqlmodel import Session, select

from digest.articles import store as article_store
from digest.articles.draft import Draft
from digest.editions import store as edition_store
from digest.editions.models import Edition
from digest.issues import store as issue_store
from digest.issues.models import Issue, IssueItem
from digest.publish.build import content_of
from digest.publish.freeze import store_archive
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from subscribers.links import LinkSigner, Purpose


def editions(press: Publisher, *, archive: bool = False) -> list[Edition]:
    with session_scope(press.engine) as session:
        query = select(Edition).where(Edition.archive == archive).order_by(Edition.id)  # type: ignore[arg-type]
        return [whole(session, edition) for edition in session.exec(query).all()]


def whole(session: Session, edition: Edition) -> Edition:
    """The edition, no longer the database's, with its parts in its columns."""
    stored = edition_store.document(session, edition)
    session.expunge(edition)
    edition.html, edition.text = stored.html, stored.text
    return edition


def set_state(press: Publisher, state: str) -> None:
    with session_scope(press.engine) as session:
        issue = issue_store.find(session, 21)
        issue.state = state
        session.add(issue)


def view_url(press: Publisher, signer: LinkSigner) -> str:
    return f"/view/{signer.token(Purpose.VIEW, editions(press)[0].content_hash)}"


def publish(press: Publisher, number: int, drafts: list[Draft], now: datetime, **columns: Any) -> None:
    """Publish an issue of these articles, with its archive pages but without a delivery."""
    with session_scope(press.engine) as session:
        issue = Issue(
            number=number,
            period=f"{2000 + number}-01",
            date=date(2000 + number, 1, 31),
            state="sent",
            frozen_at=now,
            created_at=now,
            **columns,
        )
        session.add(issue)
        session.flush()
        for position, draft in enumerate(drafts):
            group = draft.translation_of or draft.slug
            article = article_store.create(session, draft, group=group, now=now)
            if group == draft.slug:
                section = draft.section or press.settings.section[0].slug
                session.add(
                    IssueItem(issue_id=issue.id, article_id=article.id, group=group, section=section, position=position)
                )
        session.flush()
        store_archive(press, session, content_of(session, issue), now)


def draft(slug: str, title: str, body: str = "", **values: Any) -> Draft:
    return Draft(
        path=f"{slug}.md", line=1, slug=slug, title=title, language=values.pop("language", "en"), body=body, **values
    )


def publish_lines(press: Publisher, numbers: range, now: datetime) -> None:
    """Issues with nothing in them but a subject: for long lists."""
    with session_scope(press.engine) as session:
        for number in numbers:
            day = date(1990 + number % 100, 1, 1)
            issue = Issue(number=number, period=f"{day:%Y-%m}", date=day, state="sent", frozen_at=now, created_at=now)
            session.add(issue)
            session.flush()
            parts = {"subject": f"Subject {number}", "preheader": "", "nonce": "0" * 16}
            own = {"issue_id": issue.id or 0, "content_hash": "", "created_at": now}
            edition = Edition(**own, archive=True, language="en", articles=[], **parts)
            edition_store.save(session, edition, ["<p>"], [])
