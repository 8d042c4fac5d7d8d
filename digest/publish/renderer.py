"""Rendering of an issue's editions: joined from fragments, and whole where the templates do not allow that.

The law: the joined parts of an edition equal those of its direct rendering. Some editions of each build are compared.
"""

import random
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from digest.editions.segment import Selection
from digest.publish import waivers
from digest.publish.fragment_cache import FragmentCache
from digest.publish.publisher import Publisher
from digest.render.checks import Finding, Severity
from digest.render.checks.fragments import NotComposableError
from digest.render.checks.mail import texts
from digest.render.composer import Composer
from digest.render.content import EditionViews, IssueContent
from digest.render.edition import Rendered, parts_of, render_edition
from digest.render.samples import Tokens
from digest.render.sandbox.process import LimitError
from digest.render.slots import choose_nonce
from digest.runtime.errors import ContentError

_SEEDED = 3


class IssueRenderer:
    """Renders editions of an issue. Deterministic: the same content gives the same bytes."""

    def __init__(
        self, publisher: Publisher, content: IssueContent, cache: MutableMapping[str, Any] | None = None
    ) -> None:
        self.publisher, self._content = publisher, content
        self._cache: MutableMapping[str, Any] = {} if cache is None else cache
        self._views: dict[str, EditionViews] = {}
        self._composers: dict[str, Composer] = {}
        self._prepared: set[tuple[Selection, bool]] = set()
        self._waived: dict[Finding, Finding] = {}
        self.whole_because = ""

    def views(self, language: str) -> EditionViews:
        """Return the views of articles in a language."""
        if language not in self._views:
            translate = self.publisher.templates.translate(language)
            self._views[language] = EditionViews(self._content, language, self.publisher.settings, translate)
        return self._views[language]

    def hand_over(self, later: "IssueRenderer", content: IssueContent) -> None:
        """Give the renderer of a later state of the issue what has not changed."""
        for language, views in self._views.items():
            later.views(language).adopt(views.unchanged_in(content, later.publisher.settings))

    def prepare(self, selections: Sequence[Selection]) -> None:
        """Render what these editions are joined from, and compare some of them with their direct rendering."""
        self._provide(selections, archive=False)
        names = self._law_names(selections) if not self.whole_because else []
        self._cache.update((name, True) for name in names if self._cache.get(name) is not True)

    def rendered(self, selection: Selection, *, archive: bool = False) -> Rendered:
        """Return one edition. `archive` shows every article in full.

        A preview is compared until a build of the issue with these templates has found its editions equal; each later
        build compares again.
        """
        if (selection, archive) not in self._prepared:
            self._provide([selection], archive=archive, preview=not archive)
        if self.whole_because:
            context = self.views(selection.language).context(selection, archive=archive)
            rendered = render_edition(context, self.publisher.templates, self.nonce)
        else:
            rendered = self._composer(selection.language).rendered(selection, archive=archive)
        return self.waived(rendered)

    def head_rules(self, language: str) -> frozenset[str] | None:
        """Return what MJML writes into all heads of joined editions in a language, None if each has its own."""
        return None if self.whole_because else self._composer(language).head_rules

    def waived(self, rendered: Rendered, more: Iterable[Finding] = ()) -> Rendered:
        """Return an edition with further findings, those that editors let stand with their reasons."""
        findings = (*rendered.findings, *more)
        for new in [found for found in findings if found not in self._waived]:
            (self._waived[new],) = waivers.applied([new], self._content.issue)
        return replace(rendered, findings=tuple(self._waived[found] for found in findings))

    def save(self) -> None:
        """Keep for the next command what was rendered."""
        if isinstance(self._cache, FragmentCache):
            self._cache.save()

    @property
    def findings(self) -> Iterator[Finding]:
        """Say why editions are not joined, if they are not."""
        if self.whole_because:
            own = [
                name for name in self.publisher.templates.own("email") if "/digest/" in name or "/components/" in name
            ]
            place = ", ".join(own) or "templates"
            message = f"Each edition is rendered separately, which is slow: {self.whole_because}"
            remedy = "Make the template print the marks and forms that templates/README.md describes."
            yield Finding("rendered-whole", Severity.ADVISE, place, message, remedy)

    @cached_property
    def nonce(self) -> str:
        """What marks the slots in all editions of the issue, whatever its articles say."""
        issue, publication = self._content.issue, self.publisher.settings.publication
        return choose_nonce(f"{publication.list_id}\n{issue.number}\n{issue.period}", self._words)

    @cached_property
    def _words(self) -> str:
        """All texts that editions of the issue may show."""
        found: list[str] = []
        for language in self.publisher.settings.languages:
            views = self.views(language)
            found += texts(views.frame)
            found += (word for issues in self._content.earlier for word in texts(views.earlier(issues)))
            found += views.section_titles.values()
            for group in self._content.articles:
                article = self._content.titled(group, language)
                found += texts(views.article(article.slug))
        issue = self._content.issue
        return "\n".join([*found, *issue.subject.values(), *issue.preheader.values()])

    def _composer(self, language: str) -> Composer:
        if language not in self._composers:
            tokens = Tokens.unused_in(self._words)
            views, templates = self.views(language), self.publisher.templates
            self._composers[language] = Composer(views, templates, self.nonce, tokens, self._cache)
        return self._composers[language]

    def _provide(self, selections: Sequence[Selection], *, archive: bool, preview: bool = False) -> None:
        if self.whole_because:
            return
        try:
            for language in dict.fromkeys(one.language for one in selections):
                of_language = [one for one in selections if one.language == language]
                self._composer(language).prepare([] if archive else of_language, of_language if archive else [])
            if not preview or any(self._cache.get(name) is not True for name in self._law_names(selections)):
                self._compare(selections, archive=archive)
            self._prepared |= {(one, archive) for one in selections}
        except (NotComposableError, ContentError) as error:
            self.whole_because = str(error).rstrip(".")

    def _compare(self, selections: Sequence[Selection], *, archive: bool) -> None:
        """Raise NotComposableError if a joined edition is not what its direct rendering is.

        What earlier builds compared in other editions, each piece and the frame, is not compared again.
        """
        chosen = [(one, self._composer(one.language)) for one in _chosen(selections, self.nonce)]
        new = [(one, composer) for one, composer in chosen if not composer.is_compared(one, archive=archive)]
        try:
            for one, composer in new:
                self._compare_one(one, archive=archive)
                composer.compared(one, archive=archive)
        except NotComposableError:
            self._cache.update(dict.fromkeys(self._law_names(selections), False))
            raise

    def _law_names(self, selections: Sequence[Selection]) -> list[str]:
        """Return under which names it is kept, by language, whether the last build found its editions equal."""
        return [f"{base} equal" for base in dict.fromkeys(self._composer(one.language).base for one in selections)]

    def _compare_one(self, selection: Selection, *, archive: bool) -> None:
        composer = self._composer(selection.language)
        context = composer.views.context(selection, archive=archive)
        joined = composer.rendered(selection, archive=archive)
        shortened = {} if archive else composer.shortened(selection)
        try:
            direct = parts_of(context, shortened, self.publisher.templates, self.nonce, composer.head_rules)
        except LimitError:  # too large to be rendered at once
            return
        for name, one, other in zip(("HTML", "plain text"), direct, (joined.html, joined.text), strict=True):
            if one != other:
                raise NotComposableError(
                    f"the {name} changes when it is assembled from fragments, {_difference(one, other)}"
                )


def _chosen(selections: Sequence[Selection], seed: str) -> list[Selection]:
    """Return the largest and the smallest of the editions, and three more that depend on the issue."""
    by_size = sorted(selections, key=lambda one: len(one.shown))
    few = random.Random(seed).sample(by_size, min(_SEEDED, len(by_size)))  # noqa: S311 - the same for each build
    return list(dict.fromkeys([*by_size[-1:], *by_size[:1], *few]))


def _difference(one: str, other: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return f"starting at “{' '.join(one[max(at - 30, 0) : at + 30].split())}”"
