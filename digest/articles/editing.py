"""Editing of articles in the database: the values of a form, checked as an import checks a file, never overwritten.

Values have the keys of front matter. An editor names the content that was opened by its hash; content that changed
meanwhile is kept, and shown as a difference.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from digest.articles import media, store
from digest.articles.draft import Draft, RawEntry, content_of
from digest.articles.embeds import LoadedImage
from digest.articles.exporting import as_markdown, front_matter
from digest.articles.intake import KnownSlugs, parse_entry
from digest.articles.media import load_pictures
from digest.articles.models import Article, ArticleHistory, Media
from digest.articles.problems import Note, Problem
from digest.articles.translations import Groups
from digest.runtime.errors import ContentError, NotFoundError, RefusedError

NEW = "new-article"
"""Names an article that has no slug yet, in messages."""
BODY_LINE = 100_000
_UPLOADED = re.compile(r"images/([0-9a-f]{16})\.(?:jpg|png|gif)")
_PLACES = {"image": "images", "video": "videos"}


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """A problem with the field `key` of a form, such as `title` or `images.0.alt`; `is_note` refuses nothing."""

    key: str
    line: int | None
    message: str
    hint: str
    is_note: bool


@dataclass(frozen=True, slots=True)
class CheckedArticle:
    """Values after the checks: a draft if they can be stored, else the problems."""

    draft: Draft | None
    group: str
    pictures: Mapping[str, LoadedImage]
    problems: Sequence[FieldProblem]


class ChangedMeanwhileError(RefusedError):
    """Somebody else changed the article meanwhile; `difference` leads from their text to the one that was refused."""

    def __init__(self, article: Article, difference: str) -> None:
        super().__init__(f"{article.title} was changed by someone else after you opened it")
        self.hash, self.difference, self.changed_at = article.content_hash, difference, article.updated_at


def values_of(article: Article) -> dict[str, object]:
    """Return an article's content with the keys of front matter, as a form shows it."""
    return from_content(article.slug, content_of(article, group=article.group))


def from_content(slug: str, content: Mapping[str, Any]) -> dict[str, object]:
    """Return stored content with the keys of front matter."""
    values = front_matter(slug, content)
    for single, many in _PLACES.items():
        one = values.pop(single, None)
        values[many] = [one] if one else values.get(many) or []
    return {**values, "body": content["body"]}


def keep_upload(session: Session, content: bytes, name: str, now: datetime) -> str:
    """Store an uploaded picture; return the path that an article names it by. Raises ContentError."""
    if len(content) > media.MAX_BYTES:
        message = f"The picture {name} has {len(content):,} bytes; the limit is {media.MAX_BYTES:,}."
        raise ContentError(message, hint="Make it smaller: a width of 1,200 pixels is enough for any mail.")
    picture = media.read_image(content, name)
    store.keep_media(session, picture, now=now)
    return f"images/{picture.hash[:16]}.{picture.extension}"


def check(
    session: Session,
    values: Mapping[str, Any],
    known: KnownSlugs,
    folder: Path,
    article: Article | None = None,
    *,
    pictures: Sequence[Mapping[str, Any]] = (),
) -> CheckedArticle:
    """Check values, of `article` if it exists.

    Pictures are the article's, those of `pictures` as stored, uploaded ones, or files in `folder`.
    """
    lines = dict(_lines(values))
    entry = RawEntry(article.slug if article else NEW, values, lines, None, folder, folder)
    draft, found = parse_entry(entry, known)
    problems, group, files = list(found), "", dict[str, LoadedImage]()
    if draft is not None:
        stored = [*pictures, *([*article.images, *article.videos] if article else [])]
        load = _Pictures(session, {one.get("src") or one.get("poster"): one.get("hash") for one in stored})
        loaded, files, more = load_pictures(entry, draft, load.image, load.file)
        problems += more
        draft = loaded
    if draft is not None:
        other = store.find(session, draft.slug)
        if other is not None and (article is None or other.id != article.id):
            message = f"The slug {draft.slug} is already used by “{other.title}”."
            problems.append(Problem(entry.path, lines.get("slug"), message, "Use a different title or slug."))
            draft = None
    if draft is not None:
        try:
            group = Groups(session, {draft.slug: draft}, {}).of(draft)
        except ContentError as error:
            problems.append(Problem(entry.path, lines.get("translation_of"), error.message, error.hint))
            draft = None
    keys = {line: key for key, line in lines.items()}
    return CheckedArticle(draft, group, files, [_of_field(one, keys) for one in dict.fromkeys(problems)])


def save(
    session: Session, checked: CheckedArticle, *, article: Article | None, base: str, now: datetime
) -> tuple[Article, bool]:
    """Store checked values; return the article and whether anything changed. The caller commits.

    `base` is the hash of the content that was opened. Raises ChangedMeanwhileError.
    """
    draft = checked.draft
    assert draft is not None  # noqa: S101 - the caller shows the problems instead
    for picture in checked.pictures.values():
        store.keep_media(session, picture, now=now)
    if article is None:
        return store.create(session, draft, group=checked.group, now=now), True
    session.refresh(article, with_for_update=True)
    if article.content_hash != base:
        raise ChangedMeanwhileError(article, difference(article, content_of(draft, group=checked.group)))
    return article, store.revise(session, article, draft, group=checked.group, now=now)


def difference(article: Article, content: Mapping[str, Any]) -> str:
    """Return the difference from an article's text to another content of it."""
    here = as_markdown(article.slug, content_of(article, group=article.group)).splitlines()
    there = as_markdown(article.slug, content).splitlines()
    return "\n".join(list(difflib.unified_diff(here, there, lineterm=""))[2:])


def history(session: Session, article: Article) -> Sequence[ArticleHistory]:
    """Return what the article said before each change, the newest first."""
    query = select(ArticleHistory).where(ArticleHistory.article_id == article.id)
    return session.exec(query.order_by(col(ArticleHistory.id).desc())).all()


def version(session: Session, article: Article, version_id: int) -> ArticleHistory:
    """Return one of an article's earlier texts. Raises NotFoundError."""
    found = session.get(ArticleHistory, version_id)
    if found is None or found.article_id != article.id:
        raise NotFoundError(f"{article.slug} has no version {version_id}", hint="Choose one from its history.")
    return found


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Loads the pictures that an edited article names."""

    session: Session
    hashes: Mapping[str | None, str | None]

    def image(self, root: Path, folder: Path, src: str) -> LoadedImage:
        """Return a stored picture, else one from the articles' folder. Raises ContentError."""
        stored = self._stored(src)
        return media.read_image(stored.content, src) if stored else media.load_image(root, folder, src)

    def file(self, root: Path, folder: Path, src: str) -> LoadedImage:
        """Return a stored file to download, else one from the articles' folder. Raises ContentError."""
        stored = self._stored(src)
        return LoadedImage.of(stored.content, stored.extension) if stored else media.load_file(root, folder, src)

    def _stored(self, src: str) -> Media | None:
        if named := self.hashes.get(src):
            return self.session.get(Media, named)
        uploaded = _UPLOADED.fullmatch(src)
        if uploaded is None:
            return None
        return self.session.exec(select(Media).where(col(Media.hash).startswith(uploaded[1]))).first()


def _lines(values: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return a number for each field, which the checks take for its line; a body has numbers of its own."""
    places = [key for key in values if key != "body"]
    for key in ("images", "videos"):
        places += [f"{key}.{index}.{name}" for index, one in enumerate(values.get(key) or ()) for name in one]
    places += [f"citation.{name}" for name in values.get("citation") or ()]
    return [*((place, number) for number, place in enumerate(places, 1)), ("body", BODY_LINE)]


def _of_field(problem: Problem, keys: Mapping[int, str]) -> FieldProblem:
    line = problem.line or 0
    key, at = ("body", line - BODY_LINE + 1) if line >= BODY_LINE else (keys.get(line, ""), None)
    return FieldProblem(key, at, problem.message, problem.hint, isinstance(problem, Note))
