"""Test mails from the desk: chosen editions to chosen addresses, the same bytes that readers will get."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from digest.accounts import audit
from digest.editions.segment import ReaderGroup
from digest.runtime.db import session_scope
from digest.runtime.errors import DigestError, UsageError
from digest.send.test_mail import send_test
from digest.web.desk import preview_views as views
from digest.web.desk.access import MAKERS, DeskForm, DeskRoute, Visiting
from digest.web.desk.pages import DeskPages
from subscribers.address import EmailAddress
from subscribers.errors import SubscribersError

MOST_MAILS = 20
MOST_OFFERED = 100


@dataclass(frozen=True, slots=True)
class MailTest:
    """What the relay said to one test mail."""

    address: str
    edition: str
    outcome: str
    reply: str


class MailTestPages:
    """Handlers of test mails."""

    def __init__(self, pages: DeskPages) -> None:
        self._pages = pages

    def ask(self, visitor: Visiting) -> Response:
        """Show the form."""
        return self._show(visitor)

    def send(self, visitor: Visiting, form: DeskForm) -> Response:
        """Send each chosen edition to each address; show what the relay said to each."""
        look, app = self._pages.desk.look(), self._pages.app
        typed, chosen = form.one("addresses")[:4000], form.all("edition")
        groups = dict(zip(views.labels(look), (edition.groups[0] for edition in look.made.editions), strict=True))
        results: list[MailTest] = []
        try:
            addresses = _addresses(typed)
            editions = [(label, groups[label]) for label in chosen if label in groups]
            if not editions:
                raise UsageError("No edition is selected", hint="Select at least one.")
            if (count := len(addresses) * len(editions)) > MOST_MAILS:
                raise UsageError(f"That would be {count} mails", hint=f"At most {MOST_MAILS} at a time.")
            with session_scope(app.engine) as session:
                about, names = f"issue {look.issue.number}", ", ".join(label for label, _ in editions)
                now = app.clock.now()
                audit.record(session, visitor.actor, "test mail", about, now=now, editions=names, mails=count)
            results = [self._result(address, *edition) for address in addresses for edition in editions]
        except (DigestError, SubscribersError) as error:
            return self._show(visitor, problem=error, addresses=typed, chosen=chosen)
        return self._show(visitor, addresses=typed, chosen=chosen, results=results)

    def _result(self, address: str, label: str, group: ReaderGroup) -> MailTest:
        edition = {"interests": group.interests, "language": group.language, "frequency": group.frequency}
        number = self._pages.desk.number
        reply = send_test(self._pages.app, number, address, relay="", **edition)
        return MailTest(address, label, reply.outcome.value, reply.text)

    def _show(
        self, visitor: Visiting, *, problem: DigestError | SubscribersError | None = None, **values: Any
    ) -> Response:
        look = self._pages.desk.look()
        cards = views.cards(look, range(min(len(look.made.editions), MOST_OFFERED)), visitor.language)
        typed = {"addresses": "", "chosen": tuple(card.label for card in cards[:1]), "results": [], **values}
        status = HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK
        return self._pages.show(
            visitor, "desk_test", status=status, issue=look.issue, cards=cards, problem=problem, **typed
        )


def _addresses(text: str) -> list[str]:
    """Return the addresses in a text, each once. Raises UsageError for none, AddressError for a wrong one."""
    words = text.replace(",", " ").replace(";", " ").split()
    if not words:
        raise UsageError("An address is missing", hint="Type your own, or several with spaces between them.")
    return list(dict.fromkeys(EmailAddress.parse(word).address for word in words))


def routes(pages: DeskPages) -> list[DeskRoute]:
    """Return the routes of test mails."""
    own = MailTestPages(pages)
    return [DeskRoute("GET", "/test", own.ask, MAKERS), DeskRoute("POST", "/test", own.send, MAKERS)]
