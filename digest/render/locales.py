"""Localisation: gettext catalogues, and formats of dates, numbers and names of languages."""

import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_interval, format_skeleton
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from digest.runtime.catalogues import CATALOGUES, catalogue_file

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MONTH = re.compile(r"\d{4}-\d\d")


def files() -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every catalogue, sorted by name."""
    for path in sorted(CATALOGUES.rglob("messages.po")):
        yield f"locale/{path.relative_to(CATALOGUES).as_posix()}", path.read_bytes()


@cache
def catalogue(language: str) -> NullTranslations:
    """Return the translations for a language tag or its first subtag; without any, texts stay English."""
    path = catalogue_file(language)
    if path is None:
        return NullTranslations()
    with path.open("rb") as source:
        compiled = BytesIO()
        write_mo(compiled, read_po(source, locale=path.parent.parent.name))
    compiled.seek(0)
    return GNUTranslations(compiled)


def locale_of(language: str) -> Locale:
    """Return the locale of a language, or English if Babel does not know it."""
    try:
        return Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale("en")


def filters(language: str) -> dict[str, Callable[..., Any]]:
    """Return the template filters that depend on the language."""
    locale = locale_of(language)
    return {
        "long_date": lambda day: long_date(day, locale),
        "article_date": lambda text: article_date(text, locale),
        "number": lambda value: format_decimal(value, locale=locale),
        "language_name": lambda code: language_name(code, locale),
        "direction": lambda code: locale_of(code).text_direction,
    }


def long_date(day: object, locale: Locale) -> str:
    """Return a date in words; raises TypeError for anything else."""
    if not isinstance(day, date):
        raise TypeError(f"long_date needs a date, not {day!r}")
    return format_date(day, "long", locale)


def article_date(text: str, locale: Locale) -> str:
    """Return `2021-09-17`, `2021-09` or a range `first/last` in words; any other text as it is."""
    first, _, last = text.partition("/")
    try:
        if last and _DAY.fullmatch(first) and _DAY.fullmatch(last):
            return format_interval(date.fromisoformat(first), date.fromisoformat(last), "yMMMd", locale=locale)
        if last:
            return f"{article_date(first, locale)} – {article_date(last, locale)}"
        if _DAY.fullmatch(first):
            return format_date(date.fromisoformat(first), "long", locale)
        if _MONTH.fullmatch(first):
            return format_skeleton("yMMMM", date.fromisoformat(f"{first}-01"), locale=locale)
    except ValueError:
        pass  # looks like a date and is none, such as 2021-13
    return text


def language_name(code: str, locale: Locale) -> str:
    """Return a language's name in `locale`, or the code without one."""
    try:
        return Locale.parse(code, sep="-").get_display_name(locale) or code
    except (UnknownLocaleError, ValueError):
        return code
