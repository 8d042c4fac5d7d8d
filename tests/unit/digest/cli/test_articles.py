"""`digest articles`: removal, and what an import says of files that are gone or odd."""

import json
from pathlib import Path
from typing import Any

from tests.support.run import run


def articles(workspace: Path, *arguments: str, code: int = 0) -> Any:
    ended = run("--json", "articles", *arguments, cwd=workspace)
    assert ended.returncode == code, ended
    return json.loads(ended.stdout)


def write(workspace: Path, name: str, front: str, body: str = "Text.") -> None:
    (workspace / "articles" / name).write_text(f"---\n{front}\n---\n{body}\n", "utf-8")


def test_deleted_files_are_noticed_and_pruned(workspace: Path) -> None:
    for name in ("a", "b", "c"):
        write(workspace, f"{name}.md", f"title: {name}")
    articles(workspace, "import", "articles")
    (workspace / "articles" / "b.md").unlink()
    assert articles(workspace, "import", "articles")["missing"] == ["b"]
    assert articles(workspace, "import", "articles", "--prune", "--dry-run")["removed"] == ["b"]
    assert articles(workspace, "import", "articles", "--prune")["removed"] == ["b"]
    assert "b" not in [one["slug"] for one in articles(workspace, "list")]
    assert articles(workspace, "remove", "c") == {"removed": "c", "source_path": "c.md"}
    assert articles(workspace, "import", "articles")["created"] == ["c"]


def test_notes_have_lines_and_do_not_fail_an_import(workspace: Path) -> None:
    write(workspace, "a.md", "title: a", "A <!-- ask --> b\n\n*|FNAME|*")
    report = articles(workspace, "import", "articles/a.md")
    assert [(one["line"], one["message"].split(" is ")[0].split(" looks ")[0]) for one in report["notes"]] == [
        (4, "<!-- ask -->"),
        (6, "*|FNAME|*"),
    ]
    assert "a.md:4: <!-- ask --> is removed." in run("articles", "import", "articles/a.md", cwd=workspace).stderr


def test_one_bad_table_of_articles_stops_no_other_file(workspace: Path) -> None:
    (workspace / "bad.csv").write_text("title,image,image.src\nq,a,b\n")
    write(workspace, "a.md", "title: a")
    report = articles(workspace, "import", "bad.csv", "articles/a.md", code=1)
    assert report["created"] == ["a"]
    assert [(one["line"], one["message"]) for one in report["problems"]] == [
        (1, "The columns image and image.src cannot be used together.")
    ]
