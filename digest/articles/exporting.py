"""Export of articles as Markdown files with pictures, which can be edited and imported again."""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from sqlmodel import Session, col, select

from digest.articles import media
from digest.articles.dates import parse_day
from digest.articles.draft import content_hash, content_of
from digest.articles.frontmatter import UnreadableError, read_markdown
from digest.articles.intake import KnownSlugs, parse_entry
from digest.articles.models import Article, Media
from digest.articles.translations import Groups
from digest.runtime.atomic_file import whole_file
from digest.runtime.errors import ContentError, EnvironmentFailedError

_MAX_NAME_BYTES = 200  # file systems allow 255, and the name of the temporary file is a little longer


@dataclass(slots=True)
class ExportReport:
    """Paths from the directory: written; of the same content; and left alone because they were edited there."""

    written: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def export(session: Session, directory: Path, *, overwrite: bool = False) -> ExportReport:
    """Write every article below `directory`, to the path it was imported from.

    Files edited since the last import are left, unless `overwrite`. Articles that are written back count as imported,
    so the caller commits. Raises EnvironmentFailedError.
    """
    report = ExportReport()
    taken: set[str] = set()
    for article in session.exec(select(Article).order_by(col(Article.slug))).all():
        place = _place(article, taken)
        taken.add(place)
        try:
            _export_article(session, article, directory, place, report, overwrite=overwrite)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            hint = "Check that the folder is writable and the disk is not full, then export again."
            raise EnvironmentFailedError(f"{directory / place} cannot be written: {reason}.", hint=hint) from error
    return report


def _export_article(
    session: Session, article: Article, directory: Path, place: str, report: ExportReport, *, overwrite: bool
) -> None:
    target = directory / place
    exists = target.exists()
    found = _content_of_file(session, target, directory, article) if exists else None
    if found == article.content_hash:
        report.unchanged.append(place)
    elif exists and (found is None or found != article.imported_hash) and not overwrite:
        report.left.append(place)
    else:
        _write_article(session, article, directory, place)
        report.written.append(place)
        if exists or article.imported_hash is None:
            article.imported_hash = article.content_hash
            session.add(article)


def _place(article: Article, taken: Collection[str]) -> str:
    """Return the path below the directory: that of the import, or else one named after the slug."""
    source = PurePosixPath(article.source_path or "/")
    if _stays_inside(source) and source.suffix.lower() == ".md" and str(source) not in taken:
        return str(source)
    name = article.slug
    if len(name.encode()) > _MAX_NAME_BYTES:
        name = f"{name[:40]}-{article.id}"
    return f"{name}.md" if f"{name}.md" not in taken else f"{name}-{article.id}.md"


def _stays_inside(path: PurePosixPath) -> bool:
    return not path.is_absolute() and ".." not in path.parts and path.name != ""


def _content_of_file(session: Session, target: Path, directory: Path, article: Article) -> str | None:
    """Return the content hash of an existing file, None if it is not an article."""
    try:
        entry = read_markdown(target.read_bytes(), str(target))
    except (UnreadableError, OSError):
        return None
    draft, _ = parse_entry(entry, KnownSlugs(_Anything(), _Anything(), article.language))
    if draft is None or draft.slug != article.slug:
        return None
    try:
        source = target.relative_to(directory).as_posix()
        group = Groups(session, {draft.slug: draft}, {draft.slug: source}).of(draft)
    except ContentError:  # it says that it translates what is not there
        return None
    placed = replace(entry, root=directory, folder=target.parent)
    loaded, _, _ = media.load_pictures(placed, draft, media.load_image)
    return content_hash(content_of(loaded, group=group)) if loaded else None


class _Anything(Collection[str]):
    """Collection of every slug, with which undefined sections and topics are accepted."""

    def __contains__(self, slug: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _write_article(session: Session, article: Article, directory: Path, place: str) -> None:
    content = content_of(article, group=article.group)
    folder = PurePosixPath(place).parent
    for kind, key in (("images", "src"), ("videos", "poster")):
        for one in content[kind]:
            picture = session.get(Media, one["hash"]) if one["hash"] else None
            if picture is not None:
                written = _write_picture(directory, folder, one[key], picture)
                if one.get("use"):  # the text names it
                    content["body"] = content["body"].replace(f"]({one[key]}", f"]({written}")
                one[key] = written
    _write(directory / place, as_markdown(article.slug, content).encode())


def _write_picture(directory: Path, folder: PurePosixPath, src: str, picture: Media) -> str:
    """Write a picture to the path in the article, or under its hash if that is outside or taken; return the path."""
    named = PurePosixPath(src)
    path = directory / folder / named
    if not _stays_inside(named) or (path.exists() and _bytes(path) != picture.content):
        named = PurePosixPath("images", f"{picture.hash[:16]}.{picture.extension}")
        path = directory / folder / named
    if not path.exists():
        _write(path, picture.content)
    return str(named)


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:  # a folder, or not readable
        return None


def _write(path: Path, content: bytes) -> None:
    """Write a file atomically: a full disk leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, durable=False) as partial:
        partial.write_bytes(content)


def as_markdown(slug: str, content: Mapping[str, Any]) -> str:
    """Return front matter and body, without empty keys."""
    # An empty citation and `archive: false` have a meaning.
    kept = {"citation", "archive"}
    front = {
        key: _day_or_text(str(value)) if key in {"date", "apply_by"} else value
        for key, value in front_matter(slug, content).items()
        if value or (key in kept and value is not None)
    }
    dumped = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{dumped}---\n\n{content['body']}".rstrip() + "\n"


def front_matter(slug: str, content: Mapping[str, Any]) -> dict[str, object]:
    """Return stored content with the keys of front matter, empty ones too; dates are texts."""
    gallery = [one for one in content["images"] if not one.get("use")]
    images, videos = ([_short(one) for one in ones] for ones in (gallery, content["videos"]))
    return {
        "title": content["title"],
        "slug": slug,
        **{key: content[key] for key in ("summary", "section", "topics", "kind")},
        "date": content["date_text"],
        **{key: content[key] for key in ("sources", "link")},
        "image": images[0] if len(images) == 1 else None,
        "images": images if len(images) > 1 else None,
        "video": videos[0] if len(videos) == 1 else None,
        "videos": videos if len(videos) > 1 else None,
        "citation": content["citation"] and _short(content["citation"]),
        **{key: content[key] for key in ("pin", "weight", "display")},
        "lang": content["language"],
        "translation_of": content["translation_of"],
        "apply_by": content["apply_by"] or "",
        "archive": content.get("archive"),
    }


_LOADED = {"hash", "extension", "width", "height", "shown", "thumbnail"}


def _short(group: Mapping[str, Any]) -> dict[str, object]:
    """Return the keys of an image, a video or a citation that authors write; an empty alt is kept."""
    picture = group.get("src") or group.get("poster")
    return {key: value for key, value in group.items() if key not in _LOADED and (value or (key == "alt" and picture))}


def _day_or_text(text: str) -> date | str:
    # YAML would put quotation marks around text that looks like a date, but not around a date.
    try:
        return parse_day(text)
    except ValueError:
        return text
