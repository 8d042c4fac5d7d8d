"""`digest outbox reconcile` as a person and a script meet it: what it shows, what it asks, how it ends."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from digest.app import open_app
from digest.cli import app
from digest.runtime.errors import UsageError
from tests.support.ledger import Ledger


class Typed:
    """A workspace with three uncertain deliveries, and a log that knows the first."""

    def __init__(self, workspace: Path, engine: Engine, now: datetime) -> None:
        self.workspace, self.now = workspace, now
        self.environment = {**os.environ, "DIGEST_DATABASE__URL": str(engine.url), "DIGEST_NOW": now.isoformat()}
        self.ledger = Ledger(engine, now, workspace)
        self.ledger.planned(3)
        taken = self.ledger.take(limit=3)
        self.ledger.recover()
        self.ids = [str(one.id) for one in taken]
        own_id = open_app(workspace).delivery.writer.message_id(21, taken[0].reader.ref)
        self.log = (
            f"{now.isoformat()} relay postfix/cleanup[2]: AAAAA1: message-id={own_id}\n"
            f"{now.isoformat()} relay postfix/qmgr[3]: AAAAA1: from=<x@y>, size=1, nrcpt=1 (queue active)\n"
        )
        (workspace / "mail.log").write_text(self.log)

    def run(self, *arguments: str, expect: int, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "digest", "outbox", *arguments],
            cwd=self.workspace,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            input=stdin or "",
        )
        assert done.returncode == expect, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def json(self, *arguments: str, expect: int, stdin: str | None = None) -> Any:
        return json.loads(self.run(*arguments, "--json", expect=expect, stdin=stdin).stdout)


@pytest.fixture
def typed(workspace: Path, sqlite_engine: Engine, now: datetime, monkeypatch: pytest.MonkeyPatch) -> Typed:
    monkeypatch.setenv("DIGEST_DATABASE__URL", str(sqlite_engine.url))
    return Typed(workspace, sqlite_engine, now)


def test_it_shows_what_the_log_says_asks_and_keeps_the_evidence(typed: Typed) -> None:
    shown = typed.run("reconcile", "--log", "mail.log", expect=2)
    assert "reader1@example.org" in shown.stdout
    assert "mail.log:2" in shown.stdout
    assert "Resolve 1 uncertain delivery as shown?" in shown.stderr  # and nobody is there to answer
    assert typed.ledger.counts() == {"uncertain": 3}
    planned = typed.json("reconcile", "--dry-run", "--log", "-", expect=1, stdin=typed.log)
    assert planned["resolved"][0]["source"] == "(stdin):2"
    assert typed.ledger.counts() == {"uncertain": 3}
    done = typed.json("reconcile", "--yes", "--log", "mail.log", "mail.log", expect=1)
    assert {key: done[key] for key in ("files", "from_files", "recovered", "by_evidence", "unresolved", "dry_run")} == {
        "files": 0,
        "from_files": 0,
        "recovered": 0,
        "by_evidence": 1,
        "unresolved": 2,
        "dry_run": False,
    }
    assert done["resolved"][0].keys() >= {"id", "state", "evidence", "source"}
    assert done["left"] == {
        "the log does not show that the relay accepted it, which proves nothing unless the log is complete (--complete)": 2
    }
    assert "in its queue as AAAAA1" in typed.json("show", typed.ids[0], expect=0)["reason"]
    assert typed.ledger.counts() == {"accepted": 1, "uncertain": 2}


def test_a_person_settles_what_they_name_and_then_the_rest(typed: Typed) -> None:
    typed.run("reconcile", typed.ids[1], "--assume", "accepted", expect=2)  # nobody answers
    assert typed.ledger.counts() == {"uncertain": 3}
    one = typed.json("reconcile", typed.ids[1], "--assume", "accepted", "--by", "Ada", "--yes", expect=1)
    assert (one["by_person"], one["unresolved"]) == (1, 2)
    assert typed.json("show", typed.ids[1], expect=0)["reason"] == "assumed accepted by Ada"
    assert "not uncertain" in typed.run("reconcile", typed.ids[1], "--assume", "rejected", "--yes", expect=2).stderr
    rest = typed.run("reconcile", "--assume", "rejected", "--all", "--issue", "21", "--yes", expect=0)
    assert "Resolved 0 from saved files (0), 2 on a person's word." in rest.stdout
    assert typed.ledger.counts() == {"accepted": 1, "rejected": 2}


@pytest.mark.parametrize(
    "arguments",
    [
        ["mail.log"],
        ["7", "--assume", "perhaps"],
        ["--assume", "accepted"],
        ["x7", "--assume", "accepted"],
        ["7", "--assume", "accepted", "--all"],
        ["7", "--assume", "accepted", "--log", "mail.log"],
        ["--by", "Ada"],
        ["--complete"],
        ["--log", "mail.log", "--dsn", "a.eml", "b.eml"],
        ["--log", "missing.log"],
        ["--dsn", "missing.eml"],
        ["--log", "mail.log", "--zone", "Nowhere/Land"],
        ["99999", "--assume", "accepted"],
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_a_sentence_and_changes_nothing(
    typed: Typed, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(typed.workspace)
    with pytest.raises(UsageError) as raised:
        app(args=["outbox", "reconcile", *arguments, "--yes"])
    assert raised.value.message
    assert "\n" not in raised.value.message
    assert typed.ledger.counts() == {"uncertain": 3}


def test_what_was_not_taken_is_due_again_by_a_complete_log(typed: Typed) -> None:
    around = "".join(
        f"{(typed.now + timedelta(minutes=minutes)).isoformat()} relay postfix/anvil[1]: statistics\n"
        for minutes in (-5, 1, 20)
    )
    (typed.workspace / "mail.log").write_text(around + typed.log)
    typed.environment["DIGEST_NOW"] = (typed.now + timedelta(minutes=30)).isoformat()
    done = typed.run("reconcile", "--log", "mail.log", "--complete", "--yes", expect=0)
    assert "Next: digest worker" in done.stdout
    assert typed.ledger.counts() == {"accepted": 1, "pending": 2}
