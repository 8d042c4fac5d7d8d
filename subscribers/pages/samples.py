"""Each page as everybody sees it, with nothing of anybody in it: what the version of its words is made from."""

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


def _subscribe(_language: str) -> dict[str, object]:
    return {"path": "/subscribe", "done": False, "email": "", "everything": True, "chosen": ()}


def _confirm(language: str) -> dict[str, object]:
    return {"person": _person(language), "done": False, "preferences": ""}


def _preferences(language: str, *, left: bool = False) -> dict[str, object]:
    links = dict.fromkeys(("unsubscribe", "erase"), "")
    return {"person": _person(language, left=left), "notice": "", "today": _DAY, "new": "", **links}


def _unsubscribe(language: str) -> dict[str, object]:
    return {"person": _person(language), "rarer": ("second", "third"), "months": PAUSE_MONTHS, "notice": ""}


def _undo(language: str) -> dict[str, object]:
    return {"person": _person(language, left=True), "undo": "undo"}


def _keep(language: str) -> dict[str, object]:
    return {"person": _person(language), "done": False, "preferences": ""}


def _erase(language: str) -> dict[str, object]:
    return {"person": _person(language), "done": False, "preferences": ""}


def _address(_language: str) -> dict[str, object]:
    return {"masked": _MASKED, "done": False, "preferences": ""}


# Page -> the template and its values. The names stand in consent events and are at most eleven characters long.
_PAGES: Mapping[str, tuple[str, Callable[[str], Mapping[str, object]]]] = {
    "subscribe": ("subscribe", _subscribe),
    "confirm": ("confirm", _confirm),
    "preferences": ("preferences", _preferences),
    "again": ("preferences", lambda language: _preferences(language, left=True)),
    "unsubscribe": ("unsubscribe", _unsubscribe),
    "undo": ("unsubscribed", _undo),
    "keep": ("keep", _keep),
    "erase": ("erase", _erase),
    "address": ("address", _address),
}
PAGES = tuple(_PAGES)


def sample(page: str, language: str) -> tuple[str, Mapping[str, Any]]:
    """Return the template of a page and the values of nobody in particular."""
    template, values = _PAGES[page]
    return template, {"problem": "", "form_token": "", **values(language)}
