"""Each file of readers or articles in tests/cases/readers, held against the small file of the same name beside it.

A new case is a file and its expectations: `readers` (their columns in the database) or `articles` (their values), and
`problems`; `refused` and `hint` are what is said without `encoding`. `map`, `status` and `confirmed_by` are options.
"""

import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from digest.articles.draft import RawEntry
from digest.articles.file_formats import read_paths
from subscribers.errors import ImportFileError
from subscribers.transfer.importer import Importer, SubscriberImportReport
from subscribers.transfer.mapping import parse_mapping, read_mapping
from subscribers.transfer.reading import ImportOptions
from subscribers.transfer.rows import RowRules
from tests.support.site import CATALOGUE, SECRET, SEOUL, Site

CASES = Path(__file__).with_name("readers")
FILES = sorted(path for path in CASES.iterdir() if path.suffix != ".toml")
READERS = [path.name for path in FILES if not path.name.startswith("articles")]
ARTICLES = [path.name for path in FILES if path.name.startswith("articles")]


def expected_of(name: str) -> Any:
    return tomllib.loads((CASES / name).with_suffix(".toml").read_text("utf-8"))


def bring(site: Site, name: str, expected: Any, encoding: str = "") -> SubscriberImportReport:
    importer = Importer(site.write, RowRules(CATALOGUE, "en", SEOUL), SECRET, site.new_ref)
    mapping = expected.get("map", "")
    options = ImportOptions(
        file_name=name,
        mapping=(read_mapping(mapping.encode()) if "\n" in mapping else parse_mapping(mapping)) if mapping else None,
        confirmed_by=expected.get("confirmed_by", ""),
        status=expected.get("status", ""),
        encoding=encoding,
    )
    with (CASES / name).open("rb") as stream:
        return importer.run(stream, site.now, asked=options)


def state_of(site: Site, address: str, wanted: dict[str, Any]) -> dict[str, Any]:
    person = site.person(address.lower())
    found = person.model_dump(mode="json") | {"never_send": site.suppressed(address.lower()) or ""}
    return {name: found[name] for name in wanted}


@pytest.mark.parametrize("name", READERS)
def test_a_file_of_readers_is_read_as_it_was_meant(name: str, sqlite_engine: Engine, now: datetime) -> None:
    site, expected = Site(sqlite_engine, now), expected_of(name)
    if "refused" in expected:
        with pytest.raises(ImportFileError) as caught:
            bring(site, name, expected)
        assert expected["refused"] in str(caught.value)
        assert expected.get("hint", "") in caught.value.hint
        assert site.dump() == []
    report = bring(site, name, expected, expected.get("encoding", ""))
    problems = [str(problem) for problem in report.problems]
    assert len(problems) == len(expected.get("problems", [])), problems
    assert all(said.startswith(part) for said, part in zip(problems, expected.get("problems", []), strict=True))
    readers = expected["readers"]
    assert report.created == len(readers)
    assert [state_of(site, wanted["address"], wanted) for wanted in readers] == readers
    assert {name: getattr(report, name) for name in expected.get("report", {})} == expected.get("report", {})


@pytest.mark.parametrize("name", ARTICLES)
def test_a_table_of_articles_is_read_as_it_was_meant(name: str, tmp_path: Path) -> None:
    expected = expected_of(name)
    (tmp_path / "good.md").write_text("---\ntitle: Good\n---\nText")
    paths = [CASES / name, tmp_path / "good.md"]
    if "refused" in expected:
        problem, good = read_paths(paths)
        assert str(problem).endswith(expected["refused"])
        assert not isinstance(problem, RawEntry)
        assert expected.get("hint", "") in problem.hint
        assert isinstance(good, RawEntry)
    *found, good = read_paths(paths, expected.get("encoding", ""))
    assert isinstance(good, RawEntry), "one bad file never stops another"
    entries = [one for one in found if isinstance(one, RawEntry)]
    assert [entry.values for entry in entries] == expected.get("articles", [])
    problems = [str(one).rpartition("/")[2] for one in found if not isinstance(one, RawEntry)]
    assert problems == expected.get("problems", [])


def test_each_case_says_what_is_right() -> None:
    assert {path.stem for path in CASES.glob("*.toml")} == {path.stem for path in FILES}
