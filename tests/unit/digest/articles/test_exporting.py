"""Export: files that say the same, written whole, over nobody's work."""

import os
from dataclasses import fields
from pathlib import Path

import pytest
from sqlmodel import Session, select

from digest.articles import store
from digest.articles.draft import Draft
from digest.articles.exporting import export
from digest.articles.models import Article
from digest.runtime.errors import EnvironmentFailedError
from tests.support.editor import Desk, picture
from tests.support.small_disk import filled as no_byte_free
from tests.support.small_disk import small_disk

FULL = """\
title: "Full: 'of' {{everything}} # here"
slug: full
summary: "no"
section: special
topics: [mobility, safety]
kind: story
date: 2021-05-30/2021-05-31
sources: [MOLIT, "2021"]
link: https://example.org/?a=1&b=2
image: {src: images/a.png, alt: "", caption: "null", credit: "~"}
video: {url: https://example.org/v, poster: images/b.png, alt: "Play: the film"}
citation: {authors: [Kim, Lee], volume: "24", date: 2021-08}
pin: true
weight: -10
display: full
lang: pt-BR
apply_by: 2021-10-15"""


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def filled(desk: Desk) -> Desk:
    desk.put("2021/images/a.png", picture("red"))
    desk.put("2021/images/b.png", picture("blue"))
    desk.write("2021/full.md", FULL, "    code\n\n---\n\n※ note[^1]\n\n[^1]: *x*")
    desk.write("2021/ko.md", "title: 전체\nlang: ko\ntranslation_of: full", "본문")
    desk.write("bare.md", "title: Bare", "")
    report = desk.load()
    assert report.problems == []
    return desk


def test_a_fresh_folder_imports_unchanged(filled: Desk, tmp_path: Path) -> None:
    report = export(filled.session, tmp_path / "out")
    assert sorted(report.written) == ["2021/full.md", "2021/ko.md", "bare.md"]
    assert (tmp_path / "out/2021/images/a.png").read_bytes() == picture("red")
    assert sorted(filled.load(tmp_path / "out").unchanged) == ["bare", "full", "전체"]
    again = export(filled.session, tmp_path / "out")
    assert (len(again.written), len(again.unchanged), again.left) == (0, 3, [])


def test_another_database_gets_the_same_content(filled: Desk, tmp_path: Path, session: Session) -> None:
    export(filled.session, tmp_path / "out")
    before = {one.slug: one.content_hash for one in session.exec(select(Article)).all()}
    for article in session.exec(select(Article)).all():
        session.delete(article)
    session.commit()
    assert len(filled.load(tmp_path / "out").created) == 3
    assert {one.slug: one.content_hash for one in session.exec(select(Article)).all()} == before


def test_what_the_files_say_already_is_not_written(filled: Desk) -> None:
    before = files(filled.folder)
    report = export(filled.session, filled.folder)
    assert (report.written, report.left) == ([], [])
    assert files(filled.folder) == before


def test_a_change_here_is_written_back_and_counts_as_imported(filled: Desk) -> None:
    change(filled, "bare", "New title")
    report = export(filled.session, filled.folder)
    filled.session.commit()
    assert report.written == ["bare.md"]
    assert b"title: New title" in (filled.folder / "bare.md").read_bytes()
    filled.write("bare.md", "title: Newer\nslug: bare")
    assert filled.load().updated == ["bare"]


def test_somebodys_work_is_left_unless_told_otherwise(filled: Desk) -> None:
    filled.write("bare.md", "title: Edited there\nslug: bare", "")
    change(filled, "bare", "Edited here")
    (filled.folder / "2021/ko.md").write_bytes(b"not an article")
    change(filled, "전체", "Edited here")
    report = export(filled.session, filled.folder)
    assert (report.written, sorted(report.left)) == ([], ["2021/ko.md", "bare.md"])
    assert b"Edited there" in (filled.folder / "bare.md").read_bytes()
    assert sorted(export(filled.session, filled.folder, overwrite=True).written) == ["2021/ko.md", "bare.md"]
    assert b"Edited here" in (filled.folder / "bare.md").read_bytes()


def test_an_export_elsewhere_does_not_make_old_files_look_new(filled: Desk, tmp_path: Path) -> None:
    change(filled, "bare", "Edited here")
    export(filled.session, tmp_path / "out")
    filled.session.commit()
    assert filled.load().kept == ["bare"]


def test_paths_from_elsewhere_never_leave_the_folder(filled: Desk, tmp_path: Path) -> None:
    bare, full, korean = (store.get(filled.session, slug) for slug in ("bare", "full", "전체"))
    bare.source_path, korean.source_path = "../../escape.md", "/tmp/escape.md"
    full.source_path = "bare.md"
    full.images = [{**full.images[0], "src": "../../escape.png"}]
    filled.session.commit()
    out = tmp_path / "deep" / "out"
    export(filled.session, out)
    names = set(files(tmp_path / "deep"))
    assert {name for name in names if name.endswith(".md")} == {"out/bare.md", "out/full.md", "out/전체.md"}
    assert all(name.startswith("out/") for name in names)
    assert sorted(filled.load(out).unchanged) == ["bare", "full", "전체"]


def test_two_pictures_of_one_name_both_survive(desk: Desk, tmp_path: Path) -> None:
    for folder, colour in (("a", "red"), ("b", "blue")):
        desk.put(f"{folder}/x.png", picture(colour))
        desk.write(f"{folder}/{folder}.md", f"title: {folder}\nimage: {{src: x.png, alt: x}}")
    desk.load()
    for slug in ("a", "b"):
        store.get(desk.session, slug).source_path = None
    desk.session.commit()
    export(desk.session, tmp_path / "out")
    assert sorted(desk.load(tmp_path / "out").unchanged) == ["a", "b"]


def test_a_very_long_slug_is_a_possible_file_name(desk: Desk, tmp_path: Path) -> None:
    desk.put("a.json", ('{"title": "x", "slug": "' + "가" * 120 + '"}').encode())
    assert desk.load(desk.folder / "a.json").created == ["가" * 120]
    export(desk.session, tmp_path / "out")
    assert desk.load(tmp_path / "out").unchanged == ["가" * 120]


def test_a_folder_that_cannot_be_written_is_a_plain_error(filled: Desk, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file, not a folder")
    with pytest.raises(EnvironmentFailedError, match=r"out/bare.md cannot be written: ") as refused:
        export(filled.session, tmp_path / "out")
    assert refused.value.exit_code == 4
    assert "disk is not full" in refused.value.hint


def test_a_full_disk_leaves_the_old_file_whole(filled: Desk, tmp_path: Path) -> None:
    with small_disk(tmp_path / "out", 1) as out:
        export(filled.session, out)
        change(filled, "bare", "Edited here")
        before = files(out)
        full = pytest.raises(EnvironmentFailedError, match=r"bare\.md cannot be written: No space left on device")
        with no_byte_free(out), full:
            export(filled.session, out, overwrite=True)
        assert files(out) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_an_error_that_says_so(filled: Desk, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o555)
    with pytest.raises(EnvironmentFailedError, match="Permission denied"):
        export(filled.session, tmp_path / "out")


def change(desk: Desk, slug: str, title: str) -> None:
    article = store.get(desk.session, slug)
    names = {field.name for field in fields(Draft)} - {"path", "line", "title", "translation_of"}
    draft = Draft(path="form", line=None, title=title, **{name: getattr(article, name) for name in names})
    assert store.revise(desk.session, article, draft, group=article.group, now=desk.now)
    desk.session.commit()
