"""The audience's pages as a part of the public app: what they need of the publication, the outbox and the templates."""

from functools import partial

from fastapi import APIRouter

from digest.app import App, new_ref
from digest.membership import address_change, notices
from digest.membership.erasure import forget_everywhere
from digest.membership.own_data import data_due, own_data
from digest.runtime.db import session_scope
from digest.runtime.errors import UsageError
from digest.settings.publication import pick
from digest.web.public.languages import choose
from digest.web.public.limiting import limiter
from digest.web.public.pages import own_name, style
from subscribers.pages import InterestView, PagePublication, PagesContext, build_router
from subscribers.pages.embed import form_html


def pages_router(works: App, *, shared_limits: bool = False) -> APIRouter:
    """Return the routes for subscribing, confirming, preferences and leaving.

    With `shared_limits` what strangers may ask for is counted in the database, for several processes together.
    """
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
            publication={code: _publication(works, code) for code in settings.languages}.__getitem__,
            choose_language=lambda asked, accept: choose(asked, accept, settings.languages),
            render=works.templates.render,
            stylesheet=partial(style, works.press, "pages.css"),
            confirmation_due=partial(notices.confirmation_due, works.dispatcher),
            confirmation_withheld=partial(notices.confirmation_withheld, works.dispatcher),
            gate=limiter(settings.limits, works.suppression_key, works.engine if shared_limits else None),
            change_due=partial(address_change.change_due, works.dispatcher),
            on_moved=partial(address_change.moved, works.dispatcher),
            forget=partial(forget_everywhere, works),
            data_due=partial(data_due, works),
            own_data=own_data,
            on_confirmed=partial(notices.welcome, works),
            on_unsubscribed=partial(notices.goodbye, works.dispatcher),
        )
    )


def sign_up_form(works: App, language: str = "") -> str:
    """Return the sign-up form for other sites, in the publication's language or another of its own."""
    wanted = language or works.settings.publication.language
    if wanted not in works.settings.languages:
        hint = f"Languages: {', '.join(works.settings.languages)}"
        raise UsageError(f"The publication has no language {wanted!r}", hint=hint)
    publication = _publication(works, wanted)
    return form_html(works.templates.render, publication, works.settings.publication.base_url, wanted)


def _publication(works: App, language: str) -> PagePublication:
    publication = works.settings.publication
    interests = [
        InterestView(interest.slug, pick(interest.title, language), pick(interest.description, language))
        for interest in works.settings.interest
    ]
    return PagePublication(
        name=pick(publication.name, language),
        tagline=pick(publication.tagline, language),
        postal_address=pick(publication.postal_address, language),
        reply_to=publication.reply_to or publication.sender_address,
        interests=interests,
    )
