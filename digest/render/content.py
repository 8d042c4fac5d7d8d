"""Builds the EditionContext of one edition from an issue's rows and a selection of articles."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import Any, Literal
from urllib.parse import quote

from digest.articles.body import render_body
from digest.articles.embeds import ArticleImage, ArticleVideo, citation_of, image_of, video_of
from digest.articles.models import Article, Kind
from digest.articles.shown_pictures import is_cut
from digest.editions.segment import Selection
from digest.editions.skipped_issues import EarlierIssue
from digest.issues.models import Issue
from digest.render import figures, tables
from digest.render.context import (
    ArticleView,
    EarlierIssueView,
    EarlierTitleView,
    EditionContext,
    ImageView,
    LeftOutView,
    PublicationView,
    SectionView,
    VideoView,
)
from digest.render.figures import media_url
from digest.render.logo import logo_view
from digest.render.plaintext import first_paragraph
from digest.render.shortening import Length, lengths_of
from digest.runtime.text import whole_sentences
from digest.settings.publication import pick, pick_own
from digest.settings.root import Settings

MOST_TITLES = 30  # of a skipped issue; the mail's own articles need the room
LEAST_LISTED, MOST_LISTED = 3, 8  # entries of the contents
IN_FULL = 3  # articles of an edition in brief
PREHEADER_CHARACTERS = 140
PREHEADER_LEAST = 40  # fewer characters say too little beside a subject

Display = Literal["full", "summary"] | None


@dataclass(frozen=True)
class IssueContent:
    """Rows of an issue, read once for all editions: group -> language -> article."""

    issue: Issue
    sections: Mapping[str, str]  # group -> section slug
    articles: Mapping[str, Mapping[str, Article]]
    earlier: Mapping[str, tuple[EarlierIssue, ...]] = field(default_factory=dict)  # frequency -> the issues in between

    @cached_property
    def by_slug(self) -> Mapping[str, Article]:
        return {a.slug: a for by_language in self.articles.values() for a in by_language.values()}

    def shown(self, slug: str) -> Article:
        """Return the article with this slug."""
        return self.by_slug[slug]

    def titled(self, group: str, language: str) -> Article:
        """Return the group's article in `language`, else the original."""
        by_language = self.articles[group]
        return by_language.get(language) or next(a for a in by_language.values() if a.slug == group)


class EditionViews:
    """Views of an issue in one language; that of an article is made once for all editions that show it."""

    def __init__(
        self, content: IssueContent, language: str, settings: Settings, translate: Callable[[str], str]
    ) -> None:
        self.content, self.language = content, language
        self._settings, self._translate = settings, translate
        self._archive_url = f"{settings.publication.base_url}/archive/{content.issue.number}?lang={language}"
        self._articles: dict[str, ArticleView] = {}
        self._left_out: dict[str, LeftOutView] = {}
        self._heads: dict[str, tuple[str, str]] = {}
        self.section_titles = {section.slug: pick(section.title, language) for section in settings.section}

    def article(self, slug: str) -> ArticleView:
        """Return the view of an article, before its place in an edition is known."""
        if slug not in self._articles:
            article = self.content.shown(slug)
            self._articles[slug] = _article_view(
                article, settings=self._settings, archive_url=self._archive_url, translate=self._translate
            )
        return self._articles[slug]

    def adopt(self, known: Mapping[str, ArticleView]) -> None:
        """Take over views of articles that were made before."""
        self._articles.update(known)

    def unchanged_in(self, content: IssueContent, settings: Settings) -> dict[str, ArticleView]:
        """Return the views of articles that are the same in a later state of the issue."""
        if settings is not self._settings or content.issue.number != self.content.issue.number:
            return {}
        hashes, later = self.content.by_slug, content.by_slug
        return {
            slug: view
            for slug, view in self._articles.items()
            if slug in later and later[slug].content_hash == hashes[slug].content_hash
        }

    def left_out(self, group: str) -> LeftOutView:
        """Return the line for an article that an edition leaves out."""
        if group not in self._left_out:
            article, section = self.content.titled(group, self.language), self.content.sections[group]
            title, url = self.section_titles.get(section, section), _place_in(self._archive_url, article.group)
            self._left_out[group] = LeftOutView(article.title, url, title, article.language)
        return self._left_out[group]

    def subject_and_preheader(self, lead: str) -> tuple[str, str]:
        """Return both for an edition whose first article is `lead`, empty for none."""
        if lead not in self._heads:
            issue, view = self.content.issue, self.article(lead) if lead else None
            subject = pick_own(issue.subject, self.language) or self._default_subject(view)
            preheader = (
                pick_own(issue.preheader, self.language) or _default_preheader(view) or self.frame.publication.tagline
            )
            self._heads[lead] = subject, preheader
        return self._heads[lead]

    def _default_subject(self, lead: ArticleView | None) -> str:
        values = {"name": self.frame.publication.name, "number": self.content.issue.number}
        translate = self._translate  # by the name that the catalogue knows
        label = translate("%(name)s No. %(number)s") % values
        return f"{label}: {lead.title}" if lead else label

    @cached_property
    def frame(self) -> EditionContext:
        """What all editions in the language have in common."""
        issue, language, publication = self.content.issue, self.language, self._settings.publication
        name, intro = pick(publication.name, language), _body_html(pick_own(issue.intro, language), "intro", language)
        return EditionContext(
            publication=PublicationView(
                name=name,
                tagline=pick(publication.tagline, language),
                sender_name=pick(publication.sender_name, language) or name,
                postal_address=pick(publication.postal_address, language),
                base_url=publication.base_url,
                contact=publication.reply_to or publication.sender_address,
                archive_url=f"{publication.base_url}/archive?lang={language}",
                subscribe_url=f"{publication.base_url}/subscribe?lang={language}",
                logo=logo_view(self._settings, language),
            ),
            number=issue.number,
            period=issue.period,
            issue_date=issue.date,
            language=language,
            subject="",
            preheader="",
            intro_html=figures.place(intro, {}, "", self._translate),
            sections=(),
            archive_url=self._archive_url,
            corrects=issue.corrects,
        )

    def earlier(self, frequency: str) -> tuple[EarlierIssueView, ...]:
        """Return the skipped issues of an edition for this frequency."""
        skipped = self.content.earlier.get(frequency, ())
        return tuple(_earlier(one, self.language, self._settings) for one in skipped)

    def context(self, selection: Selection, *, archive: bool = False) -> EditionContext:
        """Return the context of an edition's templates. `archive` shows every article in full."""
        lead = selection.shown[0][0] if selection.shown else ""
        subject, preheader = self.subject_and_preheader(lead)
        shown = []
        for number, (slug, section) in enumerate(selection.shown, start=1):
            view = self.article(slug)
            brief = not archive and self._is_brief(view, number)
            display: Display = "full" if archive else "summary" if brief else view.display
            shown.append((section, replace(view, lead=number == 1, number=str(number), display=display, brief=brief)))
        listed, more = self.listed(selection)
        return replace(
            self.frame,
            subject=subject,
            preheader=preheader,
            sections=self.sections(shown),
            left_out=tuple(map(self.left_out, selection.left_out)),
            frequency=selection.frequency,
            earlier=self.earlier(selection.frequency),
            untranslated=any(view.language != self.language for _, view in shown),
            listed=listed,
            more=more,
        )

    def display(self, slug: str, number: int) -> Display:
        """Return how the article with this number is shown; None for whatever the size allows."""
        view = self.article(slug)
        return "summary" if self._is_brief(view, number) else view.display

    def lengths(self, slug: str, number: int) -> tuple[Length, ...]:
        """Return the lengths that the size may give the article with this number."""
        view = self.article(slug)
        brief = self._is_brief(view, number)
        return lengths_of(replace(view, lead=number == 1, display=self.display(slug, number), brief=brief))

    def _is_brief(self, view: ArticleView, number: int) -> bool:
        """Whether the length of editions makes an article a summary; not a notice, whose button is what it is for."""
        brief = self._settings.editions.length == "brief" and number > IN_FULL
        return brief and view.may_be_summary and view.kind != Kind.NOTICE

    def listed(self, selection: Selection) -> tuple[int, str]:
        """Return how many entries the contents have at most, and the number of articles beyond."""
        others = len(selection.shown) - 1
        if others < LEAST_LISTED:
            return 0, ""
        return MOST_LISTED, str(others - MOST_LISTED) if others > MOST_LISTED else ""

    def sections(self, shown: Sequence[tuple[str, ArticleView]]) -> tuple[SectionView, ...]:
        """Return articles under their sections' titles."""
        return tuple(
            SectionView(slug, self.section_titles.get(slug, slug), tuple(view for _, view in group))
            for slug, group in groupby(shown, key=lambda pair: pair[0])
        )


def _default_preheader(lead: ArticleView | None) -> str:
    """Return the lead's summary, else its first paragraph, shortened to whole sentences, else at a word, never within a
    figure. Empty for an article without either, or whose text only repeats the title.
    """
    if lead is None:
        return ""
    text = " ".join((lead.summary or first_paragraph(lead.body_html)).split())
    if text == lead.title:
        return ""
    return whole_sentences(text, PREHEADER_CHARACTERS, PREHEADER_LEAST)


def _earlier(issue: EarlierIssue, language: str, settings: Settings) -> EarlierIssueView:
    """Return a skipped issue with the titles of its archive page in `language`."""
    url = f"{settings.publication.base_url}/archive/{issue.number}?lang={language}"
    pages = [code for code in (language, settings.publication.language, *issue.titles) if code in issue.titles]
    titles = issue.titles[pages[0]] if pages else ()
    shown = tuple(EarlierTitleView(one.title, _place_in(url, one.group), one.language) for one in titles[:MOST_TITLES])
    return EarlierIssueView(issue.number, issue.date, url, shown, more=len(titles) - len(shown))


def _place_in(archive_page: str, group: str) -> str:
    """Return the address of an article on its archive page, the same in both parts whatever its script."""
    return f"{archive_page}#{quote(group)}"


def _article_view(
    article: Article, *, settings: Settings, archive_url: str, translate: Callable[[str], str]
) -> ArticleView:
    own: Any = article.display
    base_url = settings.publication.base_url
    images = [image_of(one) for one in article.images]
    return ArticleView(
        slug=article.slug,
        anchor=article.group,
        title=article.title,
        kind=article.kind,
        language=article.language,
        summary=article.summary,
        body_html=figures.place(
            _body_html(article.body, article.group, article.language),
            {one.src: one for one in images if one.use},
            base_url,
            translate,
        ),
        date=article.date_text,
        sources=tuple(article.sources),
        link=article.link or "",
        images=tuple(filter(None, (_image(one, base_url) for one in images if not one.use))),
        videos=tuple(_video(video_of(video), article.title, base_url) for video in article.videos),
        citation=None if article.citation is None else citation_of(article.citation),
        apply_by=article.apply_by,
        display=own,
        read_on_url=_place_in(archive_url, article.group),
    )


def _body_html(markdown: str, key: str, language: str) -> str:
    return tables.fit(render_body(markdown, article_key=key, language=language).html, language)


def _image(one: ArticleImage | ArticleVideo, base_url: str) -> ImageView | None:
    """Return the picture of an image or the poster of a video, None without one."""
    if one.file is None:
        return None
    shown, small = one.shown or one.file, one.thumbnail
    caption, credit = (one.caption, one.credit) if isinstance(one, ArticleImage) else ("", "")
    whole = media_url(one.file, base_url) if is_cut(one.file, one.shown) else ""
    thumbnail = ImageView(media_url(small, base_url), one.alt, "", "", small.width, small.height) if small else None
    url = media_url(shown, base_url)
    return ImageView(url, one.alt, caption, credit, shown.width, shown.height, whole, thumbnail)


def _video(video: ArticleVideo, article_title: str, base_url: str) -> VideoView:
    title = video.title or video.alt or article_title
    return VideoView(video.url, title, video.summary, _image(video, base_url))
