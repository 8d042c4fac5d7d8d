"""Wires the subscribers' pages to the publication, the outbox and the templates."""

from functools import partial

from fastapi import APIRouter

from digest.app import App
from digest.membership import address_change, notices
from digest.membership.context import new_ref
from digest.membership.erasure import forget_everywhere
from digest.membership.own_data import data_due, own_data
from digest.runtime.db import session_scope
from digest.web.public.languages import choose
from digest.web.public.pages import own_name, publication_in
from digest.web.public.rate_limits import limiter
from digest.web.public.stylesheet import page_style
from subscribers.pages import PagesContext, build_router
from subscribers.pages.embed import form_html


def pages_router(opened: App, *, shared_limits: bool = False) -> APIRouter:
    """Return the routes of the subscribers' pages; `shared_limits` counts in the database, for several processes."""
    settings = opened.settings
    return build_router(
        PagesContext(
            read=partial(session_scope, opened.engine, read_only=True),
            write=partial(session_scope, opened.engine),
            now=opened.clock.now,
            new_ref=new_ref,
            signer=opened.signer,
            secret=opened.settings.suppression_key,
            timezone=settings.publication.zone,
            catalogue=opened.settings.catalogue,
            languages=[(code, own_name(code)) for code in settings.languages],
            publication={code: publication_in(settings, code) for code in settings.languages}.__getitem__,
            choose_language=lambda asked, accept: choose(asked, accept, settings.languages),
            render=opened.templates.render,
            stylesheet=partial(page_style, opened.templates, "pages.css"),
            confirmation_due=partial(notices.confirmation_due, opened.dispatcher),
            confirmation_withheld=partial(notices.confirmation_withheld, opened.dispatcher),
            gate=limiter(settings.limits, opened.settings.suppression_key, opened.engine if shared_limits else None),
            change_due=partial(address_change.change_due, opened.dispatcher),
            on_moved=partial(address_change.moved, opened.dispatcher),
            forget=partial(forget_everywhere, opened),
            data_due=partial(data_due, opened),
            own_data=own_data,
            on_confirmed=partial(notices.welcome, opened),
            on_unsubscribed=partial(notices.goodbye, opened.dispatcher),
        )
    )


def sign_up_form(opened: App, language: str = "") -> str:
    """Return the sign-up form for other sites, in one of the publication's languages."""
    wanted = opened.settings.require_language(language or opened.settings.publication.language)
    publication = publication_in(opened.settings, wanted)
    return form_html(opened.templates.render, publication, opened.settings.publication.base_url, wanted)
