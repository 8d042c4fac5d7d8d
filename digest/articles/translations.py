"""Groups of translations, named by the slug of the original; files may name it by its file."""

import posixpath
from collections.abc import Mapping

from sqlmodel import Session, col, select

from digest.articles.draft import Draft
from digest.articles.models import Article
from digest.articles.problems import nearest
from digest.runtime.errors import ContentError


class Groups:
    """Resolves the original of a translation, in this import or in the database."""

    def __init__(
        self, session: Session, drafts: Mapping[str, Draft], sources: Mapping[str, str | None] | None = None
    ) -> None:
        self._drafts = drafts
        query = select(Article.slug, Article.group, Article.language, Article.source_path)
        rows = session.exec(query.order_by(col(Article.slug))).all()
        self._stored = {slug: group for slug, group, *_ in rows}
        self._taken = {(group, language): slug for slug, group, language, _ in rows if slug not in drafts}
        self._sources = {**{slug: source for slug, *_, source in rows}, **(sources or {})}

    def of(self, draft: Draft) -> str:
        """Return the slug of the original, or the draft's own for an original. Raises ContentError."""
        group, seen = draft.slug, {draft.slug}
        wanted = self._named(draft)
        while wanted is not None:
            if wanted in seen:
                hint = "Name the original article."
                raise ContentError(f"{draft.slug} is, directly or indirectly, a translation of itself.", hint=hint)
            seen.add(wanted)
            if wanted in self._drafts:
                group, wanted = wanted, self._named(self._drafts[wanted])
            elif wanted in self._stored:
                group, wanted = self._stored[wanted], None
            else:
                hint = nearest(wanted, {*self._drafts, *self._stored} - {draft.slug})
                raise ContentError(f"{wanted}, the original of this translation, does not exist.", hint=hint)
        other = self._taken.setdefault((group, draft.language), draft.slug)
        if other != draft.slug:
            hint = "Correct lang: or translation_of:, or remove one of them."
            raise ContentError(f"{group} already has a text in {draft.language}: {other}.", hint=hint)
        return group

    def _named(self, draft: Draft) -> str | None:
        """Return the slug that `translation_of` names; a file is named from the translation's folder or above."""
        wanted = draft.translation_of
        if wanted is None or wanted in self._drafts or wanted in self._stored:
            return wanted
        folder = posixpath.dirname(self._sources.get(draft.slug) or "")
        name = posixpath.normpath(wanted).removesuffix(".md")
        files = {str(source).removesuffix(".md"): slug for slug, source in self._sources.items() if source}
        beside = files.get(posixpath.normpath(posixpath.join(folder, name)))
        # A file that was imported alone is known by its name without the folder.
        alike = [slug for path, slug in files.items() if f"/{path}".endswith(f"/{name}")]
        return beside or (alike[0] if len(alike) == 1 else wanted)
