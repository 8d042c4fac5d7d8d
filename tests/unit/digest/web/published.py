"""What the tests of public pages ask the database for."""

from sqlmodel import select

from digest.editions.models import Edition
from digest.issues import store as issue_store
from digest.pipeline import Press
from digest.runtime.db import session_scope
from subscribers.links import LinkSigner, Purpose


def editions(press: Press, *, archive: bool = False) -> list[Edition]:
    with session_scope(press.engine) as session:
        return list(session.exec(select(Edition).where(Edition.archive == archive).order_by(Edition.id)))  # type: ignore[arg-type]


def set_state(press: Press, state: str) -> None:
    with session_scope(press.engine) as session:
        issue = issue_store.find(session, 21)
        issue.state = state
        session.add(issue)


def view_url(press: Press, signer: LinkSigner) -> str:
    return f"/view/{signer.token(Purpose.VIEW, editions(press)[0].content_hash)}"
