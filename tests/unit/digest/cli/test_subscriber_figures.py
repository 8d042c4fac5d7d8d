"""`digest subscribers stats` and `check` in words: what a person reads, and that nothing was changed by it."""

import json
from pathlib import Path

from tests.support.run import run

FILE = """email,status,confirmed_at,consent_source
kim@gmial.com,confirmed,2020-11-17,paper
noreply@example.org,confirmed,2020-12-17,paper
ada@naver.com,confirmed,2020-12-18,paper
"""


def digest(workspace: Path, *arguments: str, expect: int = 0) -> str:
    done = run(*arguments, cwd=workspace)
    assert done.returncode == expect, done
    return done.stdout


def test_doubtful_readers_are_told_in_words_and_kept(workspace: Path) -> None:
    (workspace / "readers.csv").write_text(FILE)
    told = digest(workspace, "subscribers", "import", "readers.csv", "--yes")
    assert "readers.csv:2: doubtful: gmial.com looks like a typo of gmail.com" in told
    assert "readers.csv:3: doubtful: noreply@ is a role mailbox or belongs to a program" in told
    before = digest(workspace, "subscribers", "export", "--format", "csv")
    listed = digest(workspace, "subscribers", "check")
    assert [line.split()[:2] for line in listed.splitlines()[1:]] == [
        ["mistyped", "kim@gmial.com"],
        ["role", "noreply@example.org"],
    ]
    words = digest(workspace, "subscribers", "stats", "--full")
    for row in (["provider", "naver", "1"], ["doubtful", "mistyped", "1"], ["2020-12", "2", "0", "0", "0"]):
        assert row in [line.split() for line in words.splitlines()]
    assert digest(workspace, "subscribers", "export", "--format", "csv") == before


def test_the_figures_of_the_index_do_not_have_the_full_ones(workspace: Path) -> None:
    quick, full = (json.loads(digest(workspace, "subscribers", "stats", "--json", *o)) for o in ((), ("--full",)))
    assert full.keys() - quick.keys() == {"provider", "growth", "doubtful"}
    assert {name: full[name] for name in quick} == quick


def test_an_address_added_by_hand_is_doubted_on_stderr(workspace: Path) -> None:
    done = run("subscribers", "add", "kim@hotmial.com", "--confirmed-by", "paper", "--json", cwd=workspace)
    assert (done.returncode, json.loads(done.stdout)["address"]) == (0, "kim@hotmial.com")
    assert "hotmial.com looks like a typo of hotmail.com; it was added as entered." in done.stderr
