"""List of an issue's editions: filtered, grouped by language, a hundred on a page."""

from math import ceil
from typing import Any
from urllib.parse import urlencode

from digest.publish.edition_filter import EditionFilter
from digest.web.desk.preview_views import DESK_LANGUAGE, MOST_COLUMNS, cards, language_name
from digest.web.desk.state import Snapshot

PAGE = 100


def places_of(look: Snapshot, chosen: EditionFilter) -> list[int]:
    """Return the places in the build of the editions that a filter lets through, by language."""
    order, editions = [*look.publisher.settings.languages], look.made.editions
    found = [place for place, edition in enumerate(editions) if chosen.matches(edition)]
    return sorted(found, key=lambda place: order.index(editions[place].selection.language))


def edition_list(
    look: Snapshot, places: list[int], query: dict[str, str], page: int, language: str = DESK_LANGUAGE
) -> dict[str, Any]:
    """Return a page of the list in the desk's language; `query` is what the filter was asked for."""
    pages = ceil(len(places) / PAGE) or 1
    page = max(1, min(page, pages))
    shown = places[(page - 1) * PAGE : page * PAGE]
    given = {name: value for name, value in query.items() if value}
    found = [look.made.editions[place] for place in places]
    groups = []
    for code in dict.fromkeys(look.made.editions[place].selection.language for place in shown):
        of_language = [edition for edition in found if edition.selection.language == code]
        groups.append(
            {
                "language": language_name(code, language),
                "editions": len(of_language),
                "readers": sum(edition.readers for edition in of_language),
                "cards": cards(
                    look, [one for one in shown if look.made.editions[one].selection.language == code], language
                ),
            }
        )
    addresses = {
        name: f"/?{urlencode(given | {'page': number})}#editions" if number != page and 1 <= number <= pages else ""
        for name, number in (("first", 1), ("previous", page - 1), ("next", page + 1), ("last", pages))
    }
    total = len(look.made.editions)
    numbers = {"total": total, "found": len(places), "page": page, "pages": pages, "is_many": total > MOST_COLUMNS}
    return {"groups": groups, "query": query, "filtered": bool(given), **numbers, **addresses}
