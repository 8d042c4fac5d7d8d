"""Deterministic rendering of an edition, once for all its recipients."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from digest.render.checks import HTML_WARNING, CheckedMail, Finding, Severity, check_mail, html_bytes, shown_pictures
from digest.render.context import ArticleView, EditionContext
from digest.render.heads import with_rules
from digest.render.loader import Templates
from digest.render.mail import render_html, render_text, theme_of, tidy
from digest.render.marks import Marks, without_marks
from digest.render.plaintext import plain_body
from digest.render.slots import Slot, SlotTokens, choose_nonce
from digest.runtime.text import count_of, whole_sentences

FOLDER = "email/digest"
_EXCERPT, _LEAST = 280, 80  # characters


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered mail with slot tokens, which contain `nonce`. Editions share the pieces of their parts."""

    subject: str
    preheader: str
    html_pieces: tuple[str, ...]
    text_pieces: tuple[str, ...]
    nonce: str
    findings: tuple[Finding, ...] = ()
    pictures: frozenset[str] = frozenset()
    known_sizes: tuple[int, int, int] | None = None  # html_bytes, text_bytes, longest_html

    @property
    def html(self) -> str:
        return "".join(self.html_pieces)

    @property
    def text(self) -> str:
        return "".join(self.text_pieces)

    @property
    def html_bytes(self) -> int:
        return self.known_sizes[0] if self.known_sizes else len(self.html.encode())

    @property
    def text_bytes(self) -> int:
        return self.known_sizes[1] if self.known_sizes else len(self.text.encode())

    @property
    def longest_html(self) -> int:
        """Bytes of the HTML with the longest values in its slots."""
        return self.known_sizes[2] if self.known_sizes else html_bytes(self.html, self.nonce)


@dataclass(frozen=True, slots=True)
class _Draft:
    context: EditionContext
    variables: Mapping[str, Any]
    html: str
    declared: Counter[Slot]


def render_edition(
    context: EditionContext,
    templates: Templates,
    nonce: str = "",
    as_summary: frozenset[str] | None = None,
    head_rules: frozenset[str] | None = None,
) -> Rendered:
    """Return the rendered edition with the findings of checks.

    Where the HTML is larger than HTML_WARNING, articles without `display` become summaries: as few as needed, from the
    last to the first, the lead last; unless it is said which. `head_rules` are those of the whole issue. Raises
    ContentError with template and line.
    """
    nonce = nonce or choose_nonce(json.dumps(asdict(context), default=str, ensure_ascii=False, sort_keys=True))
    candidates = candidates_of(context.articles)
    draft = _render(context, as_summary or frozenset(), templates, nonce, head_rules)
    shortened = [article for article in candidates if article.slug in (as_summary or ())]
    if as_summary is None and html_bytes(draft.html, nonce) > HTML_WARNING and candidates:
        low, high = 1, len(candidates)
        while low < high:  # sizes fall with each summary
            middle = (low + high) // 2
            tried = _render(context, _slugs(candidates[:middle]), templates, nonce, head_rules)
            low, high = (low, middle) if html_bytes(tried.html, nonce) <= HTML_WARNING else (middle + 1, high)
        shortened = candidates[:low]
        draft = _render(context, _slugs(shortened), templates, nonce, head_rules)
    text = _text(draft, templates, nonce)
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
    findings = (*shortened_finding(shortened), *check_mail(mail))
    pictures = frozenset(shown_pictures(draft.html))
    return Rendered(context.subject, context.preheader, (draft.html,), (text,), nonce, findings, pictures)


def parts_of(
    context: EditionContext,
    as_summary: frozenset[str],
    templates: Templates,
    nonce: str,
    head_rules: frozenset[str] | None = None,
) -> tuple[str, str]:
    """Return HTML and plain text of an edition, unchecked."""
    draft = _render(context, as_summary, templates, nonce, head_rules)
    return draft.html, _text(draft, templates, nonce)


def _text(draft: _Draft, templates: Templates, nonce: str) -> str:
    plain = {**draft.variables, "cut": Marks(nonce, plain=True)}
    return tidy(without_marks(render_text(FOLDER, draft.context.language, plain, templates), nonce))


def _render(
    context: EditionContext,
    as_summary: frozenset[str],
    templates: Templates,
    nonce: str,
    head_rules: frozenset[str] | None,
) -> _Draft:
    settled = settle_display(context, as_summary)
    variables = variables_of(settled, theme_of(templates, context.theme), nonce)
    html, declared = render_html(FOLDER, context.language, variables, templates, nonce)
    html = html if head_rules is None else with_rules(html, head_rules)
    return _Draft(settled, variables, without_marks(html, nonce), declared)


def variables_of(
    context: EditionContext, theme: Mapping[str, Any], nonce: str, *, plain: bool = False
) -> Mapping[str, Any]:
    """Return what the templates of an edition get."""
    return {
        "edition": context,
        "slots": SlotTokens(nonce),
        "cut": Marks(nonce, plain=plain),
        "theme": theme,
        "language": context.language,
    }


def candidates_of(articles: Sequence[ArticleView]) -> list[ArticleView]:
    """Return the articles that may become summaries, in that order."""
    return sorted((a for a in reversed(articles) if a.may_be_summary), key=lambda article: article.lead)


def _slugs(articles: list[ArticleView]) -> frozenset[str]:
    return frozenset(article.slug for article in articles)


def settle_display(context: EditionContext, as_summary: frozenset[str]) -> EditionContext:
    """Return the context with `full` or `summary` for every article; missing summaries are excerpts."""
    sections = tuple(
        replace(section, articles=tuple(settled(article, as_summary) for article in section.articles))
        for section in context.sections
    )
    return replace(context, sections=sections)


def settled(article: ArticleView, as_summary: frozenset[str]) -> ArticleView:
    """Return the article as it is shown."""
    if article.slug not in as_summary and article.display != "summary":
        return replace(article, display="full")
    return replace(article, display="summary", summary=article.summary or _excerpt(article.body_html))


def _excerpt(body_html: str) -> str:
    words = " ".join(plain_body(body_html).partition("\n\n")[0].split())
    return whole_sentences(words, _EXCERPT, _LEAST)


def shortened_finding(articles: Sequence[ArticleView]) -> list[Finding]:
    if not articles:
        return []
    titles = ", ".join(f"“{article.title}”" for article in articles)
    message = (
        f"To stay below the size at which Gmail clips, {count_of(len(articles), 'article')} will be shown as "
        f"summaries: {titles}"
    )
    remedy = "No action is needed. To choose which: `display: full` or `display: summary` in an article."
    return [Finding("shown-as-summary", Severity.ADVISE, "HTML", message, remedy)]
