"""Leaving: at once by RFC 8058, or on a page that offers less mail first, and undo after."""

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
from subscribers.pages.one_click_batch import Together
from subscribers.pages.page import REFUSED, BasePage, PagesContext, Posted
from subscribers.pages.views import PAUSE_MONTHS, FormInvalidError, fewer_interests, longer_pause, rarer
from subscribers.preferences import LEFT, Choices


class UnsubscribePage(BasePage):
    """Unsubscribe, and undo."""

    def __init__(self, context: PagesContext) -> None:
        super().__init__(context)
        self._one_clicks = Together(self._leave_all)

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
            return self._unsubscribe_page(person, problem=refused, status=REFUSED[refused])
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
            # Not 200: a program that takes this for an unsubscribe must learn that nothing was done.
            problem = error.problem
        return self._unsubscribe_page(person, notice=notice, problem=problem)

    def _one_click(self, request: Request, token: str) -> Response:
        """RFC 8058 section 3.2: act at once, without cookie, redirect or question, and as often as it is sent.

        Nothing here may hold it back: no limit, no token, no look at where it comes from.
        """
        if not self._one_clicks.do(self.ref(Purpose.UNSUBSCRIBE, token)):
            return self.unknown(request)
        return PlainTextResponse("You are unsubscribed.\n")

    def _by_the_button(self, request: Request, found: Subscriber) -> Response:
        context, now = self.context, self.context.now()
        with context.write() as session:
            person = self.locked(session, found)
            if person is None:
                return self.unknown(request)
            self._leave(session, person, ConsentMethod.PAGE, now, self._words(session, person))
        undo = context.signer.token(Purpose.UNDO, person.ref, now=now)
        return self._left_page(person, undo="../undo/" + undo)

    def _leave_all(self, refs: Sequence[str], alone: bool) -> dict[str, bool]:
        """Unsubscribe whoever has not left, and return for each reference whether it is somebody's."""
        context = self.context
        with context.read() as session:
            found = store.standings(session, refs)
        leaving = [subscriber_id for subscriber_id, state in found.values() if state not in LEFT]
        if leaving:
            with context.write() as session:
                if not alone:
                    store.be_impatient(session)
                preferences.unsubscribe_all(
                    session,
                    leaving,
                    method=ConsentMethod.ONE_CLICK,
                    now=context.now(),
                    secret=context.secret,
                    on_unsubscribed=context.on_unsubscribed,
                )
        return {ref: ref in found for ref in refs}

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

    def _unsubscribe_page(
        self, person: Subscriber, *, notice: str = "", problem: str = "", status: int = 0
    ) -> Response:
        if person.state in LEFT:
            return self._left_page(person, undo="")
        return self.form_page(
            "unsubscribe",
            Purpose.UNSUBSCRIBE,
            person,
            status=status or (400 if problem else 200),
            rarer=rarer(person.frequency),
            months=PAUSE_MONTHS,
            notice=notice,
            problem=problem,
        )

    def _left_page(self, person: Subscriber, *, undo: str, problem: str = "", status: int = 200) -> Response:
        """Say that they have left; `undo` is where its button posts to, empty for no button."""
        return self.form_page("unsubscribed", Purpose.UNDO, person, status=status, undo=undo, problem=problem)

    def undo(self, request: Request, token: str) -> Response:
        person = self.shown_to(Purpose.UNDO, token)
        # The page posts to itself.
        return self.unknown(request) if person is None else self._left_page(person, undo=token)

    def post_undo(self, request: Request, token: str, form: Posted) -> Response:
        person = self.shown_to(Purpose.UNDO, token)
        if person is None:
            return self.unknown(request)
        refused = self.refusal(request, form, Purpose.UNDO, person)
        if refused:
            return self._left_page(person, undo=token, problem=refused, status=REFUSED[refused])
        with self.context.write() as session:
            person = self.locked(session, person)
            if person is None:
                return self.unknown(request)
            words = self.wording(session, "undo", self.language_of(person))
            preferences.resubscribe(session, person, now=self.context.now(), secret=self.context.secret, wording=words)
        return self.page(
            "confirm",
            self.language_of(person),
            person=self.view(person),
            done=True,
            preferences="",
            problem="",
            form_token="",
        )
