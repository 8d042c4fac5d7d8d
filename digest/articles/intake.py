"""Validation of raw entries into drafts, with a Problem for every mistake; pictures are loaded later. Pure."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

from digest.articles.body import render_body
from digest.articles.characters import clean
from digest.articles.dates import DATE_HINT, parse_day, parse_span, without_time
from digest.articles.draft import MAX_SLUG, Draft, RawEntry
from digest.articles.embeds import ArticleImage, ArticleVideo, Citation
from digest.articles.fields import Fields
from digest.articles.frontmatter import UnreadableError, read_markdown
from digest.articles.markdown.emphasis import joins
from digest.articles.models import Kind
from digest.articles.placeholders import MERGE_TAG
from digest.articles.problems import Note, Problem, nearest
from digest.articles.slugs import is_slug, slug_of
from digest.runtime.errors import ContentError
from digest.runtime.text import is_spaced

KEYS = (
    *("title", "slug", "summary", "section", "topics", "kind", "date", "sources", "link", "image", "images", "video"),
    *("videos", "citation", "pin", "weight", "display", "lang", "translation_of", "apply_by", "archive"),
    "body",
)
"""Keys of front matter, in the order of export; `body` only in CSV and JSON."""
FOREIGN_KEYS = {"tags": "topics", "author": "sources", "authors": "sources"}
"""Keys of other programs (Hugo, Jekyll), and ours that they stand for."""
IMAGE_KEYS = ("src", "alt", "caption", "credit")
VIDEO_KEYS = ("title", "summary", "url", "poster", "alt")
CITATION_KEYS = ("authors", "journal", "volume", "number", "date", "pages", "contact")
KINDS = tuple(kind.value for kind in Kind)

MAX_TITLE = 300
MAX_SUMMARY = 2_000
_MAX_WEIGHT = 10_000
# The needed part of BCP 47: a language, perhaps a script and a region.
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?")
_BLANK_LINES = re.compile(r"\A(?:[ \t]*\n)+")
_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>|&(?:[A-Za-z]+|#\d+);|\*\*[^*]+\*\*|\[[^\]]+\]\([^)]*\)")
_ALT_HINT = 'Describe what it shows. Use alt: "" only for decoration.'


@dataclass(frozen=True, slots=True)
class KnownSlugs:
    """Slugs of the publication's sections and topics, and its default language."""

    sections: Collection[str]
    topics: Collection[str]
    language: str


def parse_markdown(content: bytes, path: str, known: KnownSlugs) -> tuple[Draft | None, tuple[Problem, ...]]:
    """Return the article in a Markdown file, or None and the problems; `path` is for messages."""
    try:
        entry = read_markdown(content, path)
    except UnreadableError as error:
        return None, (error.problem, *remarks_on(error.body, path, error.body_line))
    return parse_entry(entry, known)


def parse_entry(entry: RawEntry, known: KnownSlugs) -> tuple[Draft | None, tuple[Problem, ...]]:
    """Return the draft of an entry with the notes on it, or None and all problems, in the order of lines."""
    fields = Fields(entry)
    if fields.has("draft") and fields.flag("draft") and not fields.problems:
        hint = "Remove draft: true when it is ready."
        return None, (Note(entry.path, fields.line("draft"), "The article is a draft and was not imported.", hint),)
    title = fields.text("title", limit=MAX_TITLE)
    if not fields.problems and not any(character.isalnum() for character in title):
        fields.note(
            "title", "The article has no title that contains a letter or digit.", "Add title: to the front matter."
        )
    fields.only((*KEYS, *FOREIGN_KEYS, "draft"))
    fields.rename(FOREIGN_KEYS)
    starts_on, ends_on, date_text = _dates(fields)
    language = _language(fields, known.language)
    draft = Draft(
        path=entry.path,
        line=entry.line,
        slug=_slug_given(fields) or slug_of(title),
        title=title,
        language=language,
        summary=_folded(fields.text("summary", limit=MAX_SUMMARY), language),
        body=_BLANK_LINES.sub("", clean(fields.raw("body"))).rstrip(),
        kind=fields.choice("kind", KINDS, what="kind") or Kind.STORY.value,
        section=fields.choice("section", known.sections, what="section") or None,
        topics=_topics(fields, known.topics),
        starts_on=starts_on,
        ends_on=ends_on,
        date_text=date_text,
        sources=fields.texts("sources"),
        link=fields.address("link") or None,
        images=tuple(map(_image, _views(fields, "image"))),
        videos=tuple(map(_video, _views(fields, "video"))),
        citation=_citation(fields),
        pin=fields.flag("pin"),
        weight=fields.whole("weight", limit=_MAX_WEIGHT),
        display=fields.choice("display", ("full", "summary"), what="display") or None,
        apply_by=_day(fields, "apply_by"),
        kept_out=fields.has("archive") and not fields.flag("archive"),
        translation_of=fields.text("translation_of") or None,
    )
    _check_together(fields, draft)
    fields.problems += _as_typed(fields, draft)
    fields.problems += remarks_on(draft.body, draft.path, fields.line("body"), draft.slug, draft.language)
    found = tuple(sorted(fields.problems, key=lambda problem: problem.line or 0))
    draft = replace(draft, images=(*draft.images, *_body_files(draft)))
    return (draft if all(isinstance(one, Note) for one in found) else None), found


def _slug_given(fields: Fields) -> str:
    slug = fields.text("slug")
    if slug and not is_slug(slug):
        proposal = slug_of(slug)
        hint = f"Write slug: {proposal}." if proposal else "Use letters."
        rule = f"use lower-case letters, digits and single hyphens, at most {MAX_SLUG} characters"
        fields.note("slug", f"{slug} is not a valid slug: {rule}.", hint)
    return slug


def _language(fields: Fields, default: str) -> str:
    given = fields.text("lang")
    if not given:
        return default
    if not _LANGUAGE.fullmatch(given):
        fields.note("lang", f"{given} is not a language code.", "Use a code such as en, ko or pt-BR.")
        return default
    language, *rest = given.split("-")
    return "-".join([language.lower(), *(part.title() if len(part) == 4 else part.upper() for part in rest)])


def _folded(text: str, language: str) -> str:
    """Return a text of several lines as one, without spaces where its language has none between words."""
    if is_spaced(language):
        return text
    return re.sub(r"(?<=(\S)) (?=(\S))", lambda found: "" if joins(found[1], found[2]) else " ", text)


def _topics(fields: Fields, known: Collection[str]) -> tuple[str, ...]:
    topics = fields.texts("topics")
    for topic in topics:
        if topic not in known:
            fields.note("topics", f"Unknown topic {topic}.", nearest(topic, known))
    return topics


def _dates(fields: Fields) -> tuple[date | None, date | None, str]:
    text = without_time(fields.text("date"))
    if not text:
        return None, None, ""
    try:
        return *parse_span(text), text
    except ValueError:
        fields.note("date", f"{text} is not a date.", DATE_HINT)
        return None, None, text


def _day(fields: Fields, key: str) -> date | None:
    text = without_time(fields.text(key))
    try:
        return parse_day(text) if text else None
    except ValueError:
        fields.note(key, f"{text} is not a day.", "Write it as in 2021-10-15.")
        return None


def _views(fields: Fields, single: str) -> list[Fields]:
    lead = fields.mapping(single)
    return [*([lead] if lead else []), *fields.mappings(f"{single}s")]


def _image(view: Fields) -> ArticleImage:
    view.only(IMAGE_KEYS)
    text = partial(view.text, limit=1_000)
    image = ArticleImage(text("src"), text("alt"), text("caption"), text("credit"))
    if not image.src:
        view.note("src", "The image has no src.", "Set src: to the path of the picture file.")
    if not view.has("alt"):
        view.note("alt", f"The image {image.src} has no alt.", _ALT_HINT)
    return image


def _video(view: Fields) -> ArticleVideo:
    view.only(VIDEO_KEYS)
    text = partial(view.text, limit=1_000)
    video = ArticleVideo(text("title"), text("summary"), view.address("url"), text("poster"), text("alt"))
    if not video.url:
        view.note("url", "The video has no url.", "Set url: to the address of the page that plays it.")
    if video.poster and not view.has("alt"):
        view.note("alt", f"The poster {video.poster} has no alt.", _ALT_HINT)
    elif not video.title and not video.alt:
        view.note("", "The video has neither title nor alt.", "Add one; it becomes the link text.")
    return video


def _citation(fields: Fields) -> Citation | None:
    view = fields.mapping("citation")
    if view is None:
        return None
    view.only(CITATION_KEYS)
    return Citation(view.texts("authors"), *(view.text(key) for key in CITATION_KEYS[1:]))


def _check_together(fields: Fields, draft: Draft) -> None:
    """Record problems between several keys."""
    needs = {
        Kind.GALLERY: (bool(draft.images), "images"),
        Kind.VIDEO: (bool(draft.videos), "a video"),
        Kind.VIDEOS: (bool(draft.videos), "videos"),
        Kind.CITATION: (draft.citation is not None, "a citation"),
    }
    given, what = next((need for kind, need in needs.items() if draft.kind == kind), (True, ""))
    if not given:
        fields.note("kind", f"An article of the kind {draft.kind} needs {what}.", "Add it, or choose a different kind.")
    if draft.kind == Kind.VIDEO and len(draft.videos) > 1:
        fields.note("kind", "An article of the kind video must have exactly one video.", "Use kind: videos.")
    if draft.kept_out and draft.translation_of:
        fields.note("archive", "A translation follows its original in the archive.", "Set it in the original.")
    if draft.display == "summary" and not draft.summary:
        fields.note("display", "display: summary needs a summary.", "Add summary:, or remove display.")


def _as_typed(fields: Fields, draft: Draft) -> list[Note]:
    """Return notes on markup in texts that are shown as they are."""
    texts = [("title", draft.title), ("summary", draft.summary), *(("sources", one) for one in draft.sources)]
    for image in draft.images:
        place = "image" if fields.has("image") else "images"
        texts += [(place, image.alt), (place, image.caption), (place, image.credit)]
    hint = "Only the text below the front matter is Markdown; write plain text here."
    return [
        Note(draft.path, fields.line(key), f"Readers see {found[0]} in {key} exactly as written.", hint)
        for key, text in texts
        for rule in (_MARKUP, MERGE_TAG)
        for found in rule.finditer(text)
    ]


def _body_files(draft: Draft) -> tuple[ArticleImage, ...]:
    try:
        return render_body(draft.body, article_key=draft.slug or "article", language=draft.language).files
    except ContentError:
        return ()


def remarks_on(body: str, path: str, line: int | None, slug: str = "", language: str = "en") -> list[Problem]:
    """Return the problems with a body and the notes on it; it begins on `line`."""
    try:
        rendered = render_body(body, article_key=slug or "article", language=language)
    except ContentError as error:
        return [Problem(path, line, error.message, error.hint)]
    first = (line or 1) - 1
    return [replace(one, path=path, line=first + (one.line or 1)) for one in (*rendered.problems, *rendered.notes)]
