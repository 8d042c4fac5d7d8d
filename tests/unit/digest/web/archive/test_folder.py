"""The export's folder: never half a site, and nothing of anybody else is touched."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.runtime.errors import UsageError
from digest.web.archive.folder import LIST, STAGE, Folder, FolderNotOursError, SiteReport

SITE = {"index.html": b"list", "archive/1/index.html": b"one", "media/a.jpg": b"picture"}


def write(root: Path, files: dict[str, bytes]) -> SiteReport:
    with Folder(root) as folder:
        for path, content in files.items():
            folder.stage(path, content)
        return folder.publish(1)


def content(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.name != LIST}


def test_a_site_is_brought_up_to_date(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "site"
    assert write(root, SITE).written == 3
    changed = {"index.html": b"list of two", "archive/2/index.html": b"two", "media/a.jpg": b"picture"}
    report = write(root, changed)
    assert (report.written, report.unchanged, report.removed) == (2, 1, 1)
    assert content(root) == changed
    assert not (root / "archive/1").exists()
    assert not (root / STAGE).exists()
    assert (root / "index.html").stat().st_mode & 0o777 == 0o666 & ~_umask(), "a web server can read it"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_folder_with_other_files_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FolderNotOursError, match=r"thesis\.txt"):
        write(tmp_path, SITE)
    assert content(tmp_path) == {"thesis.txt": b"mine"}
    with pytest.raises(FolderNotOursError, match="not a folder"):
        write(tmp_path / "thesis.txt", SITE)


def test_files_of_others_in_our_folder_stay(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write(tmp_path, SITE)
    (tmp_path / "CNAME").write_bytes(b"archive.example.org")
    (tmp_path / "archive/1/note.txt").write_bytes(b"mine")
    write(tmp_path, {"index.html": b"nothing"})
    assert content(tmp_path) == {
        "index.html": b"nothing", "CNAME": b"archive.example.org", "archive/1/note.txt": b"mine"}  # fmt: skip
    assert (tmp_path / ".git").is_dir()


def test_others_file_in_our_place_is_refused_before_anything(tmp_path: Path) -> None:
    write(tmp_path, SITE)
    (tmp_path / "archive/2").mkdir()
    (tmp_path / "archive/2/index.html").write_bytes(b"mine")
    before = content(tmp_path)
    with pytest.raises(FolderNotOursError, match=r"archive/2/index\.html"):
        write(tmp_path, {**SITE, "index.html": b"new", "archive/2/index.html": b"two"})
    assert content(tmp_path) == before


def test_a_stale_file_that_was_edited_is_left_and_told(tmp_path: Path) -> None:
    write(tmp_path, SITE)
    (tmp_path / "archive/1/index.html").write_bytes(b"edited")
    report = write(tmp_path, {"index.html": b"list"})
    assert report.left == ["archive/1/index.html"]
    assert (tmp_path / "archive/1/index.html").read_bytes() == b"edited"


@pytest.mark.parametrize("place", ["archive", "archive/1", "archive/1/index.html", "media/a.jpg", STAGE])
def test_symbolic_links_are_not_followed(tmp_path: Path, place: str) -> None:
    root, outside = tmp_path / "site", tmp_path / "outside"
    write(root, SITE)
    outside.mkdir()
    (outside / "index.html").write_bytes(b"not yours")
    target = root / place
    if target.is_dir():
        target.rename(tmp_path / "moved")
    elif target.exists():
        target.unlink()
    target.symlink_to(outside if "." not in place[1:] else outside / "index.html")
    for files in ({**SITE, "archive/1/index.html": b"new", "media/a.jpg": b"new"}, {"index.html": b"list"}):
        with pytest.raises(FolderNotOursError, match="symbolic link"):
            write(root, files)
    assert content(outside) == {"index.html": b"not yours"}


BAD_LISTS = [b"", b"{", b"[]", b'{"kind": "x", "files": {}}', b'{"kind": "digestpress archive", "files": []}',
             b'{"kind": "digestpress archive", "files": {"a": 1}}', b"\xff\xfe", b"null"]  # fmt: skip


@pytest.mark.parametrize("listed", BAD_LISTS)
def test_a_broken_list_is_refused(tmp_path: Path, listed: bytes) -> None:
    (tmp_path / LIST).write_bytes(listed)
    with pytest.raises(FolderNotOursError):
        write(tmp_path, SITE)
    assert content(tmp_path) == {}


@pytest.mark.parametrize(
    "path", ["../victim", "/etc/passwd", "a/../../victim", "a//b", "", ".", "a/./b", LIST, f"{STAGE}/x", "a\\b", "a\0b"]
)
def test_a_list_never_reaches_out_of_the_folder(tmp_path: Path, path: str) -> None:
    root = tmp_path / "site"
    write(root, SITE)
    (tmp_path / "victim").write_bytes(b"x")
    known = json.loads((root / LIST).read_text())
    known["files"][path] = ["2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"]  # the hash of x
    (root / LIST).write_text(json.dumps(known))
    with pytest.raises(FolderNotOursError):
        write(root, {"index.html": b"list"})
    assert (tmp_path / "victim").exists()
    with Folder(tmp_path / "other") as folder, pytest.raises(FolderNotOursError):
        folder.stage(path, b"x")


def test_two_exports_at_once_do_not_mix(tmp_path: Path) -> None:
    with Folder(tmp_path / "site") as folder:
        folder.stage("index.html", b"first")
        with pytest.raises(UsageError, match="Another export"):
            write(tmp_path / "site", SITE)
        folder.publish(1)
    assert content(tmp_path / "site") == {"index.html": b"first"}
    assert write(tmp_path / "site", SITE).written == 3


class Killed(BaseException):
    """Stands for kill -9."""


def pages(names: list[str]) -> dict[str, bytes]:
    """A site in which each page links to each other one; its start comes last."""
    everything = [*names, "index"]
    return {name: " ".join(everything).encode() for name in everything}


def reached(root: Path) -> Iterator[Path]:
    """The files that whoever begins at the start comes to, there or not."""
    queue, seen = [root / "index"] if (root / "index").exists() else [], set()
    while queue:
        page = queue.pop()
        yield page
        seen.add(page)
        queue += {root / link for link in page.read_text().split()} - seen - set(queue)


@settings(max_examples=40, deadline=None)
@given(
    st.none() | st.lists(st.sampled_from("abcdef"), unique=True),
    st.lists(st.sampled_from("abcdef"), unique=True),
    st.integers(0, 14),
)
def test_killed_at_any_step_no_link_is_dead_and_a_rerun_ends_it(
    tmp_path_factory: pytest.TempPathFactory, before: list[str] | None, after: list[str], steps: int
) -> None:
    root = tmp_path_factory.mktemp("site")
    if before is not None:
        write(root, pages(before))
    with pytest.MonkeyPatch.context() as patch:
        left = iter(range(steps))

        def counted(method: str) -> None:
            original = getattr(Path, method)

            def step(self: Path, *arguments: object) -> object:
                if self.is_relative_to(root) and next(left, None) is None:
                    raise Killed
                return original(self, *arguments)

            patch.setattr(Path, method, step)

        counted("replace")
        counted("unlink")
        with suppress(Killed):
            write(root, pages(after))
    assert all(page.is_file() for page in reached(root)), "a link leads somewhere at every moment"
    write(root, pages(after))
    assert content(root) == pages(after)


def test_what_is_staged_and_not_published_leaves_no_trace(tmp_path: Path) -> None:
    write(tmp_path, SITE)

    def broken() -> None:
        with Folder(tmp_path) as folder:
            folder.stage("index.html", b"new")
            raise Killed

    with pytest.raises(Killed):
        broken()
    assert content(tmp_path) == SITE
    assert not (tmp_path / STAGE).exists()
    (tmp_path / STAGE / "archive").mkdir(parents=True)  # where nobody could clear up
    write(tmp_path, SITE)
    assert not (tmp_path / STAGE).exists()
