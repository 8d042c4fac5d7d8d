"""The rule of size: which articles of a long edition are shown as summaries, and which as titles. Pure."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from digest.render.checks import Finding, Severity
from digest.render.context import ArticleView, EditionContext
from digest.render.plaintext import first_paragraph, plain_body
from digest.runtime.text import count_of, whole_sentences

Length = Literal["full", "summary", "title"]
"""How much of an article is shown; `title` is a line that leads to the archive."""
Shortened = Mapping[str, Length]
"""Length by slug, of the articles that the size decides on."""
Step = tuple[str, Length]

_SHORTER: tuple[Length, ...] = ("summary", "title")
_MOST_NAMED = 10
_EXCERPT, _LEAST = 280, 80  # characters


def lengths_of(article: ArticleView) -> tuple[Length, ...]:
    """Return the lengths that the size may give an article, longest first; the lead is never a title only."""
    may = {"summary": article.may_be_summary, "title": article.may_be_shorter and not article.lead}
    return tuple(length for length in _SHORTER if may[length])


def steps(articles: Sequence[tuple[str, tuple[Length, ...]]]) -> Iterator[Step]:
    """Yield what the rule does to articles (slug, lengths) in reading order, the first of which is the lead.

    From the last to the first each becomes a summary; if that is not enough, a title; the lead is the last to shrink.
    """
    for length in _SHORTER:
        yield from ((slug, length) for slug, lengths in reversed(articles[1:]) if length in lengths)
    yield from ((slug, length) for slug, lengths in articles[:1] for length in lengths)


def settle_lengths(context: EditionContext, shortened: Shortened) -> EditionContext:
    """Return the context with every article as it is shown."""
    sections = tuple(
        replace(section, articles=tuple(settled(one, shortened.get(one.slug)) for one in section.articles))
        for section in context.sections
    )
    return replace(context, sections=sections)


def settled(article: ArticleView, length: Length | None) -> ArticleView:
    """Return the article as it is shown, in its own length for None; a missing summary is an excerpt."""
    length = length or article.display or "full"
    if length == "full":
        return replace(article, display="full")
    if length == "title":
        return replace(article, display="summary", summary="", body_html="", images=(), videos=(), citation=None)
    return replace(article, display="summary", summary=article.summary or _excerpt(article.body_html))


def _excerpt(body_html: str) -> str:
    """Return the first sentences, where there are none the first items or cells."""
    lines = plain_body(body_html, width=sys.maxsize).partition("\n\n")[0].splitlines()
    listed = "; ".join(" ".join(line.split()).removeprefix("- ") for line in lines if {*line} - {*"-+ "})
    return whole_sentences((first_paragraph(body_html) if lines else "") or listed, _EXCERPT, _LEAST)


def shortened_findings(shortened: Shortened, titles: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """Say which articles are shorter than chosen; `titles` are slugs and titles of the edition in reading order."""
    named = [(shortened[slug], f"“{title}”") for slug, title in titles if slug in shortened]
    remedy = "No action is needed. To choose which: `display: full` or `display: summary` in an article."
    if summaries := [title for length, title in named if length == "summary"]:
        message = _shown_as(summaries, "a summary", "summaries")
        yield Finding("shown-as-summary", Severity.ADVISE, "HTML", message, remedy)
    if lines := [title for length, title in named if length == "title"]:
        message = _shown_as(lines, "a title that leads to the archive", "titles that lead to the archive")
        yield Finding("shown-as-title", Severity.ADVISE, "HTML", message, remedy)


def _shown_as(titles: Sequence[str], one: str, many: str) -> str:
    more = f" and {len(titles) - _MOST_NAMED} more" if len(titles) > _MOST_NAMED else ""
    return (
        f"To stay below the size at which Gmail clips, {count_of(len(titles), 'article')} will be shown as "
        f"{one if len(titles) == 1 else many}: {', '.join(titles[:_MOST_NAMED])}{more}"
    )
