"""The sample issue in a database, with a handful of readers, for the tests of pages."""

import shutil
from datetime import datetime
from pathlib import Path

from fastapi import FastAPI
from sqlalchemy import Engine, MetaData, select

from digest.app import App
from digest.articles import store
from digest.articles.draft import content_hash, content_of
from digest.articles.importing import ArticleImportReport, import_paths
from digest.articles.intake import KnownSlugs
from digest.issues import store as issue_store
from digest.issues.period import Period
from digest.publish import freeze, lifecycle
from digest.publish.approval import Approver
from digest.publish.publisher import Publisher
from digest.render.loader import Templates
from digest.runtime.db import session_scope
from digest.settings.root import load_settings
from digest.testing import FrozenClock
from digest.web.app import public_app
from digest.web.public.audience import pages_router
from subscribers.links import LinkSigner
from subscribers.models import Subscriber, SubscriberState

SAMPLE = Path(__file__).resolve().parents[2] / "digest" / "workspace" / "sample"
LINK_KEY = "a key for links, long enough"
SECRETS = (
    f'[secrets]\nlink_keys = ["{LINK_KEY}"]\nsuppression_key = "a suppression key of enough bytes"\nmessage_key = "m"\n'
)
HOME = "http://127.0.0.1"
"""The sample's base_url without its port."""
ODD_NAME = 'O\'Brien & <b>Sons</b> "Q"'
READERS = [
    # address, name, interests, language, format, state
    ("anna@example.org", "Anna Lindqvist", "*", "en", "html", "confirmed"),
    ("minjun@example.org", "김민준", "*", "ko", "html", "confirmed"),
    ("tomas@example.com", "Tomáš Novák", "mobility", "en", "html", "confirmed"),
    ("seoyeon@example.com", "이서연", "mobility;safety", "ko", "html", "confirmed"),
    ("office@example.net", ODD_NAME, "safety", "en", "html", "confirmed"),
    ("library@example.org", "Library", "certification", "en", "text", "confirmed"),
    ("pending@example.org", "Noor", "*", "en", "html", "pending"),
    ("gone@example.org", "Peter", "*", "en", "html", "unsubscribed"),
]


def workspace_in(folder: Path) -> Path:
    """Make the sample's folder, with secrets of no worth."""
    shutil.copytree(SAMPLE, folder, dirs_exist_ok=True)
    (folder / "templates").mkdir(exist_ok=True)
    (folder / "secrets.toml").write_text(SECRETS, encoding="utf-8")
    return folder


def press_on(engine: Engine, workspace: Path) -> Publisher:
    """Return what the pipeline needs, on a database of the test's own."""
    return Publisher(load_settings(workspace, {}), engine, Templates(workspace / "templates"))


def import_into(press: Publisher, now: datetime) -> ArticleImportReport:
    """Import the workspace's articles, as `digest articles import` does."""
    settings = press.settings
    known = KnownSlugs(
        {section.slug for section in settings.section},
        {interest.slug for interest in settings.interest},
        settings.publication.language,
    )
    with session_scope(press.engine) as session:
        return import_paths(session, [settings.workspace / "articles"], known=known, now=now)


def add_readers(press: Publisher, now: datetime) -> None:
    """Add READERS; their reference is the local part of their address."""
    with session_scope(press.engine) as session:
        for address, name, interests, language, form, state in READERS:
            session.add(
                Subscriber(
                    ref=address.partition("@")[0],
                    address=address,
                    address_key=address,
                    suppression_key=address,
                    name=name,
                    interests=interests,
                    language=language,
                    format=form,
                    state=SubscriberState(state),
                    created_at=now,
                    confirmed_at=now,
                )
            )


def issue_21(engine: Engine, folder: Path, now: datetime) -> Publisher:
    """The sample: articles imported, readers added, issue 21 assembled as a draft."""
    press = press_on(engine, workspace_in(folder))
    report = import_into(press, now)
    assert not report.needs_a_person, report
    add_readers(press, now)
    with session_scope(engine) as session:
        lifecycle.assemble(press, session, Period.parse("2021-09"), number=21, issue_date=now.date(), now=now)
    return press


def send_out(press: Publisher, now: datetime, state: str = "sent") -> None:
    """Approve and freeze the issue; then say that it is in `state`."""
    with session_scope(press.engine) as session:
        issue = issue_store.find(session, 21)
        lifecycle.approve(press, session, issue, Approver("Ada"), now)
    with session_scope(press.engine) as session:
        issue = issue_store.find(session, 21, lock=True)
        freeze.freeze(press, session, issue, now)
        issue.state = state
        session.add(issue)


def change_in_database(press: Publisher, slug: str, title: str) -> None:
    """Give an article another title, as somebody does who works on the web."""
    with session_scope(press.engine) as session:
        article = store.get(session, slug)
        article.title = title
        article.content_hash = content_hash(content_of(article, group=article.group))
        session.add(article)


def public(press: Publisher, signer: LinkSigner, clock: FrozenClock) -> FastAPI:
    """The public app with the audience's real pages."""
    pages = pages_router(App(press.settings, press.engine, clock))
    return public_app(press, pages_router=pages, signer=signer, clock=clock)


def snapshot(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    metadata = MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for name, table in metadata.tables.items()
        }
