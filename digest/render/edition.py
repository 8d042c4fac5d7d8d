"""Deterministic rendering of an edition, once for all its recipients."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from digest.render.checks import HTML_WARNING, CheckedMail, Finding, check_mail, html_bytes, shown_pictures
from digest.render.context import EditionContext
from digest.render.heads import with_rules
from digest.render.loader import Templates
from digest.render.mail import render_html, render_text, theme_of, tidy
from digest.render.marks import Marks, without_marks
from digest.render.shortening import Shortened, lengths_of, settle_lengths, shortened_findings, steps
from digest.render.slots import Slot, SlotTokens, choose_nonce

FOLDER = "email/digest"


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
    shortened: Shortened | None = None,
    head_rules: frozenset[str] | None = None,
) -> Rendered:
    """Return the rendered edition with the findings of checks.

    Where the HTML is larger than HTML_WARNING, articles are shortened in as few steps as possible, unless `shortened`
    says which. `head_rules` are those of the whole issue. Raises ContentError with template and line.
    """
    nonce = nonce or choose_nonce(json.dumps(asdict(context), default=str, ensure_ascii=False, sort_keys=True))
    draft = _render(context, shortened or {}, templates, nonce, head_rules)
    if shortened is None and html_bytes(draft.html, nonce) > HTML_WARNING:
        every = [*steps([(article.slug, lengths_of(article)) for article in context.articles])]
        low, high = 0, len(every)
        while low < high:  # sizes fall with each step
            middle = (low + high) // 2
            tried = _render(context, dict(every[:middle]), templates, nonce, head_rules)
            low, high = (low, middle) if html_bytes(tried.html, nonce) <= HTML_WARNING else (middle + 1, high)
        shortened = dict(every[:low])
        draft = _render(context, shortened, templates, nonce, head_rules)
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
    findings = (*shortened_findings(shortened or {}, ((a.slug, a.title) for a in context.articles)), *check_mail(mail))
    pictures = frozenset(shown_pictures(draft.html))
    return Rendered(context.subject, context.preheader, (draft.html,), (text,), nonce, findings, pictures)


def parts_of(
    context: EditionContext,
    shortened: Shortened,
    templates: Templates,
    nonce: str,
    head_rules: frozenset[str] | None = None,
) -> tuple[str, str]:
    """Return HTML and plain text of an edition, unchecked."""
    draft = _render(context, shortened, templates, nonce, head_rules)
    return draft.html, _text(draft, templates, nonce)


def _text(draft: _Draft, templates: Templates, nonce: str) -> str:
    plain = {**draft.variables, "cut": Marks(nonce, plain=True)}
    return tidy(without_marks(render_text(FOLDER, draft.context.language, plain, templates), nonce))


def _render(
    context: EditionContext, shortened: Shortened, templates: Templates, nonce: str, head_rules: frozenset[str] | None
) -> _Draft:
    settled = settle_lengths(context, shortened)
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
