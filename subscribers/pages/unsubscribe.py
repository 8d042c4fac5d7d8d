"""Unsubscribe: one-click by RFC 8058, or on a page that offers less mail first; and undo."""

from collections.abc import Sequence
from datetime import datetime

from fastapi import Request
from sqlmodel import Session
from starlette.responses import PlainTextResponse, Response

from subscribers import preferences, store
from subscribers.consent import ConsentMethod
from subscribers.links import Purpose
from subscribers.models import Subscriber
from subscribers.pages.forms import Form
from subscribers.pages.one_click_batch import GroupCommit
from subscribers.pages.page import BasePage, PagesContext, Posted
from subscribers.pages.views import PAUSE_MONTHS, FormInvalidError, fewer_interests, longer_pause, rarer
from subscribers.preferences import LEFT, Choices

ITSELF = "?"
"""Where a page's form posts to its own path, with or without a slash at its end."""


class UnsubscribePage(BasePage):
    """Unsubscribe and undo."""

    def __init__(self, context: PagesContext) -> None:
        super().__init__(context)
        self._one_clicks = GroupCommit(self._leave_all)

    def unsubscribe(self, request: Request, token: str) -> Response:
        person = self.shown_to(Purpose.UNSUBSCRIBE, token)
        return self.unknown(request) if person is None else self._unsubscribe_page(person)

    def post_unsubscribe(self, request: Request, token: str, form: Posted) -> Response:
        if form.one("List-Unsubscribe") == "One-Click":
            return self._one_click(request, token)
        person = self.shown_to(Purpose.UNSUBSCRIBE, token)
        if person is None:
            return self.unknown(request)
        refused = self.refusal(request, form, Purpose.UNSUBSCRIBE, person)
        if refused:
            return self._unsubscribe_page(person, problem=refused)
        if form.one("confirm") == "leave":
            return self._by_the_button(request, person)
        context, notice, problem = self.context, "", ""
        try:
            with context.write() as session:
                row = self.locked(session, person)
                if row is None:
                    return self.unknown(request)
                person, notice = row, self._less(session, row, form, context.now())
        except FormInvalidError as error:
            # Not 200: a program that posts this as an unsubscribe must learn that nothing was done.
            problem = error.problem
        return self._unsubscribe_page(person, notice=notice, problem=problem)

    def _one_click(self, request: Request, token: str) -> Response:
        """One-click unsubscribe, RFC 8058 section 3.2: no cookie, redirect, question, limit, token or origin check."""
        if not self._one_clicks.do(self.ref(Purpose.UNSUBSCRIBE, token)):
            return self.unknown(request)
        return PlainTextResponse("You are unsubscribed.\n")

    def _by_the_button(self, request: Request, found: Subscriber) -> Response:
        context, now = self.context, self.context.now()
        with context.write() as session:
            person = self.locked(session, found)
            if person is None:
                return self.unknown(request)
            words, listener = self._words(session, person), context.on_unsubscribed
            ids, method = [person.id or 0], ConsentMethod.PAGE
            preferences.unsubscribe_all(
                session, ids, method, now, context.secret, on_unsubscribed=listener, wording=words
            )
        return self._left_page(person, undo=context.signer.path(Purpose.UNDO, person.ref, now=now))

    def _leave_all(self, refs: Sequence[str], alone: bool) -> dict[str, bool]:
        """Unsubscribe these subscribers; return for each reference whether it is known."""
        context = self.context
        with context.read() as session:
            found = store.states_of(session, refs)
        leaving = [subscriber_id for subscriber_id, state in found.values() if state not in LEFT]
        if leaving:
            with context.write() as session:
                if not alone:
                    store.limit_lock_wait(session)
                method, now, listener = ConsentMethod.ONE_CLICK, context.now(), context.on_unsubscribed
                preferences.unsubscribe_all(session, leaving, method, now, context.secret, on_unsubscribed=listener)
        return {ref: ref in found for ref in refs}

    def _less(self, session: Session, person: Subscriber, form: Form, now: datetime) -> str:
        """Do one of the alternatives to unsubscribing; return its name. This link can only reduce mail."""
        how, chosen = ConsentMethod.PAGE, form.one("confirm")
        match chosen:
            case "topics":
                choices = Choices(interests=fewer_interests(form, person, self.context.catalogue))
                preferences.change(session, person, choices, method=how, now=now, wording=self._words(session, person))
            case "rarer" if form.one("frequency") in rarer(person.frequency):
                choices = Choices(frequency=form.one("frequency"))
                preferences.change(session, person, choices, method=how, now=now, wording=self._words(session, person))
            case "pause":
                until = longer_pause(form, person, now)
                preferences.pause(session, person, until, method=how, now=now, wording=self._words(session, person))
            case _:
                raise FormInvalidError("choice")
        return chosen

    def _words(self, session: Session, person: Subscriber) -> str:
        return self.wording(session, "unsubscribe", self.language_of(person))

    def _unsubscribe_page(self, person: Subscriber, *, notice: str = "", problem: str = "") -> Response:
        if person.state in LEFT:
            return self._left_page(person, undo="")
        shown = {"rarer": rarer(person.frequency), "months": PAUSE_MONTHS, "notice": notice}
        return self.form_page("unsubscribe", Purpose.UNSUBSCRIBE, person, problem, **shown)

    def _left_page(self, person: Subscriber, *, undo: str, problem: str = "") -> Response:
        """Return the page after unsubscribing; `undo` is where its button posts to, empty for no button."""
        return self.form_page("unsubscribed", Purpose.UNDO, person, problem, undo=undo)

    def undo(self, request: Request, token: str) -> Response:
        person = self.shown_to(Purpose.UNDO, token)
        return self.unknown(request) if person is None else self._left_page(person, undo=ITSELF)

    def post_undo(self, request: Request, token: str, form: Posted) -> Response:
        person = self.shown_to(Purpose.UNDO, token)
        if person is None:
            return self.unknown(request)
        refused = self.refusal(request, form, Purpose.UNDO, person)
        if refused:
            return self._left_page(person, undo=ITSELF, problem=refused)
        with self.context.write() as session:
            person = self.locked(session, person)
            if person is None:
                return self.unknown(request)
            words = self.wording(session, "undo", self.language_of(person))
            preferences.resubscribe(session, person, now=self.context.now(), secret=self.context.secret, wording=words)
        return self.done_page("confirm", self.language_of(person), person=self.view(person))
