"""Test mail of one edition to an editor."""

import secrets

from digest.delivery.transport import Reply
from digest.editions.segment import ReaderGroup
from digest.issues import store as issue_store
from digest.membership.context import new_ref
from digest.outbox.take import Recipient
from digest.publish import build
from digest.runtime.db import session_scope
from digest.runtime.errors import NotFoundError
from digest.send.context import SendContext
from subscribers.address import EmailAddress
from subscribers.models import Frequency


def send_test(
    context: SendContext,
    number: int | None,
    to: str,
    *,
    interests: str,
    language: str,
    relay: str,
    frequency: str = Frequency.EVERY.value,
) -> Reply:
    """Send one edition to an editor: the same bytes, marked as a test, with links that act on no subscriber."""
    address = EmailAddress.parse(to).address
    settings = context.delivery.settings
    language = settings.require_language(language or settings.publication.language)
    wanted = settings.catalogue.canonical(settings.catalogue.choose(interests))
    with session_scope(context.engine, read_only=True) as session:
        issue = issue_store.find(session, number)
        selection = build.selection_for(context.publisher, session, issue, ReaderGroup(language, wanted, frequency))
        if selection is None:
            raise NotFoundError(
                f"Issue {issue.number} has no articles for these interests", hint="Try --interests '*'."
            )
        rendered = build.stored_rendering(session, issue, selection)
        if rendered is None:
            content = build.content_of(session, issue)
            rendered = build.render_selection(context.publisher, content, selection).rendered
    editor = Recipient(ref=new_ref(), address=address, name="", language=language, format="html", interests=wanted)
    letter = context.delivery.writer.test(issue.number, rendered, editor, secrets.token_hex(8), context.clock.now())
    transport = context.delivery.transport(relay)
    try:
        return transport.send(letter.envelope, letter.message)
    finally:
        transport.close()
