"""The audience's pages on a real database with the real templates, and one reader, for the tests of this folder."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import FastAPI
from sqlalchemy import Engine
from sqlmodel import Session, SQLModel, select
from starlette.testclient import TestClient

from digest.render.loader import Templates
from digest.runtime.db import session_scope
from digest.web.http.headers import Headers, page_headers
from digest.web.public.languages import choose
from digest.web.public.stylesheet import page_style
from subscribers import store, suppression
from subscribers.address import EmailAddress
from subscribers.address_change import ChangeDue, Moved
from subscribers.errors import LinkInvalidError
from subscribers.interests import Catalogue
from subscribers.links import LIFETIMES, LinkSigner, Purpose
from subscribers.models import AddressChange, ConsentEvent, Subscriber, Suppression, Wording
from subscribers.pages import InterestView, PagePublication, PagesContext, build_router
from subscribers.pages.csrf import Gate, open_gate
from subscribers.preferences import Withdrawal
from subscribers.signup import ConfirmationDue, Confirmed
from subscribers.transfer.exporter import show_person

SECRET = b"a suppression key of enough bytes"
LINK_KEY = "a key for links, long enough"
BASE_URL = "https://digest.example.org"
SEOUL = ZoneInfo("Asia/Seoul")
CATALOGUE = Catalogue(["mobility", "safety", "certification"], {"certification": ["certificates"]})
TITLES = {
    "en": {"mobility": "Mobility", "safety": "Safety", "certification": "Certification"},
    "ko": {"mobility": "모빌리티", "safety": "안전", "certification": "인증"},
}


def publication(language: str) -> PagePublication:
    return PagePublication(
        name={"en": "Smart City Newsletter", "ko": "스마트시티 소식지"}[language],
        sender_name={"en": "Smart City Policy Centre", "ko": "스마트시티정책센터"}[language],
        tagline={"en": "Once a month", "ko": "한 달에 한 번"}[language],
        postal_address="21 Sample-daero, Sejong",
        reply_to="editors@example.org",
        interests=[InterestView(slug, title, f"About {slug}") for slug, title in TITLES[language].items()],
    )


class Reader(TestClient):
    """Somebody at a browser: a form that they post has the hidden field of the page that it stands on."""

    def __init__(self, site: "Site", **options: Any) -> None:
        super().__init__(site.app(), follow_redirects=False, **options)
        self.site = site

    def post(self, url: Any, **options: Any) -> Any:
        data = options.get("data")
        by_a_page = "content" not in options and "files" not in options and "form" not in (data or {})
        if by_a_page and (data or {}).get("List-Unsubscribe") != "One-Click":
            token = self.site.form_token(str(url))
            options["data"] = {**(data or {}), "form": token} if token else data
        return super().post(url, **options)


@dataclass
class Site:
    """The pages, their clock, and what their callbacks were told."""

    engine: Engine
    now: datetime
    base_url: str = BASE_URL
    due: list[ConfirmationDue] = field(default_factory=list)
    confirmed: list[Confirmed] = field(default_factory=list)
    left: list[Withdrawal] = field(default_factory=list)
    gate: Gate = open_gate
    link_key: str = LINK_KEY
    changes: list[ChangeDue] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)
    forgotten: list[int | None] = field(default_factory=list)
    data_due: list[str] = field(default_factory=list)
    signup: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.signer = LinkSigner([self.link_key], self.base_url)
        self.templates = Templates()
        self._refs = count(1)

    def new_ref(self) -> str:
        return f"{next(self._refs):032x}"

    def write(self) -> AbstractContextManager[Session]:
        return session_scope(self.engine)

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    def app(self) -> FastAPI:
        app = FastAPI()
        app.include_router(build_router(self.context()))
        app.add_middleware(Headers, headers=page_headers(self.base_url))
        return app

    def context(self) -> PagesContext:
        return PagesContext(
            read=lambda: session_scope(self.engine, read_only=True),
            write=self.write,
            now=lambda: self.now,
            new_ref=self.new_ref,
            signer=self.signer,
            secret=SECRET,
            timezone=SEOUL,
            catalogue=CATALOGUE,
            languages=(("en", "English"), ("ko", "한국어")),
            publication=lambda language: replace(publication(language), **self.signup),
            choose_language=lambda asked, accept: choose(asked, accept, ["en", "ko"]),
            render=self.render,
            stylesheet=partial(page_style, self.templates, "pages.css"),
            confirmation_due=lambda _session, due: self.due.append(due),
            change_due=lambda _session, due: self.changes.append(due),
            on_moved=lambda _session, moved: self.moved.append(moved),
            forget=lambda _session, person: self.forgotten.append(person.id),
            data_due=lambda _session, person: self.data_due.append(person.address),
            own_data=show_person,
            on_confirmed=lambda _session, confirmed: self.confirmed.append(confirmed),
            gate=self.gate,
            on_unsubscribed=lambda _session, left: self.left.append(left),
        )

    def render(self, name: str, language: str, values: Mapping[str, Any]) -> str:
        return self.templates.render(name, language, values)

    def add(self, address: str = "kim.minjun@example.org", **fields: Any) -> Subscriber:
        with self.write() as session:
            person = build_subscriber(self.new_ref(), address, self.now, **fields)
            session.add(person)
        return person

    def person(self, address: str = "kim.minjun@example.org") -> Subscriber:
        with self.write() as session:
            found = store.by_key(session, address)
        assert found is not None
        return found

    def events(self, person: Subscriber) -> list[str]:
        with self.write() as session:
            return [event.kind for event in store.events(session, person)]

    def suppressed(self, address: str = "kim.minjun@example.org") -> str | None:
        with self.write() as session:
            row = suppression.lookup(session, suppression.key_of(address, SECRET))
            return row.reason if row else None

    def path(self, purpose: Purpose, ref: str, *, extra: str = "") -> str:
        expires = purpose in LIFETIMES
        return f"/{purpose}/{self.signer.token(purpose, ref, extra=extra, now=self.now if expires else None)}"

    def form_token(self, path: str) -> str:
        """Return the hidden field of the forms on a person's page, as if the page had just been opened."""
        purpose, _, token = path.strip("/").partition("/")
        try:
            payload = self.signer.read(Purpose(purpose), token.partition("?")[0], self.now)
        except (LinkInvalidError, ValueError):
            return ""
        return self.signer.token(Purpose.FORM, payload.ref, extra=purpose, now=self.now)

    def dump(self) -> list[dict[str, Any]]:
        """Return every row of the audience: equal dumps mean that nothing was changed."""
        tables: tuple[type[SQLModel], ...] = (Subscriber, ConsentEvent, Suppression, AddressChange, Wording)
        with self.write() as session:
            return [row.model_dump() for table in tables for row in session.exec(select(table)).all()]


def build_subscriber(ref: str, address: str, now: datetime, **fields: Any) -> Subscriber:
    """Return a confirmed reader of everything, with what `fields` say otherwise."""
    email = EmailAddress.parse(address)
    values: dict[str, Any] = {
        "ref": ref,
        "address": email.address,
        "address_key": email.key,
        "suppression_key": suppression.key_of(email.key, SECRET),
        "name": "Kim Minjun",
        "language": "en",
        "state": "confirmed",
        "created_at": now,
        "confirmed_at": now,
    }
    return Subscriber(**values | fields)
