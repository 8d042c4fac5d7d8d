"""Import of articles: three-way merge of files with the database, which overwrites no change.

| database since the last import | file since the last import | then |
|---|---|---|
| same | same | unchanged |
| same | changed | updated, the old content goes to the history |
| changed | same | kept |
| changed | changed | conflict, shown as a diff (unchanged if both are the same) |
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from pathlib import Path

from sqlalchemy.exc import DataError, IntegrityError
from sqlmodel import Session, col, select

from digest.articles import media, store
from digest.articles.draft import Draft, RawEntry, content_hash, content_of
from digest.articles.embeds import LoadedImage
from digest.articles.exporting import as_markdown
from digest.articles.file_formats import read_paths
from digest.articles.intake import KnownSlugs, parse_entry
from digest.articles.media import LoadImage, load_pictures
from digest.articles.models import Article
from digest.articles.problems import Note, Problem
from digest.articles.translations import Groups
from digest.runtime.errors import ContentError


@dataclass(frozen=True, slots=True)
class Conflict:
    """An article that changed in the file and in the database; `diff` leads from the database's text to the file's."""

    slug: str
    path: str
    diff: str


class _Outcome(Enum):
    CREATED = auto()
    UPDATED = auto()
    UNCHANGED = auto()
    KEPT = auto()
    """The file is unchanged since the import; the database's text was edited and stays."""
    CONFLICT = auto()


@dataclass(slots=True)
class ArticleImportReport:
    """Result of an import, or of a dry run; slugs in the order of reading."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Articles whose files are no longer in the imported folder."""
    removed: list[str] = field(default_factory=list)

    def add(self, outcome: _Outcome, slug: str) -> None:
        """Add an article by its outcome, unless it is a conflict, which has a list of its own."""
        lists = {_Outcome.CREATED: self.created, _Outcome.UPDATED: self.updated, _Outcome.KEPT: self.kept}
        lists.get(outcome, self.unchanged).append(slug)

    @property
    def needs_a_person(self) -> bool:
        """Whether something was left undone (exit code 1)."""
        return bool(self.conflicts or self.problems)


def import_paths(
    session: Session,
    paths: Sequence[str | Path],
    *,
    known: KnownSlugs,
    now: datetime,
    load_image: LoadImage = media.load_image,
    dry_run: bool = False,
    overwrite: bool = False,
    encoding: str = "",
) -> ArticleImportReport:
    """Import files and folders of articles; return what happened to each. The caller commits.

    A bad article does not stop others. `overwrite` resolves conflicts in favour of the file, with the database's text
    in the history. `dry_run` writes nothing. Raises UsageError for unusable paths.
    """
    # Everything slow comes before the first query: on SQLite that begins a transaction that no other may write beside.
    gathered = _gather(read_paths(paths, encoding), known, load_image)
    report = ArticleImportReport(problems=gathered.problems, notes=gathered.notes)
    groups = Groups(session, gathered.drafts, gathered.sources)
    for slug, draft in gathered.drafts.items():
        try:
            group = groups.of(draft)
        except ContentError as error:
            report.problems.append(Problem(draft.path, draft.line, error.message, error.hint))
            continue
        article = store.find(session, slug)
        outcome = _judge(article, draft, group)
        if outcome is _Outcome.CONFLICT and article is not None:
            if not overwrite:
                report.conflicts.append(Conflict(slug, draft.path, _difference(article, draft, group)))
                continue
            outcome = _Outcome.UPDATED
        if not dry_run:
            try:
                with session.begin_nested():
                    if outcome is not _Outcome.KEPT:
                        _put(session, article, draft, group=group, gathered=gathered, now=now)
            except (IntegrityError, DataError) as error:
                hint = "Import again; another process may have stored it at the same time."
                report.problems.append(Problem(draft.path, draft.line, f"{slug} was not stored: {error.orig}.", hint))
                continue
        report.add(outcome, slug)
    report.missing = _missing(session, [Path(path) for path in paths if Path(path).is_dir()], gathered)
    return report


def _missing(session: Session, folders: Sequence[Path], gathered: "_Gathered") -> list[str]:
    """Return the slugs of articles whose files are gone; none where most came from another folder than these."""
    query = select(Article.slug, Article.source_path).where(col(Article.source_path).is_not(None))
    sources = dict(session.exec(query.order_by(col(Article.slug))).all()) if folders else {}
    gone = [
        slug
        for slug, source in sources.items()
        if slug not in gathered.drafts and not any((folder / str(source)).exists() for folder in folders)
    ]
    return gone if 2 * len(gone) <= len(sources) else []


@dataclass(slots=True)
class _Gathered:
    drafts: dict[str, Draft] = field(default_factory=dict)
    sources: dict[str, str | None] = field(default_factory=dict)
    pictures: dict[str, LoadedImage] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def tell(self, found: Iterable[Problem]) -> None:
        """Keep problems, and notes apart from them."""
        for one in found:
            (self.notes if isinstance(one, Note) else self.problems).append(one)


def _gather(entries: Iterable[RawEntry | Problem], known: KnownSlugs, load_image: LoadImage) -> _Gathered:
    gathered = _Gathered()
    first: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry, Problem):
            gathered.tell([entry])
            continue
        draft, problems = parse_entry(entry, known)
        gathered.tell(problems)
        if draft is None:
            continue
        if draft.slug in first:
            message = f"The slug {draft.slug} is already used by {first[draft.slug]}."
            gathered.problems.append(
                Problem(draft.path, entry.lines.get("slug", draft.line), message, "Use a different slug.")
            )
            # Neither is imported.
            gathered.drafts.pop(draft.slug, None)
            continue
        first[draft.slug] = draft.path
        loaded, pictures, problems = load_pictures(entry, draft, load_image)
        gathered.tell(problems)
        if loaded is not None:
            gathered.drafts[draft.slug] = loaded
            gathered.pictures.update(pictures)
            gathered.sources[draft.slug] = entry.source
    return gathered


def _judge(article: Article | None, draft: Draft, group: str) -> _Outcome:
    if article is None:
        return _Outcome.CREATED
    incoming = content_hash(content_of(draft, group=group))
    if incoming == article.content_hash:
        return _Outcome.UNCHANGED
    if incoming == article.imported_hash:
        return _Outcome.KEPT
    return _Outcome.UPDATED if article.content_hash == article.imported_hash else _Outcome.CONFLICT


def _put(
    session: Session, article: Article | None, draft: Draft, *, group: str, gathered: _Gathered, now: datetime
) -> None:
    files = [file for image in draft.images for file in (image.file, image.shown, image.thumbnail)]
    files += [file for video in draft.videos for file in (video.file, video.shown, video.thumbnail)]
    for file in filter(None, files):
        store.keep_media(session, gathered.pictures[file.hash], now=now)
    if article is None:
        article = store.create(session, draft, group=group, now=now)
    else:
        store.revise(session, article, draft, group=group, now=now)
    article.imported_hash = article.content_hash
    article.source_path = gathered.sources[draft.slug]
    session.add(article)
    session.flush()


def _difference(article: Article, draft: Draft, group: str) -> str:
    here = as_markdown(article.slug, content_of(article, group=article.group)).splitlines(keepends=True)
    there = as_markdown(draft.slug, content_of(draft, group=group)).splitlines(keepends=True)
    return "".join(difflib.unified_diff(here, there, f"{article.slug} in the database", draft.path))
