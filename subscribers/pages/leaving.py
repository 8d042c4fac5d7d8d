"""Leaving: at once by RFC 8058, or on a page that offers less mail first, and undo after."""

from datetime import datetime

from fastapi import Request
from sqlmodel import Session
from starlette.responses import PlainTextResponse, Response

from subscribers import preferences, store
from subscribers.consent import ConsentMethod
from subscribers.errors import LinkInvalidError
from subscribers.forms import Form
from subscribers.links import Purpose
from subscribers.models import Subscriber, SubscriberState
from subscribers.pages.context import Pages, Posted
from subscribers.preferences import Choices
from subscribers.views import PAUSE_MONTHS, FormInvalidError, fewer_interests, longer_pause, rarer


class Leaving(Pages):
    """Unsubscribe, and undo."""

    def unsubscribe(self, request: Request, token: str) -> Response:
        with self.context.read() as session:
            person = self.person(session, Purpose.UNSUBSCRIBE, token)
        return self.unknown(request) if person is None else self._unsubscribe_page(person)

    def post_unsubscribe(self, request: Request, token: str, form: Posted) -> Response:
        if form.one("List-Unsubscribe") == "One-Click":
            return self._one_click(request, token)
        context, now = self.context, self.context.now()
        notice, problem = "", ""
        with context.write() as session:
            person = self.person(session, Purpose.UNSUBSCRIBE, token)
            if person is None:
                return self.unknown(request)
            if form.one("confirm") == "leave":
                self._leave(session, person, ConsentMethod.PAGE, now, self._words(session, person))
            else:
                try:
                    notice = self._less(session, person, form, now)
                except FormInvalidError as error:
                    # Not 200: a program that takes this for an unsubscribe must learn that nothing was done.
                    problem = error.problem
        if form.one("confirm") == "leave":
            undo = "../undo/" + context.signer.token(Purpose.UNDO, person.ref, now=now)
            return self.page("unsubscribed", self.language_of(person), person=self.view(person), undo=undo)
        return self._unsubscribe_page(person, notice=notice, problem=problem)

    def _one_click(self, request: Request, token: str) -> Response:
        """RFC 8058 section 3.2: act at once, without cookie, redirect or question, and as often as it is sent."""
        context, now = self.context, self.context.now()
        try:
            payload = context.signer.read(Purpose.UNSUBSCRIBE, token, now)
        except LinkInvalidError:
            return self.unknown(request)
        with context.write() as session:
            person = store.by_ref(session, payload.ref)
            if person is None:
                return self.unknown(request)
            self._leave(session, person, ConsentMethod.ONE_CLICK, now)
        return PlainTextResponse("You are unsubscribed.\n", headers=self.headers)

    def _leave(
        self, session: Session, person: Subscriber, method: ConsentMethod, now: datetime, words: str = ""
    ) -> None:
        preferences.unsubscribe(
            session,
            person,
            method=method,
            now=now,
            secret=self.context.secret,
            on_unsubscribed=self.context.on_unsubscribed,
            wording=words,
        )

    def _less(self, session: Session, person: Subscriber, form: Form, now: datetime) -> str:
        """Do what the page offers instead of leaving; return what was done. The link can only ever make less mail."""
        how = ConsentMethod.PAGE
        match form.one("confirm"):
            case "topics":
                choices = Choices(interests=fewer_interests(form, person, self.context.catalogue))
                preferences.change(session, person, choices, method=how, now=now, wording=self._words(session, person))
                return "topics"
            case "rarer" if form.one("frequency") in rarer(person.frequency):
                choices = Choices(frequency=form.one("frequency"))
                preferences.change(session, person, choices, method=how, now=now, wording=self._words(session, person))
                return "rarer"
            case "pause":
                until = longer_pause(form, person, now)
                preferences.pause(session, person, until, method=how, now=now, wording=self._words(session, person))
                return "pause"
        raise FormInvalidError("choice")

    def _words(self, session: Session, person: Subscriber) -> str:
        return self.wording(session, "unsubscribe", self.language_of(person))

    def _unsubscribe_page(self, person: Subscriber, *, notice: str = "", problem: str = "") -> Response:
        language = self.language_of(person)
        if person.state == SubscriberState.UNSUBSCRIBED:
            return self.page("unsubscribed", language, person=self.view(person), undo="")
        return self.page(
            "unsubscribe",
            language,
            400 if problem else 200,
            person=self.view(person),
            rarer=rarer(person.frequency),
            months=PAUSE_MONTHS,
            notice=notice,
            problem=problem,
        )

    def undo(self, request: Request, token: str) -> Response:
        with self.context.read() as session:
            person = self.person(session, Purpose.UNDO, token)
        if person is None:
            return self.unknown(request)
        # An empty address posts to this page itself.
        return self.page("unsubscribed", self.language_of(person), person=self.view(person), undo=token)

    def post_undo(self, request: Request, token: str) -> Response:
        with self.context.write() as session:
            person = self.person(session, Purpose.UNDO, token)
            if person is None:
                return self.unknown(request)
            words = self.wording(session, "undo", self.language_of(person))
            preferences.resubscribe(session, person, now=self.context.now(), secret=self.context.secret, wording=words)
        return self.page("confirm", self.language_of(person), person=self.view(person), done=True, preferences="")
