"""The sample that ships with the program imports without a single complaint."""

import tomllib
from pathlib import Path

import pytest
from sqlmodel import Session, select

from digest.articles.exporting import export
from digest.articles.importing import import_paths
from digest.articles.intake import KnownSlugs
from digest.articles.models import Article
from tests.support.editor import Desk


@pytest.fixture
def known(repo_root: Path) -> KnownSlugs:
    settings = tomllib.loads((repo_root / "digest/workspace/sample/digest.toml").read_text())
    sections, topics = ([one["slug"] for one in settings[key]] for key in ("section", "interest"))
    return KnownSlugs(sections, topics, settings["publication"]["language"])


def test_the_sample_imports_and_comes_back_unchanged(
    desk: Desk, session: Session, repo_root: Path, tmp_path: Path, known: KnownSlugs
) -> None:
    sample = repo_root / "digest/workspace/sample/articles"
    report = import_paths(session, [sample], known=known, now=desk.now)
    assert [str(problem) for problem in report.problems] == []
    assert len(report.created) == len(list(sample.rglob("*.md")))
    originals = [one for one in session.exec(select(Article)).all() if one.group == one.slug]
    assert len(originals) == 13
    export(session, tmp_path / "out")
    again = import_paths(session, [tmp_path / "out"], known=known, now=desk.now)
    assert sorted(again.unchanged) == sorted(report.created)
