"""Language negotiation: by the address, the Accept-Language header, or the default. Pure."""

from collections.abc import Sequence


def choose(asked: str, accept: str, languages: Sequence[str]) -> str:
    """Return one of `languages` for `?lang=` and an Accept-Language header (RFC 9110 section 12.5.4)."""
    for wanted in [asked, *_ranked(accept)]:
        found = match(wanted, languages)
        if found:
            return found
    return languages[0]


def match(wanted: str, languages: Sequence[str]) -> str | None:
    """Return the language that matches `wanted`: the same, else one with the same first subtag."""
    wanted = wanted.strip().lower()
    if not wanted:
        return None
    exact = [language for language in languages if language.lower() == wanted]
    base = [language for language in languages if _first(language.lower()) == _first(wanted)]
    return next(iter(exact + base), None)


def _first(code: str) -> str:
    return code.partition("-")[0]


def _ranked(accept: str) -> list[str]:
    """Return the header's languages by preference; invalid entries are ignored."""
    ranked = []
    for position, part in enumerate(accept[:1000].split(",")):
        code, _, parameter = part.partition(";")
        try:
            quality = float(parameter.strip().removeprefix("q=")) if parameter.strip() else 1.0
        except ValueError:
            continue
        if 0 < quality <= 1:
            ranked.append((-quality, position, code))
    return [code for _, _, code in sorted(ranked)]
