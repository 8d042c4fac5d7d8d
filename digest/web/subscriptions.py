"""The audience's pages in this publication's words, languages and templates."""

from collections.abc import Callable
from functools import partial

from sqlmodel import Session

from digest.pipeline import Press
from digest.runtime.clock import Clock
from digest.runtime.db import session_scope
from digest.runtime.settings import pick
from digest.web.languages import choose
from digest.web.pages import own_name, style
from subscribers.links import LinkSigner
from subscribers.pages import InterestView, PagesContext, PublicationView
from subscribers.preferences import Withdrawal
from subscribers.signup import ConfirmationDue, Confirmed


def pages_context(
    press: Press,
    signer: LinkSigner,
    clock: Clock,
    *,
    secret: bytes,
    new_ref: Callable[[], str],
    confirmation_due: Callable[[Session, ConfirmationDue], None],
    on_confirmed: Callable[[Session, Confirmed], None] | None = None,
    on_unsubscribed: Callable[[Session, Withdrawal], None] | None = None,
) -> PagesContext:
    """Return what subscribers.pages needs. The callbacks write in the transaction of what they are told of."""
    settings = press.settings
    return PagesContext(
        read=partial(session_scope, press.engine, read_only=True),
        write=partial(session_scope, press.engine),
        now=clock.now,
        new_ref=new_ref,
        signer=signer,
        secret=secret,
        timezone=settings.publication.zone,
        catalogue=press.catalogue,
        languages=[(code, own_name(code)) for code in settings.languages],
        publication=partial(_publication, press),
        choose_language=lambda asked, accept: choose(asked, accept, settings.languages),
        render=press.templates.render,
        stylesheet=partial(style, press, "pages.css"),
        confirmation_due=confirmation_due,
        on_confirmed=on_confirmed,
        on_unsubscribed=on_unsubscribed,
    )


def _publication(press: Press, language: str) -> PublicationView:
    publication = press.settings.publication
    return PublicationView(
        name=pick(publication.name, language),
        tagline=pick(publication.tagline, language),
        postal_address=pick(publication.postal_address, language),
        reply_to=publication.reply_to or publication.sender_address,
        interests=[
            InterestView(interest.slug, pick(interest.title, language), pick(interest.description, language))
            for interest in press.settings.interest
        ],
    )
