"""`digest user` and `digest audit`: what is shown once, and by whom it was done."""

import getpass
import json
from pathlib import Path

import pytest

from tests.support.command import Ended
from tests.support.run import run


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    assert run("init", str(folder), cwd=tmp_path).returncode == 0
    return folder


def digest(*arguments: str, cwd: Path, expect: int = 0) -> Ended:
    done = run(*arguments, cwd=cwd)
    assert done.returncode == expect, done
    return done


def test_an_account_is_made_listed_disabled_and_audited(workspace: Path) -> None:
    made = json.loads(
        digest("user", "add", "Kim", "--role", "approver,editor", "--name", "Kim Minji", "--json", cwd=workspace).stdout
    )
    assert (made["login"], made["name"], made["roles"]) == ("kim", "Kim Minji", ["editor", "approver"])
    assert made["totp_uri"].startswith("otpauth://totp/")
    told = digest("user", "add", "KIM", "--role", "reader", "--renew", cwd=workspace).stdout
    assert "Password: " in told
    assert "otpauth://" in told
    assert made["password"] not in told
    assert "[desk] enabled = true" in told
    assert digest("user", "add", "kim", "--role", "reader", cwd=workspace, expect=3).stderr.startswith(
        "There is an account"
    )
    digest("user", "disable", "kim", cwd=workspace)
    listed = json.loads(digest("user", "list", "--json", cwd=workspace).stdout)
    assert listed == [{"login": "kim", "name": "Kim Minji", "roles": ["reader"], "active": False}]
    entries = json.loads(digest("audit", "--json", cwd=workspace).stdout)
    assert [one["what"] for one in entries] == ["account disabled", "account renewed", "account added"]
    assert {(one["who"], one["route"], one["about"]) for one in entries} == {(getpass.getuser(), "command line", "kim")}
    assert entries[2]["details"] == {"roles": "editor,approver"}
    assert "account renewed" in digest("audit", "--since", "2020-01-01", cwd=workspace).stdout
    assert "account" not in digest("audit", "--since", "2999-01-01", cwd=workspace).stdout
    assert "YYYY-MM-DD" in digest("audit", "--since", "yesterday", cwd=workspace, expect=2).stderr


def test_what_people_do_to_an_issue_is_audited(tmp_path: Path) -> None:
    workspace = tmp_path / "sample"
    digest("init", str(workspace), "--sample", cwd=tmp_path)
    for command in (
        "issue assemble --period 2021-09 --number 21",
        "issue approve 21 --by Ada",
        "outbox hold 21",
        "outbox release 21",
        "issue withdraw 21 --yes",
    ):
        digest(*command.split(), cwd=workspace)
    entries = json.loads(digest("audit", "--json", cwd=workspace).stdout)
    assert [one["what"] for one in entries] == ["withdraw", "release", "hold", "approve", "assemble"]
    assert {one["about"] for one in entries} == {"issue 21"}
    assert entries[3]["details"]["by"] == "Ada"
