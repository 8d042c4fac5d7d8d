"""The sample that ships with the program imports without a single complaint."""

import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from digest.articles.exporting import export
from digest.articles.importing import import_paths
from digest.articles.intake import KnownSlugs
from digest.articles.models import Article


@pytest.fixture
def session(sqlite_engine: Engine) -> Iterator[Session]:
    with Session(sqlite_engine, expire_on_commit=False) as session:
        yield session


@pytest.fixture
def known(repo_root: Path) -> KnownSlugs:
    settings = tomllib.loads((repo_root / "digest/workspace/sample/digest.toml").read_text())
    sections, topics = ([one["slug"] for one in settings[key]] for key in ("section", "interest"))
    return KnownSlugs(sections, topics, settings["publication"]["language"])


def test_the_sample_imports_and_comes_back_unchanged(
    now: datetime, session: Session, repo_root: Path, tmp_path: Path, known: KnownSlugs
) -> None:
    sample = repo_root / "digest/workspace/sample/articles"
    report = import_paths(session, [sample], known=known, now=now)
    assert [str(problem) for problem in report.problems] == []
    assert len(report.created) == len(list(sample.rglob("*.md")))
    originals = [one for one in session.exec(select(Article)).all() if one.group == one.slug]
    assert len(originals) == 13
    export(session, tmp_path / "out")
    again = import_paths(session, [tmp_path / "out"], known=known, now=now)
    assert sorted(again.unchanged) == sorted(report.created)
