"""Deterministic rendering of an edition, once for all its recipients."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from digest.render.checks import HTML_WARNING, CheckedMail, Finding, Severity, check_mail, html_bytes
from digest.render.context import ArticleView, EditionContext
from digest.render.loader import Templates
from digest.render.mail import render_html, render_text, theme_of
from digest.render.plaintext import plain_body
from digest.render.slots import Slot, SlotTokens, choose_nonce
from digest.runtime.text import cut_between_words

_FOLDER = "email/digest"
_EXCERPT = 200


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered mail with slot tokens, which contain `nonce`."""

    subject: str
    preheader: str
    html: str
    text: str
    nonce: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class _Draft:
    context: EditionContext
    variables: Mapping[str, Any]
    html: str
    declared: Counter[Slot]


def render_edition(context: EditionContext, templates: Templates) -> Rendered:
    """Return the rendered edition with the findings of checks.

    Where the HTML is larger than HTML_WARNING, articles without `display` become summaries: as few as needed, from the
    last to the first, the lead last. Raises ContentError with template and line.
    """
    nonce = choose_nonce(json.dumps(asdict(context), default=str, ensure_ascii=False, sort_keys=True))
    candidates = _candidates(context)
    draft = _render(context, frozenset(), templates, nonce)
    shortened: list[ArticleView] = []
    if html_bytes(draft.html, nonce) > HTML_WARNING and candidates:
        low, high = 1, len(candidates)
        while low < high:  # sizes fall with each summary
            middle = (low + high) // 2
            tried = _render(context, _slugs(candidates[:middle]), templates, nonce)
            low, high = (low, middle) if html_bytes(tried.html, nonce) <= HTML_WARNING else (middle + 1, high)
        shortened = candidates[:low]
        draft = _render(context, _slugs(shortened), templates, nonce)
    text = render_text(_FOLDER, context.language, draft.variables, templates)
    mail = CheckedMail(
        subject=context.subject,
        html=draft.html,
        text=text,
        nonce=nonce,
        publication=context.publication,
        source=draft.context,
        theme=draft.variables["theme"],
        declared=draft.declared,
        titles=tuple(article.title for article in context.articles),
        preheader=context.preheader,
    )
    findings = (*_shortened(shortened), *check_mail(mail))
    return Rendered(context.subject, context.preheader, draft.html, text, nonce, findings)


def _render(context: EditionContext, as_summary: frozenset[str], templates: Templates, nonce: str) -> _Draft:
    settled = settle_display(context, as_summary)
    variables = {
        "edition": settled,
        "slots": SlotTokens(nonce),
        "theme": theme_of(templates, context.theme),
        "language": context.language,
    }
    html, declared = render_html(_FOLDER, context.language, variables, templates, nonce)
    return _Draft(settled, variables, html, declared)


def _candidates(context: EditionContext) -> list[ArticleView]:
    """Return the articles that may become summaries, in that order."""
    free = [
        a
        for a in reversed(context.articles)
        if a.display is None and a.read_on_url and not a.citation and (a.body_html or a.videos or a.images)
    ]
    return sorted(free, key=lambda article: article.lead)


def _slugs(articles: list[ArticleView]) -> frozenset[str]:
    return frozenset(article.slug for article in articles)


def settle_display(context: EditionContext, as_summary: frozenset[str]) -> EditionContext:
    """Return the context with `full` or `summary` for every article; missing summaries are excerpts."""
    sections = tuple(
        replace(section, articles=tuple(_settled(article, as_summary) for article in section.articles))
        for section in context.sections
    )
    return replace(context, sections=sections)


def _settled(article: ArticleView, as_summary: frozenset[str]) -> ArticleView:
    if article.slug not in as_summary and article.display != "summary":
        return replace(article, display="full")
    return replace(article, display="summary", summary=article.summary or _excerpt(article.body_html))


def _excerpt(body_html: str) -> str:
    words = " ".join(plain_body(body_html).partition("\n\n")[0].split())
    return words if len(words) <= _EXCERPT else cut_between_words(words, _EXCERPT).rstrip(",;:. ") + "…"


def _shortened(articles: list[ArticleView]) -> list[Finding]:
    if not articles:
        return []
    titles = ", ".join(f"“{article.title}”" for article in articles)
    message = f"To stay below the size at which Gmail clips, {len(articles)} articles are shown as summaries: {titles}"
    remedy = "Nothing must be done; `display: full` or `display: summary` in an article decides for it."
    return [Finding("shown-as-summary", Severity.ADVISE, "HTML", message, remedy)]
