"""Articles at the desk: the list, the editor, their history. No one overwrites another's text unseen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from sqlalchemy import func, or_
from sqlmodel import Session, col, select
from starlette.responses import Response

from digest.accounts import audit
from digest.articles import editing, store, unsaved
from digest.articles.editing import ChangedMeanwhileError, CheckedArticle
from digest.articles.embeds import image_of
from digest.articles.intake import KINDS
from digest.articles.models import Article
from digest.issues.models import Issue, IssueItem
from digest.publish import edit_articles
from digest.publish.remove_articles import remove_article
from digest.runtime.db import session_scope
from digest.runtime.errors import DigestError
from digest.settings.publication import pick
from digest.web.desk.access import EDITORS, MAKERS, DeskForm, DeskRoute, Visiting
from digest.web.desk.article_form import BLANK, by_field, shown, values_from
from digest.web.desk.pages import DeskPages
from digest.web.public.pages import own_name

PAGE = 50
FORM_BYTES = 32 * 1024 * 1024
"""A text of 50,000 Korean words, and four pictures beside it."""


@dataclass(frozen=True, slots=True)
class ArticleRow:
    """An article in the list, with its translations and the issue that carries it."""

    article: Article
    languages: tuple[str, ...]
    missing: tuple[str, ...]
    issue: int | None


class ArticlePages:
    """Handlers of the list and the editor."""

    def __init__(self, pages: DeskPages) -> None:
        self._pages = pages

    def overview(self, visitor: Visiting, q: str = "", section: str = "", page: int = 1, done: str = "") -> Response:
        """List originals, those that were changed last first."""
        settings, page = self._pages.desk.publisher.settings, max(1, min(page, 10_000))
        self._pages.desk.follow()
        query = select(Article).where(Article.slug == Article.group)
        if wanted := q.strip()[:100]:
            like = f"%{wanted.replace('%', '').replace('_', ' ')}%"
            query = query.where(or_(col(Article.title).ilike(like), col(Article.slug).ilike(like)))
        if section:
            query = query.where(Article.section == section)
        query = query.order_by(col(Article.updated_at).desc(), col(Article.slug)).limit(PAGE + 1)
        with session_scope(self._pages.app.engine, read_only=True) as session:
            found = session.exec(query.offset((page - 1) * PAGE)).all()
            rows = self._rows(session, found[:PAGE])
            total = session.exec(select(func.count()).select_from(Article)).one()
        values: dict[str, Any] = {"rows": rows, "total": total, "page": page, "has_more": len(found) > PAGE}
        values |= {
            "q": q,
            "done": done,
            "sections": self._sections(visitor),
            "section": section,
            "zone": settings.publication.zone,
        }
        return self._pages.show(visitor, "desk_articles", troubles=self._pages.desk.troubles(), **values)

    def new(self, visitor: Visiting, translation_of: str = "", language: str = "", unsaved: str = "") -> Response:
        """Show an empty form, or one for a translation beside its original."""
        values = {**BLANK, "lang": language or self._pages.desk.publisher.settings.publication.language}
        if translation_of:
            with session_scope(self._pages.app.engine, read_only=True) as session:
                original = editing.values_of(store.get(session, translation_of))
            same = ("kind", "section", "topics", "date", "images", "videos", "citation", "apply_by", "link", "sources")
            values |= {key: original[key] or BLANK[key] for key in same} | {"translation_of": translation_of}
        return self._form(visitor, "", values, base="", resume=unsaved == "yes")

    def edit(self, visitor: Visiting, slug: str, done: str = "", unsaved: str = "") -> Response:
        """Show an article in its form, or what was typed and not saved."""
        self._pages.desk.follow()
        with session_scope(self._pages.app.engine, read_only=True) as session:
            article = store.get(session, slug)
            values, base = editing.values_of(article), article.content_hash
        return self._form(visitor, slug, values, base=base, resume=unsaved == "yes", done=done)

    def create(self, visitor: Visiting, form: DeskForm) -> Response:
        """Store a new article."""
        return self._save(visitor, "", form)

    def save(self, visitor: Visiting, slug: str, form: DeskForm) -> Response:
        """Store an article; its present text goes to the history."""
        return self._save(visitor, slug, form)

    def remove(self, visitor: Visiting, slug: str, form: DeskForm) -> Response:
        """Remove an article that no issue carries."""
        app = self._pages.app
        if form.one("sure") != "yes":
            return self._pages.back(f"/articles/{slug}")
        with session_scope(app.engine) as session:
            remove_article(session, slug)
            unsaved.discard(session, visitor.actor.who, slug)
            audit.record(session, visitor.actor, "remove article", slug, now=app.clock.now())
        return self._pages.back("/articles", done="removed")

    def history(self, visitor: Visiting, slug: str) -> Response:
        """List what an article said before, each with the difference to what followed."""
        with session_scope(self._pages.app.engine, read_only=True) as session:
            article = store.get(session, slug)
            kept = editing.history(session, article)
            versions = [(one, editing.difference(article, one.content)) for one in kept[:PAGE]]
        zone = self._pages.desk.publisher.settings.publication.zone
        rows = [(one, one.replaced_at.astimezone(zone), text) for one, text in versions]
        return self._pages.show(visitor, "desk_history", article=article, rows=rows, more=len(kept) > PAGE)

    def restore(self, visitor: Visiting, slug: str, form: DeskForm) -> Response:
        """Give an article an earlier text again."""
        app, number = self._pages.app, form.one("version")
        with session_scope(app.engine) as session:
            version = int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else 0
            now, base = app.clock.now(), form.one("base")[:64]
            edit_articles.restore_article(app.publisher, session, slug, version, base=base, now=now)
            audit.record(session, visitor.actor, "restore article", slug, now=now, version=version)
        return self._pages.back(f"/articles/{slug}", done="restored")

    def _save(self, visitor: Visiting, slug: str, form: DeskForm) -> Response:
        app, base, values = self._pages.app, form.one("base")[:64], values_from(form)
        now, alt = app.clock.now(), form.one("upload_alt").strip()
        meanwhile: ChangedMeanwhileError | None = None
        try:
            with session_scope(app.engine) as session:
                for upload in form.files("upload"):
                    src = editing.keep_upload(session, upload.content, upload.name[:100], now)
                    values["images"].append({"src": src, "alt": alt, "caption": "", "credit": ""})
                result = edit_articles.save_article(app.publisher, session, values, slug=slug, base=base, now=now)
                if result.checked.draft is not None:
                    unsaved.discard(session, visitor.actor.who, slug)
                    what = "edit article" if slug else "write article"
                    if result.changed:
                        audit.record(session, visitor.actor, what, result.slug, now=now)
                    return self._pages.back(f"/articles/{result.slug}", done="saved")
                checked: CheckedArticle | None = result.checked
        except ChangedMeanwhileError as error:
            # the form now knows the other's text, and a second save is a decision
            meanwhile, checked, base = error, None, error.hash
        except DigestError as error:
            return self._form(visitor, slug, values, base=base, problem=error)
        return self._form(visitor, slug, values, base=base, checked=checked, meanwhile=meanwhile)

    def _form(
        self,
        visitor: Visiting,
        slug: str,
        values: Mapping[str, Any],
        *,
        base: str,
        checked: CheckedArticle | None = None,
        meanwhile: ChangedMeanwhileError | None = None,
        problem: DigestError | None = None,
        resume: bool = False,
        done: str = "",
    ) -> Response:
        pages, settings = self._pages, self._pages.desk.publisher.settings
        zone, failed = settings.publication.zone, checked or meanwhile or problem
        with session_scope(pages.app.engine, read_only=True) as session:
            kept = unsaved.find(session, visitor.actor.who, slug)
            if kept is not None and resume:
                values, base = kept.content, kept.base_hash
            group = _group(session, slug, str(values.get("translation_of") or ""))
            carried = session.exec(
                select(Issue.number).join(IssueItem).where(IssueItem.group == (group[0].group if group else ""))
            ).first()
        return pages.show(
            visitor,
            "desk_article",
            status=HTTPStatus.CONFLICT if meanwhile or problem else HTTPStatus.BAD_REQUEST if failed else HTTPStatus.OK,
            slug=slug,
            values=shown(values),
            base=base,
            problems=by_field(checked.problems) if checked else {},
            count=sum(not one.is_note for one in checked.problems) if checked else 0,
            meanwhile=meanwhile,
            problem=problem,
            unsaved_at=kept.saved_at.astimezone(zone) if kept and not resume and not failed else None,
            group=group,
            pictures={
                one.src: f"{pages.desk.media}{one.file.hash}.{one.file.extension}"
                for article in group
                for one in map(image_of, article.images)
                if one.file
            },
            carried=carried,
            untranslated=[
                (code, own_name(code)) for code in settings.languages if code not in {one.language for one in group}
            ],
            languages=[(code, own_name(code)) for code in settings.languages],
            sections=self._sections(visitor),
            interests=[(one.slug, pick(one.title, visitor.language)) for one in settings.interest],
            kinds=KINDS,
            done=done,
        )

    def _sections(self, visitor: Visiting) -> list[tuple[str, str]]:
        sections = self._pages.desk.publisher.settings.section
        return [(section.slug, pick(section.title, visitor.language)) for section in sections]

    def _rows(self, session: Session, originals: Sequence[Article]) -> list[ArticleRow]:
        groups = [article.slug for article in originals]
        texts = session.exec(select(Article.group, Article.language).where(col(Article.group).in_(groups))).all()
        carried = dict(
            session.exec(
                select(IssueItem.group, Issue.number).join(Issue).where(col(IssueItem.group).in_(groups))
            ).all()
        )
        known = self._pages.desk.publisher.settings.languages
        rows = []
        for article in originals:
            languages = tuple(sorted(language for group, language in texts if group == article.slug))
            missing = tuple(code for code in known if code not in languages)
            rows.append(ArticleRow(article, languages, missing, carried.get(article.slug)))
        return rows


def _group(session: Session, slug: str, translation_of: str) -> list[Article]:
    """Return an article and its translations, the original first; for a new translation those that there are."""
    article = store.find(session, slug or translation_of)
    if article is None:
        return []
    found = session.exec(select(Article).where(Article.group == article.group)).all()
    return sorted(found, key=lambda one: (one.slug != one.group, one.language))


def routes(pages: DeskPages) -> list[DeskRoute]:
    """Return the routes of articles."""
    own = ArticlePages(pages)
    return [
        DeskRoute("GET", "/articles", own.overview, MAKERS),
        DeskRoute("GET", "/articles/new", own.new, EDITORS),
        DeskRoute("POST", "/articles/new", own.create, EDITORS, FORM_BYTES),
        DeskRoute("GET", "/articles/{slug}", own.edit, MAKERS),
        DeskRoute("POST", "/articles/{slug}", own.save, EDITORS, FORM_BYTES),
        DeskRoute("POST", "/articles/{slug}/remove", own.remove, EDITORS),
        DeskRoute("GET", "/articles/{slug}/history", own.history, MAKERS),
        DeskRoute("POST", "/articles/{slug}/restore", own.restore, EDITORS),
    ]
