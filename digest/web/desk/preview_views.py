"""View models of the preview's templates, made from a build."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import ceil
from typing import Any
from urllib.parse import urlencode

from digest.editions.segment import ReaderGroup
from digest.publish.build import BuiltEdition
from digest.publish.publisher import Publisher
from digest.render import locales
from digest.render.checks import HTML_LIMIT, HTML_WARNING, Finding, Severity
from digest.render.interest_words import interests_in_words
from digest.settings.publication import pick
from digest.web.desk.matrix import Row, matrix
from digest.web.desk.state import Snapshot
from digest.web.desk.view_query import Choice
from subscribers.interests import ALL_TEXT, SEPARATOR
from subscribers.models import Frequency

DESK_LANGUAGE = "en"
MOST_COLUMNS = 24
"""Editions that the matrix has as columns, and an edition's page as links."""
_MOST_CHOICES = 3
_MOST_NAMES = 12
_MOST_OF_A_KIND = 10


@dataclass(frozen=True, slots=True)
class Card:
    """Summary of an edition in a table or at the head of its page."""

    label: str
    code: str
    language: str
    audience: tuple[str, ...]
    readers: int
    articles: int
    size: str
    weight: str
    block: int
    advise: int
    query: str
    current: bool = False
    share: int = 0  # readers in percent of the largest edition's

    @property
    def followers(self) -> str:
        """What its readers follow, at most a few of their choices, and the number of the others."""
        more = len(self.audience) - _MOST_CHOICES
        return "; ".join(self.audience[:_MOST_CHOICES]) + (f"; +{more:,}" if more > 0 else "")


def language_name(code: str, language: str = DESK_LANGUAGE) -> str:
    """Return a language's name in the desk's language, or the code if it is unknown."""
    return locales.language_name(code, locales.locale_of(language))


def kilobytes(size: int) -> str:
    """Return a number of bytes for people."""
    return f"{size / 1000:.0f} kB"


def weight(size: int) -> str:
    """Return `clipped`, `heavy` or nothing, by the size at which Gmail clips."""
    return "clipped" if size > HTML_LIMIT else "heavy" if size > HTML_WARNING else ""


def spoken_interests(publisher: Publisher, interests: str, language: str = DESK_LANGUAGE) -> str:
    """Return interests as text, as in a mail in `language`."""
    translate = publisher.templates.translate(language)
    return interests_in_words(interests, language, publisher.settings.interest, publisher.settings.catalogue, translate)


def counts(findings: Iterable[Finding]) -> tuple[int, int]:
    """Return the numbers of findings that block and that advise; the same one in many editions counts once."""
    counted = Counter(finding.severity for finding in set(findings) if not finding.waived)
    return counted[Severity.BLOCK], counted[Severity.ADVISE]


def labels(look: Snapshot) -> list[str]:
    """Return the names of the editions with recipients: language and number."""
    named, numbers = [], Counter[str]()
    for code in (edition.selection.language for edition in look.made.editions):
        numbers[code] += 1
        named.append(f"{code} {numbers[code]}")
    return named


def cards(look: Snapshot, places: Iterable[int], language: str = DESK_LANGUAGE) -> list[Card]:
    """Return the cards of the editions with recipients at these places of the build."""
    named, editions = labels(look), look.made.editions
    most = max((edition.readers for edition in editions), default=0) or 1
    found = [_card(look.publisher, editions[place], named[place], language) for place in places]
    return [replace(card, share=ceil(100 * card.readers / most)) for card in found]


def cards_near(look: Snapshot, current: BuiltEdition | None, language: str = DESK_LANGUAGE) -> list[Card]:
    """Return the cards of an edition and of some on both sides of it; of the first ones for an edition of no reader."""
    editions = look.made.editions
    at = next((place for place, one in enumerate(editions) if current and one.selection == current.selection), -1)
    first = max(0, min(at - MOST_COLUMNS // 2, len(editions) - MOST_COLUMNS))
    near = range(first, min(first + MOST_COLUMNS, len(editions)))
    return [replace(card, current=place == at) for place, card in zip(near, cards(look, near, language), strict=True)]


def archive_cards(look: Snapshot, language: str = DESK_LANGUAGE) -> list[Card]:
    """Return the cards of the archive's pages, one for each language."""
    languages = look.publisher.settings.languages if look.made.editions else ()
    return [card_of_whole(look.publisher, look.whole(code), code, language) for code in languages]


def card_of_whole(publisher: Publisher, edition: BuiltEdition, code: str, language: str = DESK_LANGUAGE) -> Card:
    """Return the card of the archive's page in a language; it has no label."""
    return _card(publisher, edition, "", language, choice=Choice(code, ALL_TEXT, whole=True))


def _card(
    publisher: Publisher, edition: BuiltEdition, label: str, language: str, *, choice: Choice | None = None
) -> Card:
    code, size = edition.selection.language, edition.rendered.longest_html
    first = edition.groups[0] if edition.groups else ReaderGroup(code, ALL_TEXT)
    block, advise = counts(edition.rendered.findings)
    return Card(
        label=label,
        code=code,
        language=language_name(code, language),
        audience=tuple(dict.fromkeys(_spoken(publisher, group, language) for group in edition.groups)),
        readers=edition.readers,
        articles=len(edition.slugs),
        size=kilobytes(size),
        weight="" if choice and choice.whole else weight(size),
        block=block,
        advise=advise,
        query=(choice or Choice(first.language, first.interests, frequency=first.frequency)).query,
    )


def _spoken(publisher: Publisher, group: ReaderGroup, language: str) -> str:
    often = often_in_words(group.frequency, publisher.templates.translate(language))
    return ", ".join(filter(None, [spoken_interests(publisher, group.interests, language), often]))


def often_in_words(frequency: str, translate: Callable[[str], str]) -> str:
    """Return how often a reader gets an issue; empty for every issue."""
    words = {Frequency.SECOND: translate("every second issue"), Frequency.THIRD: translate("every third issue")}
    return words.get(Frequency(frequency), "")


def card_for(look: Snapshot, edition: BuiltEdition, choice: Choice, language: str = DESK_LANGUAGE) -> Card:
    """Return the card of the edition of a page; one without recipients has no label."""
    if choice.whole:
        return card_of_whole(look.publisher, edition, choice.language, language)
    known = [card for card in cards_near(look, edition, language) if card.current]
    return known[0] if known else _card(look.publisher, edition, "", language, choice=choice)


def desk_facts(look: Snapshot, language: str = DESK_LANGUAGE) -> dict[str, Any]:
    """Return the values at the top of every page."""
    issue, publisher = look.issue, look.publisher
    block, advise = counts(look.made.findings)
    return {
        "number": issue.number,
        "publication": pick(publisher.settings.publication.name, language),
        "period": issue.period,
        "date": issue.date.isoformat(),
        "state": issue.state,
        "changes": look.changed,
        "readers": sum(look.made.readers.values()),
        "block": block,
        "advise": advise,
    }


def matrix_columns(look: Snapshot, places: Sequence[int], language: str = DESK_LANGUAGE) -> list[dict[str, str]]:
    """Return the heads of the matrix's columns: the editions, or their languages where there are too many."""
    if len(places) <= MOST_COLUMNS:
        shown = cards(look, places, language)
        return [{"label": one.label, "href": f"/edition?{one.query}", "title": f"{one.language}: {one.followers}"}
                for one in shown]  # fmt: skip
    codes = dict.fromkeys(look.made.editions[place].selection.language for place in places)
    return [
        {"label": language_name(code, language), "href": f"/?language={code}#editions", "title": code} for code in codes
    ]


def matrix_rows(look: Snapshot, places: Sequence[int], language: str = DESK_LANGUAGE) -> list[dict[str, Any]]:
    """Return the rows of the matrix with a mark for each cell, or with numbers where there are many."""
    editions = [look.made.editions[place] for place in places]
    settings, content = look.publisher.settings, look.made.content
    order = {section.slug: index for index, section in enumerate(settings.section)}
    titles = {section.slug: pick(section.title, language) for section in settings.section}
    codes = [edition.selection.language for edition in editions]
    rows = []
    for row in matrix(content, editions):
        titled = content.titled(row.group, language)
        cells = (
            _counts(row, codes)
            if len(places) > MOST_COLUMNS
            else [_cell(slug, code, look) for slug, code in zip(row.slugs, codes, strict=True)]
        )
        rows.append(
            {
                "group": row.group,
                "title": titled.title,
                "language": titled.language,
                "section": titles.get(row.section, row.section),
                "section_index": order.get(row.section, len(order)),
                "topics": _topics(look.publisher, row, language),
                "common": row.common,
                "cells": cells,
            }
        )
    return rows


def _topics(publisher: Publisher, row: Row, language: str) -> list[str]:
    known = {interest.slug: pick(interest.title, language) for interest in publisher.settings.interest}
    return [known.get(topic, topic) for topic in row.topics]


def _counts(row: Row, codes: Sequence[str]) -> list[dict[str, Any]]:
    """Return in how many editions of each language an article is, each with the address that lists them."""
    of, shown = Counter(codes), Counter(code for slug, code in zip(row.slugs, codes, strict=True) if slug)
    return [
        {
            "kind": "left" if not shown[code] else "shown" if shown[code] == count else "",
            "shown": shown[code],
            "of": count,
            "href": f"/?{urlencode({'language': code, 'article': row.group})}" if shown[code] else "",
        }
        for code, count in of.items()
    ]


def _cell(slug: str | None, code: str, look: Snapshot) -> dict[str, str]:
    if slug is None:
        return {"kind": "left", "mark": "·"}
    if look.made.content.shown(slug).language != code:
        return {"kind": "original", "mark": "◐"}
    return {"kind": "shown", "mark": "✓"}


def grouped_findings(
    look: Snapshot, language: str = DESK_LANGUAGE
) -> tuple[list[tuple[str, list[Finding]]], dict[str, int]]:
    """Return the findings under headings, the issue's own, then those of editions, equal ones merged; and how many more
    there are of a kind.
    """
    own, translate = look.made.issue_findings, look.publisher.templates.translate(language)
    groups: list[tuple[str, list[Finding]]] = [(translate("The issue"), _sorted(own))] if own else []
    labelled: dict[tuple[str, ...], list[str]] = {}
    samples: dict[tuple[str, ...], Finding] = {}
    for label, edition in zip(labels(look), look.made.editions, strict=True):
        for finding in edition.rendered.findings:
            key = (finding.id, str(finding.severity), finding.where, finding.message)
            samples.setdefault(key, finding)
            labelled.setdefault(key, []).append(label)
    by_editions, left = _most_frequent(labelled)
    for editions, keys in groupby(by_editions, key=lambda key: labelled[key]):
        groups.append((_heading(editions, len(look.made.editions), translate), _sorted(samples[key] for key in keys)))
    return groups, left


def _most_frequent(labelled: dict[tuple[str, ...], list[str]]) -> tuple[list[tuple[str, ...]], dict[str, int]]:
    """Return of each kind the findings that most editions have, and how many more of a kind there are."""
    kept, seen = [], Counter[str]()
    for key in sorted(labelled, key=lambda key: (-len(labelled[key]), labelled[key])):
        seen[key[0]] += 1
        if seen[key[0]] <= _MOST_OF_A_KIND:
            kept.append(key)
    return kept, {name: count - _MOST_OF_A_KIND for name, count in seen.items() if count > _MOST_OF_A_KIND}


def _heading(editions: Sequence[str], every: int, translate: Callable[[str], str]) -> str:
    distinct = list(dict.fromkeys(editions))
    names, more = ", ".join(distinct[:_MOST_NAMES]), len(distinct) - _MOST_NAMES
    if len(distinct) == every:
        return translate("Every edition")
    if more > 0:
        return translate("Editions %(names)s and %(more)s more") % {"names": names, "more": f"{more:,}"}
    return (translate("Edition %(names)s") if len(distinct) == 1 else translate("Editions %(names)s")) % {
        "names": names
    }


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (bool(finding.waived), finding.severity != Severity.BLOCK, finding.id))


def edition_facts(
    look: Snapshot, edition: BuiltEdition, choice: Choice, language: str = DESK_LANGUAGE
) -> dict[str, Any]:
    """Return the values of the page of one edition beside its frames."""
    card, translate = card_for(look, edition, choice, language), look.publisher.templates.translate(language)
    rendered, context = edition.rendered, edition.context
    publication = look.publisher.settings.publication
    heading = translate("Edition %(names)s") % {"names": card.label}
    if not card.label:
        heading = translate("An edition without readers now")
    if choice.whole:
        heading = translate("The whole issue, as in the archive")
    return {
        "card": card,
        "heading": f"{heading} · {card.language}",
        "code": card.code,
        "sender": f"{context.publication.sender_name} <{publication.sender_address}>",
        "sender_name": context.publication.sender_name,
        "subject": rendered.subject,
        "preheader": rendered.preheader,
        "readers": card.readers,
        "audience": card.followers or _spoken(look.publisher, choice.group, language),
        "size": card.size,
        "weight": card.weight,
        "limit": kilobytes(HTML_LIMIT),
        "text_size": kilobytes(rendered.text_bytes),
        "sections": context.sections,
        "left_out": context.left_out,
        "findings": _sorted(rendered.findings),
    }


def interests_of(choices: Sequence[str], publisher: Publisher) -> str:
    """Return the canonical text of the interests in a query, without unknown ones."""
    return publisher.settings.catalogue.canonical(publisher.settings.catalogue.parse(SEPARATOR.join(choices)))
