"""Import of articles, and the archive pages that follow from it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from digest.runtime import db

if TYPE_CHECKING:
    from digest.articles.importing import ArticleImportReport
from digest.app import App


def import_articles(
    works: App, paths: Sequence[str | Path], *, dry_run: bool = False, overwrite: bool = False
) -> "ArticleImportReport":
    """Import files and folders of articles, in one transaction."""
    from digest.articles.importing import import_paths  # noqa: PLC0415
    from digest.articles.intake import KnownSlugs  # noqa: PLC0415
    from digest.publish.archive_notes import renew  # noqa: PLC0415

    settings = works.settings
    topics = [slug for interest in settings.interest for slug in (interest.slug, *interest.was)]
    known = KnownSlugs([section.slug for section in settings.section], topics, settings.publication.language)
    now = works.clock.now()
    with db.session_scope(works.engine) as session:
        report = import_paths(session, paths, known=known, now=now, dry_run=dry_run, overwrite=overwrite)
        if not dry_run and (report.created or report.updated):
            renew(works.press, session, now)  # `archive: false` may stand in one that is published already
        return report
