"""Context of templates: frozen values in the edition's language, listed in templates/README.md. Pure.

Templates escape all texts but `body_html` and `intro_html`, which digest.articles.body has sanitised.
"""

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from digest.articles.embeds import Citation
from digest.render.event_view import EventView


@dataclass(frozen=True, slots=True)
class ImageView:
    """A picture under the publication's own media address. Width and height are the file's pixels."""

    url: str
    alt: str
    caption: str = ""
    credit: str = ""
    width: int = 0
    height: int = 0
    whole_url: str = ""  # of the picture as imported, where much of it is cut
    thumbnail: "ImageView | None" = None  # for narrow places, where that is another file


@dataclass(frozen=True, slots=True)
class VideoView:
    """A video: its poster (play mark baked in) links to it."""

    url: str
    title: str
    summary: str = ""
    poster: ImageView | None = None


@dataclass(frozen=True, slots=True)
class ArticleView:
    """An article of an edition. `language` differs from the edition's if there is no translation."""

    slug: str
    anchor: str
    title: str
    kind: str
    language: str
    summary: str = ""
    body_html: str = ""
    date: str = ""  # as written: 2021-09-17, 2021-09 or a range; the `article_date` filter localises it
    sources: tuple[str, ...] = ()
    link: str = ""
    images: tuple[ImageView, ...] = ()
    videos: tuple[VideoView, ...] = ()
    citation: Citation | None = None
    apply_by: dt.date | None = None
    display: Literal["full", "summary"] | None = None  # None = by the size rule
    read_on_url: str = ""
    brief: bool = False  # a summary by the length of editions, not by its own `display`
    lead: bool = False
    number: str = ""  # in the edition, from 1; templates print it and do nothing else with it

    @property
    def may_be_shorter(self) -> bool:
        """Whether it is for us to say how much of it is shown, and the rest can be read in the archive."""
        return bool((self.display is None or self.brief) and self.read_on_url)

    @property
    def may_be_summary(self) -> bool:
        """Whether it is in full now, and a summary would be shorter."""
        more = self.body_html or self.videos or self.images
        return bool(self.may_be_shorter and self.display is None and not self.citation and more)

    @property
    def is_title(self) -> bool:
        """Whether there is room for its title only."""
        return self.display == "summary" and not (self.summary or self.images or self.videos or self.citation)


@dataclass(frozen=True, slots=True)
class SectionView:
    """A section with its articles; never empty."""

    slug: str
    title: str
    articles: tuple[ArticleView, ...]


@dataclass(frozen=True, slots=True)
class LeftOutView:
    """An article of the issue that this edition omits: title and address in the archive."""

    title: str
    url: str
    section: str
    language: str


@dataclass(frozen=True, slots=True)
class EarlierTitleView:
    """A title of a skipped issue, and its address in the archive."""

    title: str
    url: str
    language: str


@dataclass(frozen=True, slots=True)
class EarlierIssueView:
    """An issue skipped by the frequency of an edition. `more` titles are only in the archive."""

    number: int
    issue_date: dt.date
    url: str
    titles: tuple[EarlierTitleView, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class LogoView:
    """The publication's logo, in CSS pixels, and what takes its place on dark grounds."""

    image: ImageView
    dark: ImageView | None = None


@dataclass(frozen=True, slots=True)
class PublicationView:
    """The publication in the edition's language."""

    name: str
    tagline: str
    sender_name: str
    postal_address: str
    base_url: str
    contact: str = ""  # address for answers
    archive_url: str = ""
    subscribe_url: str = ""
    logo: LogoView | None = None


@dataclass(frozen=True, slots=True)
class EditionContext:
    """Everything an edition is made from."""

    publication: PublicationView
    number: int
    period: str
    issue_date: dt.date
    language: str
    subject: str
    preheader: str
    intro_html: str
    sections: tuple[SectionView, ...]
    left_out: tuple[LeftOutView, ...] = ()
    frequency: str = "every"  # every | second | third
    earlier: tuple[EarlierIssueView, ...] = ()  # skipped issues
    archive_url: str = ""
    corrects: int | None = None  # number of the issue whose article it corrects
    untranslated: bool = False  # whether some article is in its original language
    listed: int = 0  # most entries of the contents
    more: str = ""  # number of articles that the contents do not list; print it and do nothing else with it
    theme: dict[str, Any] = field(default_factory=dict)

    @property
    def articles(self) -> tuple[ArticleView, ...]:
        """All articles, in reading order."""
        return tuple(a for s in self.sections for a in s.articles)

    @property
    def leads(self) -> tuple[SectionView, ...]:
        """The section of the first article, with that one alone."""
        return self._parted(lead=True)

    @property
    def others(self) -> tuple[SectionView, ...]:
        """The sections without the first article."""
        return self._parted(lead=False)

    @property
    def contents(self) -> tuple[ArticleView, ...]:
        """The articles that the contents list."""
        return tuple(a for s in self.others for a in s.articles)[: self.listed]

    def _parted(self, *, lead: bool) -> tuple[SectionView, ...]:
        parted = (replace(s, articles=tuple(a for a in s.articles if a.lead == lead)) for s in self.sections)
        return tuple(section for section in parted if section.articles)


@dataclass(frozen=True, slots=True)
class NoticeContext:
    """Context of the templates of notices, apart from slots; templates/README.md has the fields by kind."""

    publication: PublicationView
    expires_days: int = 0
    frequency: str = "every"  # every | second | third
    subscribe_url: str = ""
    event: EventView | None = None  # operator
