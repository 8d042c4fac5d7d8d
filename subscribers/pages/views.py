"""View models of the pages and interpretation of their forms. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo

from subscribers.address import mask
from subscribers.audience import EVERY_NTH
from subscribers.errors import SubscribersError
from subscribers.interests import ALL, Catalogue
from subscribers.models import Frequency, Subscriber, SubscriberState
from subscribers.pages.forms import Form
from subscribers.preferences import Choices

FORMATS = ("html", "text")
PAUSE_MONTHS = (1, 3, 6)
LONGEST_PAUSE = timedelta(days=2 * 366)


class FormInvalidError(SubscribersError):
    """The form holds something that the page does not offer; `problem` names it for the page's text."""

    def __init__(self, problem: str) -> None:
        super().__init__()
        self.problem = problem


@dataclass(frozen=True, slots=True)
class PersonView:
    """What a page shows of a subscriber: nothing that identifies them, since links get forwarded with mails."""

    masked: str
    left: bool
    everything: bool
    interests: frozenset[str]
    language: str
    format: str
    frequency: str
    paused_until: date | None


@dataclass(frozen=True, slots=True)
class PreferencesForm:
    """Values of the preferences form; `paused_until` None ends a pause."""

    choices: Choices
    paused_until: datetime | None


def view_of(person: Subscriber, catalogue: Catalogue, timezone: tzinfo, now: datetime) -> PersonView:
    """Return what a page may show of a subscriber."""
    interests = catalogue.parse(person.interests)
    paused = person.paused_until if person.paused_until and person.paused_until > now else None
    return PersonView(
        masked=mask(person.address),
        left=person.state == SubscriberState.UNSUBSCRIBED,
        everything=interests == ALL,
        interests=frozenset(catalogue.slugs) if interests == ALL else interests,
        language=person.language,
        format=person.format,
        frequency=person.frequency,
        paused_until=paused.astimezone(timezone).date() if paused else None,
    )


def read_interests(form: Form, catalogue: Catalogue, *, had: str | None = None) -> str:
    """Return the canonical text of the interests in a form: `scope` is all or some, `interest` is repeated.

    Raises FormInvalidError if only some are wanted and none is named, unless the reader `had` none before. A form
    without either, such as one on another site that asks for an address only, is for everything, or changes nothing.
    """
    chosen, scope = form.all("interest"), form.one("scope")
    if scope == "all" or not catalogue.slugs:
        return catalogue.canonical(ALL)
    if any(slug not in catalogue.slugs for slug in chosen):
        raise FormInvalidError("choice")
    if not chosen and not scope:
        return catalogue.canonical(ALL) if had is None else had
    if not chosen and had != "":
        raise FormInvalidError("topics")
    return catalogue.canonical(chosen)


def read_preferences(
    form: Form, person: Subscriber, catalogue: Catalogue, languages: tuple[str, ...], *, timezone: tzinfo, now: datetime
) -> PreferencesForm:
    """Return the values of the preferences form. Raises FormInvalidError for what the page does not offer."""
    choices = Choices(
        interests=read_interests(form, catalogue, had=person.interests),
        language=_one_of(form.one("language"), languages),
        format=_one_of(form.one("format"), FORMATS),
        frequency=_one_of(form.one("frequency"), tuple(Frequency)),
    )
    return PreferencesForm(choices, _pause(form.one("paused_until"), timezone, now))


def retyped(view: PersonView, form: Form, catalogue: Catalogue, languages: Sequence[str]) -> PersonView:
    """Return the view with the form's values, as far as the page offers them, for showing the form again."""
    chosen = frozenset(form.all("interest")).intersection(catalogue.slugs)
    language, shape, frequency = form.one("language"), form.one("format"), form.one("frequency")
    paused: date | None
    try:
        paused = date.fromisoformat(form.one("paused_until").strip())
    except ValueError:
        paused = None if "paused_until" in form.fields else view.paused_until
    return replace(
        view,
        everything=form.one("scope") == "all" if "scope" in form.fields else view.everything,
        interests=chosen if "scope" in form.fields else view.interests,
        language=language if language in languages else view.language,
        format=shape if shape in FORMATS else view.format,
        frequency=frequency if frequency in tuple(Frequency) else view.frequency,
        paused_until=paused,
    )


def fewer_interests(form: Form, person: Subscriber, catalogue: Catalogue) -> str:
    """Return the remaining interests: an unsubscribe link can only reduce mail. Raises FormInvalidError for none."""
    present = catalogue.parse(person.interests)
    had = frozenset(catalogue.slugs) if present == ALL else present
    kept = had.intersection(form.all("interest"))
    if had and not kept:
        raise FormInvalidError("topics")
    return person.interests if kept == had else catalogue.canonical(kept)


def rarer(frequency: str) -> tuple[str, ...]:
    """Return the frequencies with fewer issues than this one."""
    return tuple(other.value for other, nth in EVERY_NTH.items() if nth > EVERY_NTH[Frequency(frequency)])


def longer_pause(form: Form, person: Subscriber, now: datetime) -> datetime:
    """Return the end of a pause of some months from now, or of the present pause if that is later."""
    months = _one_of(form.one("months"), tuple(str(number) for number in PAUSE_MONTHS))
    until = now + timedelta(days=30 * int(months))
    return max(until, person.paused_until) if person.paused_until else until


def _one_of(value: str, offered: tuple[str, ...]) -> str:
    if value not in offered:
        raise FormInvalidError("choice")
    return value


def _pause(text: str, timezone: tzinfo, now: datetime) -> datetime | None:
    if not text.strip():
        return None
    try:
        until = datetime.combine(date.fromisoformat(text.strip()), time(), timezone)
        too_far = until - now > LONGEST_PAUSE
    except (ValueError, OverflowError) as error:
        raise FormInvalidError("date") from error
    if until <= now or too_far:
        raise FormInvalidError("date")
    return until
