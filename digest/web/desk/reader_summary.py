"""Who gets what of an issue, in a few figures, made from a build."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from digest.settings.publication import pick
from digest.web.desk.preview_views import spoken_interests
from digest.web.desk.state import Snapshot


@dataclass(frozen=True, slots=True)
class ArticleReach:
    """How many editions show an article, and how many readers they have."""

    slug: str
    title: str
    editions: int
    readers: int


@dataclass(frozen=True, slots=True)
class ReaderSummary:
    """Editions and readers; interests without an article, and those of readers who get no mail."""

    editions: int
    readers: int
    without_mail: int
    followed_in_vain: Sequence[str]
    unserved: Sequence[str]
    articles: Sequence[ArticleReach]


def summary_of(look: Snapshot, language: str) -> ReaderSummary:
    """Return the summary of a build; titles of interests in the desk's language."""
    made, settings = look.made, look.publisher.settings
    known = settings.catalogue
    served = {slug for group in made.content.articles for topic in made.content.shown(group).topics
              for slug in known.parse(topic)}  # fmt: skip
    vain = [group for group, selection in made.segmentation.selections.items() if selection is None]
    editions, readers = Counter[str](), Counter[str]()
    for edition in made.editions:
        for group in {made.content.shown(slug).group for slug in edition.slugs}:
            editions[group] += 1
            readers[group] += edition.readers
    return ReaderSummary(
        editions=len(made.editions),
        readers=sum(made.readers.values()),
        without_mail=sum(made.readers[group] for group in vain),
        followed_in_vain=list(dict.fromkeys(spoken_interests(look.publisher, one.interests, language) for one in vain)),
        unserved=[pick(one.title, language) for one in settings.interest if one.slug not in served],
        articles=[
            ArticleReach(group, made.content.shown(group).title, editions[group], readers[group])
            for group in made.content.articles
        ],
    )
