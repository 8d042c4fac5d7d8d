"""Builds the EditionContext of one edition from an issue's rows and a selection of articles."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, Literal

from digest.articles.body import render_body
from digest.articles.embeds import ArticleImage, ArticleVideo, citation_of, image_of, video_of
from digest.articles.models import Article
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
from digest.render.plaintext import first_paragraph
from digest.runtime.text import cut_between_words
from digest.settings.publication import pick, pick_own
from digest.settings.root import Settings

MOST_TITLES = 30  # of a skipped issue; the mail's own articles need the room
PREHEADER_CHARACTERS = 140
PREHEADER_LEAST = 40  # fewer characters say too little beside a subject
# Not after "U.S." or "5.".
SENTENCE_END = re.compile(r"""(?:[^\W_]{3}|[가-힣]|[)"”’])[.!?](?= [^a-z\d])|[。！？]""")
# A figure without its unit, or punctuation within a sentence.
UNFINISHED = re.compile(r"(?: \S*\d\S*(?: \S+)?|[,;:. ])+$")


@dataclass(frozen=True, slots=True)
class IssueContent:
    """Rows of an issue, read once for all editions: group -> language -> article."""

    issue: Issue
    sections: Mapping[str, str]  # group -> section slug
    articles: Mapping[str, Mapping[str, Article]]
    earlier: Mapping[str, tuple[EarlierIssue, ...]] = field(default_factory=dict)  # frequency -> the issues in between

    def shown(self, slug: str) -> Article:
        """Return the article with this slug."""
        return {a.slug: a for by_language in self.articles.values() for a in by_language.values()}[slug]

    def titled(self, group: str, language: str) -> Article:
        """Return the group's article in `language`, else the original."""
        by_language = self.articles[group]
        return by_language.get(language) or next(a for a in by_language.values() if a.slug == group)


def edition_context(
    content: IssueContent,
    selection: Selection,
    settings: Settings,
    translate: Callable[[str], str],
    *,
    archive: bool = False,
) -> EditionContext:
    """Return the context of an edition's templates. `archive` shows every article in full."""
    issue, language, publication = content.issue, selection.language, settings.publication
    archive_url = f"{publication.base_url}/archive/{issue.number}?lang={language}"
    display: Literal["full"] | None = "full" if archive else None
    lead = selection.shown[0][0] if selection.shown else ""
    view = partial(_article_view, settings=settings, archive_url=archive_url, translate=translate, display=display)
    shown = [(section, view(content.shown(slug), lead=slug == lead)) for slug, section in selection.shown]
    name = pick(publication.name, language)
    return EditionContext(
        publication=PublicationView(
            name=name,
            tagline=pick(publication.tagline, language),
            sender_name=pick(publication.sender_name, language) or name,
            postal_address=pick(publication.postal_address, language),
            base_url=publication.base_url,
        ),
        number=issue.number,
        period=issue.period,
        issue_date=issue.date,
        language=language,
        subject=pick_own(issue.subject, language) or _default_subject(name, issue.number, shown, translate),
        preheader=pick_own(issue.preheader, language) or _default_preheader(shown),
        intro_html=figures.place(_body_html(pick_own(issue.intro, language), "intro", language), {}, "", translate),
        sections=_sections(shown, settings, language),
        left_out=tuple(_left_out(content, group, language, settings, archive_url) for group in selection.left_out),
        frequency=selection.frequency,
        earlier=tuple(_earlier(one, language, settings) for one in content.earlier.get(selection.frequency, ())),
        archive_url=archive_url,
        untranslated=any(view.language != language for _, view in shown),
    )


def _default_subject(
    name: str, number: int, shown: Sequence[tuple[str, ArticleView]], translate: Callable[[str], str]
) -> str:
    label = translate("%(name)s No. %(number)s") % {"name": name, "number": number}
    return f"{label}: {shown[0][1].title}" if shown else label


def _default_preheader(shown: Sequence[tuple[str, ArticleView]]) -> str:
    """Return the lead's summary, else its first paragraph, shortened to whole sentences, else at a word, never within a
    figure. An article without either is a title alone.
    """
    if not shown:
        return ""
    lead = shown[0][1]
    text = " ".join((lead.summary or first_paragraph(lead.body_html)).split()) or lead.title
    if len(text) <= PREHEADER_CHARACTERS:
        return text
    ends = [end.end() for end in SENTENCE_END.finditer(text) if end.end() <= PREHEADER_CHARACTERS]
    if ends and ends[-1] > PREHEADER_LEAST:
        return text[: ends[-1]]
    return UNFINISHED.sub("", cut_between_words(text, PREHEADER_CHARACTERS)) + "…"


def _sections(shown: Sequence[tuple[str, ArticleView]], settings: Settings, language: str) -> tuple[SectionView, ...]:
    titles = {section.slug: pick(section.title, language) for section in settings.section}
    return tuple(
        SectionView(slug, titles.get(slug, slug), tuple(view for _, view in group))
        for slug, group in groupby(shown, key=lambda pair: pair[0])
    )


def _left_out(content: IssueContent, group: str, language: str, settings: Settings, archive_url: str) -> LeftOutView:
    article = content.titled(group, language)
    titles = {section.slug: pick(section.title, language) for section in settings.section}
    section = content.sections[group]
    return LeftOutView(article.title, f"{archive_url}#{article.group}", titles.get(section, section), article.language)


def _earlier(issue: EarlierIssue, language: str, settings: Settings) -> EarlierIssueView:
    """Return a skipped issue with the titles of its archive page in `language`."""
    url = f"{settings.publication.base_url}/archive/{issue.number}?lang={language}"
    pages = [code for code in (language, settings.publication.language, *issue.titles) if code in issue.titles]
    titles = issue.titles[pages[0]] if pages else ()
    shown = tuple(EarlierTitleView(one.title, f"{url}#{one.group}", one.language) for one in titles[:MOST_TITLES])
    return EarlierIssueView(issue.number, issue.date, url, shown, more=len(titles) - len(shown))


def _article_view(
    article: Article,
    *,
    settings: Settings,
    archive_url: str,
    translate: Callable[[str], str],
    display: Literal["full", "summary"] | None,
    lead: bool,
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
        display=display or own,
        read_on_url=f"{archive_url}#{article.group}",
        lead=lead,
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
