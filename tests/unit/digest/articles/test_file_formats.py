"""Files and folders: what is read, what is named as a problem, what is refused."""

import json
import os
from pathlib import Path

import pytest

from digest.articles.draft import RawEntry
from digest.articles.file_formats import read_paths
from digest.articles.problems import Problem
from digest.runtime.errors import UsageError

ARTICLE = b"---\ntitle: x\n---\n"


def entries(*paths: Path) -> list[RawEntry]:
    found = list(read_paths(paths))
    assert all(isinstance(one, RawEntry) for one in found), found
    return [one for one in found if isinstance(one, RawEntry)]


def problem(path: Path) -> Problem:
    (one,) = read_paths([path])
    assert isinstance(one, Problem)
    return one


def test_markdown_below_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b.md", "a/z.MD", "a.md", "README.md", ".hidden.md", ".git/x.md", "table.csv", "note.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(ARTICLE)
    found = entries(tmp_path)
    assert [one.source for one in found] == ["a/z.MD", "a.md", "b.md"]
    assert found[0].folder == tmp_path / "a"
    assert {one.root for one in found} == {tmp_path}


def test_a_folder_with_the_name_of_a_file_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x.md").mkdir()
    (tmp_path / "x.md" / "a.md").write_bytes(ARTICLE)
    assert [one.source for one in entries(tmp_path)] == ["x.md/a.md"]
    assert [one.source for one in entries(tmp_path / "x.md")] == ["a.md"]


def test_loops_of_links_end(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(ARTICLE)
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self.md").symlink_to(tmp_path / "self.md")
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere")
    found = [one if isinstance(one, RawEntry) else str(one) for one in read_paths([tmp_path])]
    assert isinstance(found[0], RawEntry)
    assert found[1:] == [f"{tmp_path}/gone.md: This is not a file.", f"{tmp_path}/self.md: This is not a file."]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    assert problem(tmp_path).message == "This is not a file."


def test_a_bad_file_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"")
    (tmp_path / "b.md").write_bytes(ARTICLE)
    kinds = [type(one) for one in read_paths([tmp_path])]
    assert kinds == [Problem, RawEntry]


def test_a_file_of_twenty_megabytes_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "a.md").open("wb") as file:
        file.truncate(20_000_000)
    assert problem(tmp_path).message == "The file has 20,000,000 bytes; the limit is 2,000,000."
    with (tmp_path / "a.csv").open("wb") as file:
        file.truncate(20_000_001)
    assert problem(tmp_path / "a.csv").message == "The file has 20,000,001 bytes; the limit is 20,000,000."


def test_a_name_that_is_not_utf8_can_be_shown(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.md")).write_bytes(b"")
    assert str(problem(tmp_path)).encode().endswith("\ufffd.md: The file is empty.".encode())


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("https://example.org/feed.xml", "importing from the web is not supported yet"),
        ("missing.md", "No such file"),
        ("a\x00b.md", "cannot be opened"),
        ("x" * 5000, "File name too long"),
    ],
)
def test_a_path_that_cannot_be_meant_is_wrong_usage(path: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        list(read_paths([path]))
    assert refused.value.exit_code == 2
    assert refused.value.hint


def test_wrong_usage_is_found_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(ARTICLE)
    with pytest.raises(UsageError):
        next(read_paths([tmp_path, tmp_path / "missing.md"]))


def test_no_articles_or_a_file_of_another_kind_are_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="contains no Markdown files"):
        list(read_paths([tmp_path]))
    (tmp_path / "a.txt").write_bytes(ARTICLE)
    with pytest.raises(UsageError, match="is not an article"):
        list(read_paths([tmp_path / "a.txt"]))


def test_a_table_has_an_article_in_each_row(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_bytes(
        b'\xef\xbb\xbftitle,body,topics,image.src,image.alt,citation.authors\r\n'
        b'One,"Two\r\nlines",mobility; safety,a.png,A map,Kim;Lee\r\n,,,,,\r\nTwo,,,,,\r\n'
    )  # fmt: skip
    one, two = entries(table)
    assert one.values == {
        "title": "One",
        "body": "Two\nlines",
        "topics": ["mobility", "safety"],
        "image": {"src": "a.png", "alt": "A map"},
        "citation": {"authors": ["Kim", "Lee"]},
    }
    assert (one.line, two.line, two.values, two.source) == (2, 5, {"title": "Two"}, None)


@pytest.mark.parametrize(
    ("table", "line", "words"),
    [
        (b"", 1, "does not name the columns"),
        (b"name;body\nx;y\n", 1, "does not name the columns"),
        (b"title,title\nx,y\n", 1, "does not name the columns"),
        (b"title,body\nx,y,z\n", 2, "The row has 3 cells"),
        (b'title\nok\n"x', 3, "The table is malformed"),
        (b'title\n"x"y\n', 2, "The table is malformed"),
        (b"title\n" + b"x" * 2_000_000, 2, "field larger than field limit"),
        (b"title\na\x00b\n", 2, "control character U+0000"),
        ("title\n제목\n".encode("cp949"), 2, "not UTF-8"),
    ],
)
def test_a_broken_table_is_named(tmp_path: Path, table: bytes, line: int, words: str) -> None:
    (tmp_path / "a.csv").write_bytes(table)
    one = problem(tmp_path / "a.csv")
    assert one.line == line
    assert words in one.message


def test_json_is_one_object_or_a_list(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"title": "One", "body": "x"}))
    assert [one.path for one in entries(path)] == [str(path)]
    path.write_text(json.dumps([{"title": "One"}, {"title": "Two"}]))
    assert [one.path for one in entries(path)] == [f"{path} (entry 1)", f"{path} (entry 2)"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "not valid JSON"),
        ('{"title": "x",\n}', 2, "not valid JSON"),
        ("[" * 100_000, None, "nested too deeply"),
        ('{"title": NaN}', None, "NaN is not a JSON value"),
        ('{"weight": ' + "9" * 5000 + "}", None, "not valid JSON"),
        ('{"title": "x", "title": "y"}', None, "occurs twice"),
        ('["title"]', None, "must be a JSON object"),
        ("7", None, "must be a JSON object"),
    ],
)
def test_broken_json_is_named(tmp_path: Path, text: str, line: int | None, words: str) -> None:
    (tmp_path / "a.json").write_text(text)
    one = problem(tmp_path / "a.json")
    assert one.line == line
    assert words in one.message
