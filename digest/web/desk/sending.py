"""Sending from the desk: this process freezes and announces only, workers send. Progress, hold, release, withdraw."""

from collections.abc import Callable
from datetime import tzinfo
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from digest.accounts import audit
from digest.delivery.worker.place import WorkerPlace
from digest.issues.lifecycle import EDITABLE, IssueState
from digest.outbox import statistics
from digest.outbox.states import State
from digest.publish import lifecycle
from digest.publish.audience import audience_of
from digest.runtime.db import session_scope
from digest.runtime.errors import DigestError, RefusedError
from digest.send import operator
from digest.send.listing import EXCLUDED
from digest.send.start import prepare_send
from digest.send.status import DetailedStatus, details
from digest.web.desk.access import MAKERS, OPERATORS, DeskForm, DeskRoute, Visiting
from digest.web.desk.pages import DeskPages
from digest.workspace.report.words import reason

MAX_REASON = 200


class SendPages:
    """Handlers of sending and of what operators do while it runs."""

    def __init__(self, pages: DeskPages) -> None:
        self._pages = pages

    def send(self, visitor: Visiting, done: str = "") -> Response:
        """Show what a send would do, or how far it is."""
        return self._show(visitor, done=done)

    def start(self, visitor: Visiting, form: DeskForm) -> Response:
        """Freeze the approved issue and let workers take it; a second click finds it on its way."""
        pages = self._pages
        try:
            with session_scope(pages.app.engine, read_only=True) as session:
                issue = pages.issue(session)
            if issue.state in EDITABLE and form.one("hash") != (issue.approved_hash or "-"):
                raise RefusedError("The issue has changed since this page was opened", hint="Look at it again.")
            if form.one("sure") != "yes":
                raise RefusedError("It was not confirmed", hint="Select the box above the button.")
            if issue.state in EDITABLE:
                ready = prepare_send(pages.app, issue.number)
                self._record(visitor, "send", issue.number, readers=ready.due, relay=ready.way)
                ready.start()
        except DigestError as error:
            return self._show(visitor, problem=error)
        return pages.back("/send", done="started")

    def hold(self, visitor: Visiting, form: DeskForm) -> Response:
        """Stop the issue until somebody releases it."""
        reason = " ".join(form.one("reason").split())[:MAX_REASON]
        return self._act(visitor, "held", lambda number: operator.hold(self._pages.app, number, visitor.actor, reason))

    def release(self, visitor: Visiting) -> Response:
        """Let a held issue go on."""
        return self._act(visitor, "released", lambda number: operator.release(self._pages.app, number, visitor.actor))

    def ask_withdraw(self, visitor: Visiting) -> Response:
        """Ask before an issue is stopped for good."""
        return self._show(visitor, asks="withdraw")

    def withdraw(self, visitor: Visiting, form: DeskForm) -> Response:
        """Stop an issue for good."""
        app = self._pages.app

        def act(number: int) -> None:
            if form.one("sure") != "yes":
                raise RefusedError("It was not confirmed", hint="Select the box above the button.")
            with session_scope(app.engine) as session:
                issue = self._pages.issue(session, number, lock=True)
                cancelled = lifecycle.withdraw(session, issue, app.clock.now())
                now = app.clock.now()
                audit.record(session, visitor.actor, "withdraw", f"issue {number}", now=now, cancelled=cancelled)

        return self._act(visitor, "withdrawn", act)

    def _act(self, visitor: Visiting, done: str, act: Callable[[int], object]) -> Response:
        try:
            with session_scope(self._pages.app.engine, read_only=True) as session:
                number = self._pages.issue(session).number
            act(number)
        except DigestError as error:
            return self._show(visitor, problem=error)
        return self._pages.back("/send", done=done)

    def _record(self, visitor: Visiting, what: str, number: int, **details: str | int) -> None:
        app = self._pages.app
        with session_scope(app.engine) as session:
            audit.record(session, visitor.actor, what, f"issue {number}", now=app.clock.now(), **details)

    def _show(
        self, visitor: Visiting, *, problem: DigestError | None = None, done: str = "", asks: str = ""
    ) -> Response:
        app = self._pages.app
        with session_scope(app.engine, read_only=True) as session:
            issue = self._pages.issue(session)
            liveness = WorkerPlace.of(app.settings.workspace).liveness
            alive = sum(worker.alive for worker in statistics.present(session, liveness))
            translate = app.templates.translate(visitor.language)
            reasons = audience_of(session, issue, app.clock.now()).excluded
            excluded = {reason(translate, EXCLUDED, name)[0]: count for name, count in reasons.items()}
        values: dict[str, Any] = {"issue": issue, "workers": alive, "may": visitor.may(OPERATORS), "asks": asks}
        values |= {"planned": 0, "is_running": False}
        if issue.state in EDITABLE:
            look = self._pages.desk.look()
            readers, editions = sum(edition.readers for edition in look.made.editions), len(look.made.editions)
            values |= {"readers": readers, "editions": editions, "excluded": excluded, "changed": look.changed}
        elif issue.state != IssueState.WITHDRAWN or issue.planned:
            values |= progress_values(details(app, issue.number), app.settings.publication.zone)
        status = HTTPStatus.CONFLICT if problem else HTTPStatus.OK
        return self._pages.show(visitor, "desk_send", status=status, problem=problem, done=done, **values)


def progress_values(found: DetailedStatus, zone: tzinfo) -> dict[str, Any]:
    """Return how far a send is, for its page. Pure."""
    states = found.status.states
    over = sum(states[one] for one in State if one not in {State.PENDING, State.STARTED, State.DEFERRED})
    planned = found.status.planned
    return {
        "delivery": found.status,
        "states": {state.value: count for state, count in states.items() if count},
        "planned": planned,
        "over": over,
        "percent": 100 * over // planned if planned else 0,
        "rate": found.rate,
        "eta": f"{found.eta.astimezone(zone):%H:%M}" if found.eta else "",
        "waiting": found.waiting,
        "is_running": found.status.state == IssueState.SENDING and not found.status.held,
    }


def routes(pages: DeskPages) -> list[DeskRoute]:
    """Return the routes of sending."""
    own = SendPages(pages)
    return [
        DeskRoute("GET", "/send", own.send, MAKERS),
        DeskRoute("POST", "/send", own.start, OPERATORS),
        DeskRoute("POST", "/send/hold", own.hold, OPERATORS),
        DeskRoute("POST", "/send/release", own.release, OPERATORS),
        DeskRoute("GET", "/send/withdraw", own.ask_withdraw, OPERATORS),
        DeskRoute("POST", "/send/withdraw", own.withdraw, OPERATORS),
    ]
