"""Groups of translations, named by the slug of the original."""

from sqlmodel import Session, select

from digest.articles.draft import Draft
from digest.articles.models import Article
from digest.articles.problems import nearest
from digest.runtime.errors import ContentError


class Groups:
    """Resolves the original of a translation, in this import or in the database."""

    def __init__(self, session: Session, drafts: dict[str, Draft]) -> None:
        self._drafts = drafts
        rows = session.exec(select(Article.slug, Article.group, Article.language)).all()
        self._stored = {slug: group for slug, group, _ in rows}
        self._taken = {(group, language): slug for slug, group, language in rows if slug not in drafts}

    def of(self, draft: Draft) -> str:
        """Return the slug of the original, or the draft's own for an original. Raises ContentError."""
        group, seen = draft.slug, {draft.slug}
        wanted = draft.translation_of
        while wanted is not None:
            if wanted in seen:
                hint = "Name the article that was written first."
                raise ContentError(f"{draft.slug} is in the end called a translation of itself.", hint=hint)
            seen.add(wanted)
            if wanted in self._drafts:
                group, wanted = wanted, self._drafts[wanted].translation_of
            elif wanted in self._stored:
                group, wanted = self._stored[wanted], None
            else:
                hint = nearest(wanted, {*self._drafts, *self._stored} - {draft.slug})
                raise ContentError(f"{wanted}, which this translates, does not exist.", hint=hint)
        other = self._taken.setdefault((group, draft.language), draft.slug)
        if other != draft.slug:
            hint = "Correct lang: or translation_of:, or remove one of them."
            raise ContentError(f"{group} has a text in {draft.language} already: {other}.", hint=hint)
        return group
