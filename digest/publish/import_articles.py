"""Import of articles, with the archive pages that follow from it."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from digest.articles.importing import ArticleImportReport, import_paths
from digest.articles.intake import KnownSlugs
from digest.publish.archive_notes import renew
from digest.publish.publisher import Publisher
from digest.runtime.containment import leads_out
from digest.runtime.db import session_scope
from digest.runtime.errors import UsageError


def import_articles(
    publisher: Publisher, paths: Sequence[str | Path], *, now: datetime, dry_run: bool = False, overwrite: bool = False
) -> ArticleImportReport:
    """Import files and folders of articles, in one transaction. Raises UsageError for unusable paths."""
    settings = publisher.settings
    if out := next((path for path in paths if leads_out(Path(path), settings.workspace)), None):
        message = f"{out} leads out of the workspace by a link, and nothing there was read"
        raise UsageError(message, hint="Put the articles themselves there, or import where they lie.")
    topics = [slug for interest in settings.interest for slug in (interest.slug, *interest.was)]
    known = KnownSlugs([section.slug for section in settings.section], topics, settings.publication.language)
    with session_scope(publisher.engine) as session:
        report = import_paths(session, paths, known=known, now=now, dry_run=dry_run, overwrite=overwrite)
        if not dry_run and (report.created or report.updated):
            renew(publisher, session, now)  # `archive: false` may stand in one that is published already
        return report
