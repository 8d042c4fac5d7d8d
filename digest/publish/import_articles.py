"""Import of articles, with the archive pages that follow from it."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlmodel import Session

from digest.articles import store
from digest.articles.importing import ArticleImportReport, import_paths
from digest.articles.problems import Problem
from digest.publish.archive_notes import renew
from digest.publish.edit_articles import known_slugs
from digest.publish.publisher import Publisher
from digest.publish.remove_articles import remove_article
from digest.runtime.containment import leads_out
from digest.runtime.db import session_scope
from digest.runtime.errors import RefusedError, UsageError


def import_articles(
    publisher: Publisher,
    paths: Sequence[str | Path],
    *,
    now: datetime,
    dry_run: bool = False,
    overwrite: bool = False,
    prune: bool = False,
    encoding: str = "",
) -> ArticleImportReport:
    """Import files and folders of articles, in one transaction; `prune` removes articles whose file is gone.

    Raises UsageError for unusable paths.
    """
    settings = publisher.settings
    if out := next((path for path in paths if leads_out(Path(path), settings.workspace)), None):
        message = f"{out} is a link that points outside the workspace; nothing there was read"
        raise UsageError(message, hint="Put the article files themselves there, or import them from where they are.")
    known = known_slugs(settings)
    with session_scope(publisher.engine) as session:
        report = import_paths(
            session, paths, known=known, now=now, dry_run=dry_run, overwrite=overwrite, encoding=encoding
        )
        if prune:
            _prune(session, report, dry_run=dry_run)
        if not dry_run and (report.created or report.updated):
            renew(publisher, session, now)  # `archive: false` may stand in one that is published already
        return report


def _prune(session: Session, report: ArticleImportReport, *, dry_run: bool) -> None:
    """Remove what is missing, translations before their originals; what an issue carries stays, with a problem."""
    by_slug = {article.slug: article for article in map(partial(store.get, session), report.missing)}
    for slug, article in sorted(by_slug.items(), key=lambda item: item[0] == item[1].group):
        try:
            with session.begin_nested() as attempt:
                remove_article(session, slug)
                if dry_run:
                    attempt.rollback()
        except RefusedError as error:
            report.problems.append(Problem(article.source_path or slug, None, error.message, error.hint))
            continue
        report.removed.append(slug)
        report.missing.remove(slug)
