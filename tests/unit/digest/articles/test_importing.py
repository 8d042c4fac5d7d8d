"""Import: what each combination of changes leads to, on both databases, and that nothing is stored by half."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from digest.articles import store
from digest.articles.draft import Draft
from digest.articles.embeds import LoadedImage
from digest.articles.exporting import export
from digest.articles.importing import import_paths
from digest.articles.intake import parse_markdown
from digest.articles.media import load_image
from digest.articles.models import Article, ArticleHistory, Media
from digest.runtime.errors import NotFoundError
from tests.support.editor import KNOWN, Desk, picture


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """Both databases, unlike for the other tests of this folder."""
    with Session(engine, expire_on_commit=False) as session:
        yield session


def edit(desk: Desk, slug: str, front: str, body: str = "Text.") -> None:
    """Change an article in the database, as the web form does."""
    draft, problems = parse_markdown(f"---\n{front}\n---\n\n{body}\n".encode(), "form", KNOWN)
    assert isinstance(draft, Draft), problems
    article = store.get(desk.session, slug)
    assert store.revise(desk.session, article, draft, group=article.group, now=desk.now)
    desk.session.commit()


def test_a_new_article_is_created_and_the_same_file_is_no_change(desk: Desk) -> None:
    desk.write("2021/a.md", "title: One\ntopics: [mobility]\ndate: 2021-09\nlang: ko")
    assert desk.load().created == ["one"]
    article = store.get(desk.session, "one")
    assert (article.title, article.topics, article.language, article.body) == ("One", ["mobility"], "ko", "Text.")
    assert (str(article.starts_on), str(article.ends_on)) == ("2021-09-01", "2021-09-30")
    assert (article.group, article.source_path) == ("one", "2021/a.md")
    assert article.content_hash == article.imported_hash
    report = desk.load()
    assert (report.created, report.updated, report.unchanged) == ([], [], ["one"])
    assert not report.needs_a_person
    assert desk.session.exec(select(ArticleHistory)).all() == []


def test_a_changed_file_updates_and_history_keeps_the_old_one(desk: Desk) -> None:
    desk.write("a.md", "title: One\nslug: a")
    desk.load()
    old = store.get(desk.session, "a").content_hash
    desk.now += timedelta(days=1)
    desk.write("a.md", "title: Two\nslug: a")
    assert desk.load().updated == ["a"]
    article = store.get(desk.session, "a")
    assert (article.title, article.updated_at) == ("Two", desk.now)
    (before,) = desk.session.exec(select(ArticleHistory)).all()
    assert (before.article_id, before.content_hash, before.content["title"], before.replaced_at) == (
        article.id,
        old,
        "One",
        desk.now,
    )


def test_going_back_and_forth_within_one_moment_is_stored(desk: Desk) -> None:
    for title in ("One", "Two", "One", "Two"):
        desk.write("a.md", f"title: {title}\nslug: a")
        assert desk.load().problems == []
    assert store.get(desk.session, "a").title == "Two"


def test_what_was_changed_here_is_kept_while_the_file_stays(desk: Desk) -> None:
    desk.write("a.md", "title: One\nslug: a")
    desk.load()
    edit(desk, "a", "title: Edited\nslug: a")
    report = desk.load()
    assert (report.kept, report.updated, report.conflicts) == (["a"], [], [])
    assert store.get(desk.session, "a").title == "Edited"


def test_what_changed_on_both_sides_is_a_conflict_and_is_kept(desk: Desk) -> None:
    desk.write("a.md", "title: One\nslug: a")
    desk.load()
    edit(desk, "a", "title: Edited here\nslug: a")
    path = desk.write("a.md", "title: Edited there\nslug: a")
    for _ in range(2):
        report = desk.load()
        (conflict,) = report.conflicts
        assert report.needs_a_person
        assert (conflict.slug, conflict.path) == ("a", str(path))
        assert "-title: Edited here\n+title: Edited there\n" in conflict.diff
        assert store.get(desk.session, "a").title == "Edited here"


def test_the_same_change_on_both_sides_is_no_conflict(desk: Desk) -> None:
    desk.write("a.md", "title: One\nslug: a")
    desk.load()
    edit(desk, "a", "title: Two\nslug: a")
    desk.write("a.md", "title: Two\nslug: a")
    assert desk.load().unchanged == ["a"]
    desk.write("a.md", "title: Three\nslug: a")
    assert desk.load().updated == ["a"]


def test_overwrite_takes_the_file_and_history_keeps_the_other(desk: Desk) -> None:
    desk.write("a.md", "title: One\nslug: a")
    desk.load()
    edit(desk, "a", "title: Edited here\nslug: a")
    desk.write("a.md", "title: Edited there\nslug: a")
    assert desk.load(overwrite=True).updated == ["a"]
    assert store.get(desk.session, "a").title == "Edited there"
    titles = [one.content["title"] for one in desk.session.exec(select(ArticleHistory)).all()]
    assert sorted(titles) == ["Edited here", "One"]


def test_a_dry_run_says_the_same_and_writes_nothing(desk: Desk) -> None:
    desk.put("images/a.png", picture())
    desk.write("a.md", "title: One\nslug: a\nimage: {src: images/a.png, alt: Red}")
    assert desk.load(dry_run=True).created == ["a"]
    assert desk.session.exec(select(Article)).all() == []
    assert desk.session.exec(select(Media)).all() == []
    desk.load()
    desk.write("a.md", "title: Two\nslug: a")
    assert desk.load(dry_run=True).updated == ["a"]
    assert store.get(desk.session, "a").title == "One"


def test_a_bad_file_stops_no_good_one(desk: Desk) -> None:
    bad = desk.write("a.md", "titel: One")
    desk.put("b.md", b"")
    desk.put("c.md", b"---\ntitle: \xff\n---\n")
    desk.write("d.md", "title: Good")
    report = desk.load()
    assert report.created == ["good"]
    assert len(report.problems) == 4
    assert str(report.problems[0]).startswith(f"{bad}:1: The article has no title")


def test_two_files_with_one_slug_are_named_and_not_stored(desk: Desk) -> None:
    first = desk.write("a.md", "title: One\nslug: same")
    second = desk.write("b.md", "title: Two\nslug: same")
    report = desk.load()
    (problem,) = report.problems
    assert (problem.path, problem.line) == (str(second), 3)
    assert problem.message == f"The slug same is already used by {first}."
    assert desk.session.exec(select(Article)).all() == []


def test_pictures_are_stored_once_by_their_bytes(desk: Desk) -> None:
    desk.put("images/a.png", picture())
    desk.put("sub/same.png", picture())
    desk.write("a.md", "title: A\nimage: {src: images/a.png, alt: Red}")
    desk.write("sub/b.md", "title: B\nvideo: {url: 'https://example.org/v', poster: same.png, alt: Red}")
    desk.write("c.md", "title: C\nvideo: {url: 'https://example.org/v', title: Film}")
    assert desk.load().problems == []
    (stored,) = desk.session.exec(select(Media)).all()
    assert (stored.extension, stored.width, stored.height, stored.content) == ("png", 4, 3, picture())
    image, video = store.get(desk.session, "a").images[0], store.get(desk.session, "b").videos[0]
    written = {"src": "images/a.png", "alt": "Red", "caption": "", "credit": ""}
    assert image == {**written, "hash": stored.hash, "extension": "png", "width": 4, "height": 3}
    assert (video["hash"], video["poster"]) == (stored.hash, "same.png")
    assert store.get(desk.session, "c").videos[0]["hash"] is None


def test_other_bytes_of_a_name_are_a_change_another_name_is_none(desk: Desk) -> None:
    desk.put("a.png", picture("red"))
    desk.write("a.md", "title: A\nimage: {src: a.png, alt: x}")
    desk.load()
    desk.put("a.png", picture("blue"))
    assert desk.load().updated == ["a"]
    assert len(desk.session.exec(select(Media)).all()) == 2
    desk.put("b.png", picture("blue"))
    desk.write("a.md", "title: A\nimage: {src: b.png, alt: x}")
    assert desk.load().unchanged == ["a"]


@pytest.mark.parametrize(
    ("front", "line", "words"),
    [
        ("title: A\nimage:\n  alt: x\n  src: gone.png", 5, "gone.png does not exist"),
        ("title: A\nimages:\n- {src: ok.png, alt: x}\n- {src: sub, alt: x}", 5, "sub is a folder"),
        ("title: A\nimage: {src: ../../x.png, alt: x}", 3, "is outside"),
        ("title: A\nvideo:\n  url: https://example.org/\n  poster: a.md\n  alt: x", 5, "not supported in mail"),
        ("title: A\nimage: {src: https://example.org/x.png, alt: x}", 3, "is not a file"),
    ],
)
def test_a_picture_of_no_use_is_named_and_the_article_not_stored(desk: Desk, front: str, line: int, words: str) -> None:
    desk.put("ok.png", picture())
    desk.put("sub/x.png", picture())
    path = desk.write("a.md", front)
    (problem,) = desk.load().problems
    assert (problem.path, problem.line) == (str(path), line)
    assert words in problem.message
    assert desk.session.exec(select(Article)).all() == []
    assert desk.session.exec(select(Media)).all() == []


def test_translations_find_their_original_whatever_comes_first(desk: Desk) -> None:
    desk.write("1.md", "title: C\nlang: ja\ntranslation_of: b")
    desk.write("2.md", "title: B\nlang: ko\ntranslation_of: a")
    desk.write("3.md", "title: A")
    assert desk.load().created == ["c", "b", "a"]
    assert {store.get(desk.session, slug).group for slug in "abc"} == {"a"}
    later = desk.write("4.md", "title: D\nlang: fr\ntranslation_of: b")
    desk.load(later)
    assert store.get(desk.session, "d").group == "a"
    assert desk.load().unchanged == ["c", "b", "a", "d"]


def test_translations_follow_an_original_that_becomes_one(desk: Desk) -> None:
    desk.write("a.md", "title: A\nlang: de")
    desk.write("b.md", "title: B\nlang: ko\ntranslation_of: a")
    desk.load()
    desk.write("z.md", "title: Z")
    desk.write("a.md", "title: A\nlang: de\ntranslation_of: z")
    assert desk.load(desk.folder / "a.md", desk.folder / "z.md").problems == []
    desk.session.expire_all()
    assert {store.get(desk.session, slug).group for slug in "abz"} == {"z"}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a": "lang: ko\ntranslation_of: b"}, "b, the original of this translation, does not exist"),
        ({"a": "translation_of: a"}, "is, directly or indirectly, a translation of itself"),
        ({"a": "lang: ko\ntranslation_of: b", "b": "translation_of: a"}, "a translation of itself"),
        ({"a": "lang: en", "b": "lang: en\ntranslation_of: a"}, "a already has a text in en: a"),
        (
            {"a": "lang: en", "b": "lang: ko\ntranslation_of: a", "c": "lang: ko\ntranslation_of: a"},
            "a already has a text in ko: b",
        ),
    ],
)
def test_impossible_translations_are_named(desk: Desk, files: dict[str, str], words: str) -> None:
    for slug, front in files.items():
        desk.write(f"{slug}.md", f"title: T\nslug: {slug}\n{front}")
    problems = desk.load().problems
    assert words in problems[0].message
    assert problems[0].hint


def test_tables_and_json_are_imported_like_files(desk: Desk) -> None:
    desk.put("a.png", picture())
    table = desk.put(
        "a.csv", b"title,topics,image.src,image.alt,date\nFrom a table,mobility;safety,a.png,Red,2021-09-17\n"
    )
    text = desk.put(
        "a.json", b'[{"title": "From JSON", "weight": 3, "pin": true, "topics": ["safety"]}, {"titel": "x"}]'
    )
    report = desk.load(table, text)
    assert report.created == ["from-a-table", "from-json"]
    assert [str(one) for one in report.problems][1] == f"{text} (entry 2): Unknown key titel."
    assert store.get(desk.session, "from-a-table").topics == ["mobility", "safety"]
    assert store.get(desk.session, "from-a-table").images[0]["width"] == 4
    assert (store.get(desk.session, "from-json").weight, store.get(desk.session, "from-json").pin) == (3, True)
    assert store.get(desk.session, "from-json").source_path is None


def test_an_article_that_cannot_be_stored_leaves_no_trace(desk: Desk) -> None:
    desk.put("a.png", picture("red"))
    desk.put("b.png", picture("blue"))
    desk.write("a.md", "title: A\nimage: {src: a.png, alt: x}")
    desk.write("b.md", "title: B\nimage: {src: b.png, alt: x}")

    def overlong(root: Path, folder: Path, src: str) -> LoadedImage:
        """Stands for what only the database finds out: PostgreSQL refuses the length, SQLite the missing width."""
        image = load_image(root, folder, src)
        width = None if src == "a.png" else image.width
        return LoadedImage(image.hash, image.extension, width, image.height, image.content)  # type: ignore[arg-type]

    report = import_paths(desk.session, [desk.folder], known=KNOWN, now=desk.now, load_image=overlong)
    desk.session.commit()
    assert report.created == ["b"]
    assert "a was not stored" in report.problems[0].message
    assert [one.slug for one in desk.session.exec(select(Article)).all()] == ["b"]
    assert len(desk.session.exec(select(Media)).all()) == 1


def test_a_slug_that_is_not_there_is_named_with_the_nearest(desk: Desk) -> None:
    with pytest.raises(NotFoundError) as refused:
        store.get(desk.session, "trucks")
    assert refused.value.hint == "There are no articles yet."
    desk.write("a.md", "title: Truck")
    desk.load()
    with pytest.raises(NotFoundError, match=r"There is no article trucks\.") as refused:
        store.get(desk.session, "trucks")
    assert refused.value.hint == "Did you mean truck?"


def test_lists_are_ordered_and_candidates_have_begun(desk: Desk, now: datetime) -> None:
    for slug, day in {"b": "2021-09-01", "a": "2021-09-01", "c": "2021-10-01", "d": "2021-08/2021-12"}.items():
        desk.write(f"{slug}.md", f"title: T\nslug: {slug}\ndate: {day}")
    desk.write("e.md", "title: T\nslug: e")
    desk.load()
    assert [one.slug for one in store.list_articles(desk.session)] == ["e", "c", "a", "b", "d"]
    assert [one.slug for one in store.candidates(desk.session, until=now.date())] == ["a", "b", "d", "e"]


def test_hostile_text_comes_back_as_it_went_in(desk: Desk) -> None:
    title, body = '"><mj-raw>{{7*7}}@@R_00_NAME@@', "{{7*7}} @@R_0011_NAME@@ </mj-text> '; DROP TABLE article; --"
    desk.write("a.md", f"title: '{title}'\nslug: a", body)
    desk.load()
    article = store.get(desk.session, "a")
    assert (article.title, article.body) == (title, body)


@pytest.mark.parametrize("named", ["first", "first.md", "2021/first.md", "hello"])
def test_a_translation_may_name_the_file_of_its_original(desk: Desk, named: str) -> None:
    desk.write("2021/first.md", "title: Hello")
    desk.write("2021/second.md", f"title: 안녕\nlang: ko\ntranslation_of: {named}")
    assert desk.load().problems == []
    assert store.get(desk.session, "안녕").group == "hello"
    later = desk.write("2021/third.md", f"title: Hallo\nlang: de\ntranslation_of: {named}")
    assert desk.load(later).problems == []
    assert store.get(desk.session, "hallo").group == "hello"


def test_articles_whose_files_are_gone_are_noticed(desk: Desk) -> None:
    for name in "abc":
        desk.write(f"{name}.md", f"title: {name}")
    assert desk.load().missing == []
    (desk.folder / "b.md").unlink()
    assert desk.load().missing == ["b"]
    assert desk.load(desk.folder / "a.md").missing == []  # one file says nothing of the others
    (desk.folder / "c.md").rename(desk.folder / "moved.md")
    assert desk.load().missing == ["b"]
    desk.write("other/d.md", "title: d")
    assert desk.load(desk.folder / "other").missing == []  # most came from another folder


def test_pictures_and_files_of_the_text_are_stored_and_exported(desk: Desk, tmp_path: Path) -> None:
    desk.put("images/a b.png", picture())
    desk.put("files/l.pdf", b"%PDF-1.4")
    body = 'One.\n\n![Chart](images/a%20b.png "Numbers")\n\n[List](files/l.pdf)'
    desk.write("a.md", "title: A", body)
    report = desk.load()
    assert (report.created, report.problems) == (["a"], [])
    article = store.get(desk.session, "a")
    assert [(one["src"], one["use"], one["extension"]) for one in article.images] == [
        ("images/a b.png", "body", "png"),
        ("files/l.pdf", "file", "pdf"),
    ]
    assert desk.session.get_one(Media, article.images[1]["hash"]).content == b"%PDF-1.4"
    written = export(desk.session, tmp_path / "out")
    assert written.written == ["a.md"]
    assert (tmp_path / "out" / "files" / "l.pdf").read_bytes() == b"%PDF-1.4"
    assert "images:" not in (tmp_path / "out" / "a.md").read_text().partition("One.")[0]
    assert desk.load(tmp_path / "out").unchanged == ["a"]
    desk.put("files/l.pdf", b"%PDF-1.5")
    assert desk.load().updated == ["a"]


@pytest.mark.parametrize("target", ["missing.pdf", "../outside.pdf", "folder.pdf"])
def test_a_file_to_download_that_is_not_there_is_refused(desk: Desk, target: str) -> None:
    (desk.folder / "folder.pdf").mkdir()
    desk.write("a.md", "title: A", f"One.\n\n[List]({target})")
    (problem,) = desk.load().problems
    assert (problem.line, target in problem.message) == (7, True)
