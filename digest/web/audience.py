"""The audience's pages as a part of the public app: what they need of the publication, the outbox and the templates."""

from functools import partial

from fastapi import APIRouter

from digest import address_change, signup
from digest.bootstrap import Works, new_ref
from digest.own_data import own_data
from digest.runtime.db import session_scope
from digest.runtime.settings import pick
from digest.web.languages import choose
from digest.web.pages import own_name, style
from subscribers.pages import InterestView, PagesContext, PublicationView, build_router


def pages_router(works: Works) -> APIRouter:
    """Return the routes for subscribing, confirming, preferences and leaving."""
    settings = works.settings
    return build_router(
        PagesContext(
            read=partial(session_scope, works.engine, read_only=True),
            write=partial(session_scope, works.engine),
            now=works.clock.now,
            new_ref=new_ref,
            signer=works.signer,
            secret=works.suppression_key,
            timezone=settings.publication.zone,
            catalogue=works.press.catalogue,
            languages=[(code, own_name(code)) for code in settings.languages],
            publication=partial(_publication, works),
            choose_language=lambda asked, accept: choose(asked, accept, settings.languages),
            render=works.templates.render,
            stylesheet=partial(style, works.press, "pages.css"),
            confirmation_due=partial(signup.confirmation_due, works.dispatcher),
            change_due=partial(address_change.change_due, works.dispatcher),
            on_moved=partial(address_change.moved, works.dispatcher),
            forget=signup.forget_notices,
            own_data=own_data,
            on_confirmed=partial(signup.welcome, works),
            on_unsubscribed=partial(signup.goodbye, works.dispatcher),
        )
    )


def _publication(works: Works, language: str) -> PublicationView:
    publication = works.settings.publication
    interests = [
        InterestView(interest.slug, pick(interest.title, language), pick(interest.description, language))
        for interest in works.settings.interest
    ]
    return PublicationView(
        name=pick(publication.name, language),
        tagline=pick(publication.tagline, language),
        postal_address=pick(publication.postal_address, language),
        reply_to=publication.reply_to or publication.sender_address,
        interests=interests,
    )
