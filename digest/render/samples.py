"""Sample editions: every wanted article in every wanted form, to be rendered once and cut into fragments. Pure.

A stub stands before an article that is not the first of its section. What an edition decides, as an article's number,
is a token: a private-use character that no text of the issue holds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from digest.render.content import MOST_LISTED, EditionViews
from digest.render.context import ArticleView, EditionContext, LeftOutView, SectionView
from digest.render.shortening import Length, lengths_of, settled
from digest.runtime.errors import ContentError

_PRIVATE = range(0xE000, 0xF8FF)
_FORMS = ("display", "lead", "first", "last")
FRAME_STUBS = 10  # more than the contents list


class Tokens(NamedTuple):
    """What stands for the values that an edition decides."""

    number: str
    subject: str
    preheader: str
    stub: str
    more: str

    @property
    def head(self) -> tuple[str, str, str]:
        """What stands for subject, preheader and the number of articles that the contents do not list."""
        return self.subject, self.preheader, self.more

    @classmethod
    def unused_in(cls, content: str) -> "Tokens":
        """Return characters that do not occur in `content`."""
        if content.isascii():
            return cls(*map(chr, _PRIVATE[: len(cls._fields)]))
        free = [*islice((chr(code) for code in _PRIVATE if chr(code) not in content), len(cls._fields))]
        if len(free) < len(cls._fields):
            raise ContentError("The articles use every private-use character.", hint="Remove some of them.")
        return cls(*free)


class ArticleForm(NamedTuple):
    """What an article's markup depends on besides its content."""

    display: Length
    lead: bool = False
    first: bool = False
    last: bool = False


@lru_cache(maxsize=16)
def form_of(length: Length, lead: bool, first: bool, last: bool) -> ArticleForm:
    """Return a form, the same object for the same values: there is one for each article of each edition."""
    return ArticleForm(length, lead, first, last)


def forms_of(theme: Mapping[str, Any]) -> frozenset[str]:
    """Return what a theme declares that articles depend on. Raises ContentError for what they cannot."""
    declared = theme.get("forms", {}).get("article", _FORMS)
    if not isinstance(declared, Sequence) or isinstance(declared, str) or set(declared) - set(_FORMS):
        hint = f"Use some of {', '.join(_FORMS)}."
        raise ContentError(f"[forms] article of theme.toml cannot be {declared!r}.", hint=hint)
    return frozenset(declared)


class FrameKey(NamedTuple):
    """What the frames of a language depend on besides subject and preheader."""

    frequency: str
    has_preheader: bool
    has_left_out: bool
    untranslated: bool
    has_contents: bool
    has_more: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """An edition to render; `articles` are its articles in order, None for a stub.

    The slug of a stub of a lead is the token for stubs, that of another one is empty.
    """

    context: EditionContext
    articles: tuple[tuple[str, ArticleForm] | None, ...]


class SampleMaker:
    """Makes the samples in one language."""

    def __init__(self, views: EditionViews, tokens: Tokens, forms: frozenset[str]) -> None:
        self.views, self.tokens, self._forms, self._ends = views, tokens, forms, "last" in forms
        self._stub = ArticleView(
            slug="", anchor="stub", title=tokens.stub, kind="story", language=views.language, summary=tokens.stub,
            display="full",
        )  # fmt: skip
        self._lead = (tokens.stub, form_of("full", True, True, True))

    def sample(
        self,
        wanted: Iterable[tuple[str, str, ArticleForm]],
        sections: Iterable[str],
        left_out: Iterable[str],
        digits: int,
    ) -> Sample:
        """Return an edition with articles, each in a section and a form, sections and lines of left-out articles."""
        runs = [*self._runs(wanted)]
        runs += [(section, [self._lead, None]) for section in sections]
        runs = runs or [("", [self._lead, None])]
        number = self.tokens.number * digits
        shown = tuple(
            SectionView(slug, self.views.section_titles.get(slug, slug), tuple(self._view(a, number) for a in articles))
            for slug, articles in runs
        )
        context = replace(
            self.views.frame,
            subject=self.tokens.subject,
            preheader=self.tokens.preheader,
            sections=shown,
            left_out=tuple(map(self.views.left_out, left_out)),
            listed=sum(len(articles) for _, articles in runs),
        )
        return Sample(context, tuple(article for _, articles in runs for article in articles))

    def every(self) -> Iterator[Sample]:
        """Yield for each article of the issue a sample in all forms that an edition may need."""
        content = self.views.content
        for group, section in content.sections.items():
            view = self.views.article(content.titled(group, self.views.language).slug)
            yield self.sample([(view.slug, section, form) for form in self._forms_for(view)], [], [], 1)

    def _forms_for(self, view: ArticleView) -> Iterator[ArticleForm]:
        lasts = (False, True) if "last" in self._forms else (False,)
        places = {("lead" in self._forms, "first" in self._forms), (False, "first" in self._forms), (False, False)}
        lengths: dict[Length, None] = dict.fromkeys(("full", view.display or "full", *lengths_of(view)))
        for length in lengths:
            yield from (form_of(length, *place, last) for place in sorted(places) for last in lasts)

    def frame(self, key: FrameKey, subject: str, preheader: str, more: str) -> Sample:
        """Return an edition of stubs: what stands around articles, and where it shows which."""
        stub = self.tokens.stub
        stubs = (self._lead, *[None] * FRAME_STUBS)
        articles = tuple(self._view(one, self.tokens.number) for one in stubs)
        line = LeftOutView(stub, f"https://{stub}.example/", stub, self.views.language)
        context = replace(
            self.views.frame,
            subject=subject,
            preheader=preheader if key.has_preheader else "",
            sections=(SectionView("", stub, articles),),
            left_out=(line,) if key.has_left_out else (),
            frequency=key.frequency,
            earlier=self.views.earlier(key.frequency),
            untranslated=key.untranslated,
            listed=MOST_LISTED if key.has_contents else 0,
            more=more if key.has_more else "",
        )
        return Sample(context, stubs)

    def _runs(
        self, wanted: Iterable[tuple[str, str, ArticleForm]]
    ) -> Iterator[tuple[str, list[tuple[str, ArticleForm] | None]]]:
        following: dict[str, list[tuple[str, ArticleForm] | None]] = {}
        for slug, section, form in wanted:
            if form.first or form.last:
                before = [] if form.first else [None]
                yield section, [*before, (slug, form), *([] if form.last or not self._ends else [None])]
            else:
                following.setdefault(section, [None]).append((slug, form))
        for section, articles in following.items():
            yield section, [*articles, *([None] if self._ends else [])]

    def _view(self, article: tuple[str, ArticleForm] | None, number: str) -> ArticleView:
        if article is None:
            return replace(self._stub, number=number)
        if article == self._lead:
            return replace(self._stub, number=number, slug=self.tokens.stub, lead=True)
        slug, form = article
        return replace(settled(self.views.article(slug), form.display), lead=form.lead, number=number)
