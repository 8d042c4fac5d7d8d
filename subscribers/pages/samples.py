"""Sample values of each page, without personal data, from which the version of its text is computed."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from subscribers.pages.views import PAUSE_MONTHS, PersonView

_DAY = date(2000, 1, 1)
_MASKED = "…"


def _person(language: str, *, left: bool = False) -> PersonView:
    return PersonView(
        masked=_MASKED,
        left=left,
        everything=True,
        interests=frozenset(),
        language=language,
        format="html",
        frequency="every",
        paused_until=None,
    )


def _own_page(language: str) -> dict[str, object]:
    return {"person": _person(language), "done": False, "preferences": ""}


def _preferences(language: str, *, left: bool = False) -> dict[str, object]:
    links = dict.fromkeys(("unsubscribe", "erase"), "")
    return {"person": _person(language, left=left), "notice": "", "today": _DAY, "new": "", "suggested": "", **links}


def _unsubscribe(language: str) -> dict[str, object]:
    return {"person": _person(language), "rarer": ("second", "third"), "months": PAUSE_MONTHS, "notice": ""}


_SUBSCRIBE = {
    "path": "/subscribe",
    "done": False,
    "email": "",
    "typed_name": "",
    "agreed": False,
    "everything": True,
    "chosen": (),
    "suggested": "",
    "repeated": (),
}
_ADDRESS = {"masked": _MASKED, "done": False, "preferences": ""}
# Page -> the template and its values. The names stand in consent events and are at most eleven characters long.
_PAGES: Mapping[str, tuple[str, Callable[[str], Mapping[str, object]]]] = {
    "start": ("start_form", lambda _language: {"root": ""}),
    "subscribe": ("subscribe", lambda _language: _SUBSCRIBE),
    "confirm": ("confirm", _own_page),
    "preferences": ("preferences", _preferences),
    "again": ("preferences", lambda language: _preferences(language, left=True)),
    "unsubscribe": ("unsubscribe", _unsubscribe),
    "undo": ("unsubscribed", lambda language: {"person": _person(language, left=True), "undo": "undo"}),
    "keep": ("keep", _own_page),
    "erase": ("erase", _own_page),
    "address": ("address", lambda _language: _ADDRESS),
}
PAGES = tuple(_PAGES)


def sample(page: str, language: str) -> tuple[str, Mapping[str, Any]]:
    """Return the template of a page and its sample values."""
    template, values = _PAGES[page]
    return template, {"problem": "", "form_token": "", **values(language)}
