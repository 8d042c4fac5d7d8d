"""Checks of an issue's articles and texts, whatever edition shows them; each names its file and line."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from digest.articles.body import render_body
from digest.articles.characters import clean
from digest.articles.embeds import ArticleImage, ArticleVideo, image_of, video_of
from digest.articles.models import Article
from digest.articles.placeholders import is_starter, placeholders
from digest.publish.publisher import Publisher
from digest.render.checks import Finding, Severity
from digest.render.checks.addresses import is_shortened, tracking_marks
from digest.render.content import IssueContent
from digest.runtime.containment import is_within
from digest.runtime.text import count_of, words_only

_PICTURE_NAME = re.compile(
    r".*\.(?:jpe?g|png|gif|webp|svg|bmp|tiff?|heic|avif|pdf)"
    r"|(?:img|dsc[nf]?|dcim|pxl|photo|image|picture|screen ?shot|untitled|kakaotalk"
    r"|사진|이미지|그림|스크린샷|캡처)?[ _()\d.-]*",
    re.IGNORECASE,
)
_ALT_REMEDY = "Describe in `alt` what the picture shows; many readers hear it instead."


def content_findings(publisher: Publisher, content: IssueContent) -> list[Finding]:
    """Return the findings on the issue's texts and on each of its articles."""
    files = ArticleFiles(publisher.settings.workspace)
    articles = [
        article
        for by_language in content.articles.values()
        for language, article in by_language.items()
        if language in publisher.rules.languages or article.slug == article.group
    ]
    found = [*_unplaced(publisher, content), *_issue_texts(content), *_repeated_titles(articles, files)]
    for article in articles:
        found += [*_unwritten(article, content, files), *_of_article(article, content, files)]
    return list(dict.fromkeys(found))


class ArticleFiles:
    """The files that articles were imported from, to name the line of what a finding quotes."""

    def __init__(self, workspace: Path) -> None:
        self._roots = (workspace / "articles", workspace)
        self._read = cache(_read)

    def place(self, article: Article, *quotes: str) -> str:
        """Return `articles/first.md:7`, the line of the first quote that stands there; without a file its name."""
        path = article.source_path or ""
        file = next((r / path for r in self._roots if path and is_within(r / path, r) and (r / path).is_file()), None)
        if file is None:
            return path or article.slug
        shown, lines = file.relative_to(self._roots[1]).as_posix(), self._read(file)
        found = (at for q in quotes if q for at, line in enumerate(lines, 1) if q.split("\n")[0] in line)
        line = next(found, None)
        return shown if line is None else f"{shown}:{line}"


def _read(file: Path) -> list[str]:
    return clean(file.read_text("utf-8", errors="replace")).split("\n")


def _unplaced(publisher: Publisher, content: IssueContent) -> Iterator[Finding]:
    known = {section.slug for section in publisher.settings.section}
    for slug in sorted(set(content.sections.values()) - known):
        remedy = f"Put [[section]] slug = {slug!r} back into digest.toml, or assemble the issue again."
        message = f"The publication no longer has a section {slug!r}, but the issue has articles in it"
        yield Finding("section-unknown", Severity.BLOCK, "issue", message, remedy)
    for group, by_language in content.articles.items():
        if publisher.rules.omit_untranslated and not set(by_language) & set(publisher.rules.languages):
            remedy = "Remove it (digest issue edit --drop), translate it, or publish in its language."
            message = f"{group} is in no edition: it exists in {', '.join(sorted(by_language))} only"
            yield Finding("article-in-no-edition", Severity.BLOCK, "issue", message, remedy)


def untranslated(publisher: Publisher, content: IssueContent, languages: Sequence[str]) -> Iterator[Finding]:
    """Name for each language of editions the articles that do not exist in it."""
    fate = "leave them out" if publisher.rules.omit_untranslated else "show them in their original language"
    for language in languages:
        lacking = [group for group, by_language in content.articles.items() if language not in by_language]
        if lacking:
            verb = "is" if len(lacking) == 1 else "are"
            count = f"{len(lacking)} of {count_of(len(content.articles), 'article')} {verb}"
            message = f"{count} not in {language}; editions in {language} {fate}: {', '.join(lacking)}"
            remedy = (
                f"Write `language: {language}` and `translation_of: {lacking[0]}` in the front matter of a translation."
            )
            yield Finding("article-untranslated", Severity.ADVISE, "issue", message, remedy)


def _issue_texts(content: IssueContent) -> Iterator[Finding]:
    issue = content.issue
    texts: Mapping[str, Mapping[str, str]] = {
        "subject": issue.subject,
        "preheader": issue.preheader,
        "intro": issue.intro,
    }
    for name, by_language in texts.items():
        for language, text in by_language.items():
            place = name if language == "*" else f"{name}, {language}"
            for quote in placeholders(text):
                yield _placeholder(quote, place)
            if name == "intro":
                for address in render_body(text, article_key="intro", language=language).links:
                    yield from _address(address, place)


def _repeated_titles(articles: Sequence[Article], files: ArticleFiles) -> Iterator[Finding]:
    first: dict[tuple[str, str], Article] = {}
    for article in articles:
        key = (article.language, words_only(article.title))
        other = first.setdefault(key, article)
        if other is not article:
            message = f"“{article.title}” is also the title of {other.slug}"
            remedy = "Use different titles, or remove one: `digest issue edit --drop SLUG`."
            yield Finding("title-repeated", Severity.ADVISE, files.place(article, article.title), message, remedy)


def _unwritten(article: Article, content: IssueContent, files: ArticleFiles) -> Iterator[Finding]:
    if content.issue.corrects is not None and not article.body.strip():
        message = f"{article.slug} does not say yet what was wrong and what is right"
        remedy = "Write the text of the correction."
        yield Finding("correction-unwritten", Severity.BLOCK, files.place(article, article.title), message, remedy)


def _of_article(article: Article, content: IssueContent, files: ArticleFiles) -> Iterator[Finding]:
    if is_starter(article.summary, article.body):
        message = f"{article.slug} is the example article from `digest init`"
        remedy = f"Remove it: `digest issue edit {content.issue.number} --drop {article.group}`, or rewrite it."
        yield Finding("article-placeholder", Severity.BLOCK, files.place(article, article.title), message, remedy)
    if article.apply_by and article.apply_by < content.issue.date:
        place = files.place(article, "apply_by", article.apply_by.isoformat())
        message = (
            f"Applications for {article.slug} close on {article.apply_by}, but the issue is dated {content.issue.date}"
        )
        yield Finding("apply-by-past", Severity.ADVISE, place, message, "Remove the article, or correct `apply_by`.")
    body = render_body(article.body, article_key=article.group, language=article.language)
    images = [one for one in map(image_of, article.images) if one.use != "file"]
    videos = [video_of(one) for one in article.videos]
    if not (body.text or article.summary.strip() or images or videos or article.citation or article.link):
        place, message = files.place(article, article.title), f"{article.slug} contains only a title"
        yield Finding("article-title-only", Severity.ADVISE, place, message, "Add text or a summary.")
    for text in _texts(article, images, videos):
        for quote in placeholders(text):
            yield _placeholder(quote, files.place(article, quote))
    for alt, path in [*((one.alt, one.path) for one in images), *((one.alt, one.path) for one in videos if one.file)]:
        if is_file_name(alt, path):
            message = f"The alternative text of the picture {path} is a file name: “{alt}”"
            yield Finding("image-alt-name", Severity.ADVISE, files.place(article, alt, path), message, _ALT_REMEDY)
    for address in dict.fromkeys((*body.links, article.link or "", *(video.url for video in videos))):
        for finding in _address(address, ""):
            yield replace(finding, where=files.place(article, address, address.partition("://")[2]))


def _texts(article: Article, images: Sequence[ArticleImage], videos: Sequence[ArticleVideo]) -> Iterator[str]:
    yield from (article.title, article.summary, article.body, article.link or "", *article.sources)
    for image in images:
        yield from (image.alt, image.caption, image.credit)
    for video in videos:
        yield from (video.title, video.summary, video.alt)


def is_file_name(alt: str, path: str) -> bool:
    """Return whether a text for a picture only names a file, as a camera or `path` does."""
    alt = alt.strip()
    name = path.rpartition("/")[2]
    return bool(alt) and (alt in {path, name, name.rpartition(".")[0]} or _PICTURE_NAME.fullmatch(alt) is not None)


def _placeholder(quote: str, place: str) -> Finding:
    message = f"{quote} looks like a placeholder, and readers would see it as it is"
    return Finding(
        "placeholder", Severity.ADVISE, place, message, "It is not filled in: write what readers should see."
    )


def _address(address: str, place: str) -> Iterator[Finding]:
    if is_shortened(address):
        message = f"{address} hides its destination; spam filters distrust it, and the service counts readers"
        yield Finding("link-shortened", Severity.ADVISE, place, message, "Link directly to the page.")
    if marks := tracking_marks(address):
        message = f"{address} contains {', '.join(marks)}, which tracks where visitors come from"
        yield Finding("link-tracking", Severity.ADVISE, place, message, "Remove these parameters from the address.")
