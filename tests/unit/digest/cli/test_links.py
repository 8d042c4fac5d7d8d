"""`digest links`: a rotation breaks no link, and retiring a key is a deliberate act."""

import json
import stat
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from subscribers.errors import LinkInvalidError
from subscribers.links import LinkSigner, Purpose
from tests.support.command import Ended
from tests.support.run import run

NOW = datetime(2031, 9, 30, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    digest("init", str(folder), cwd=tmp_path)
    return folder


def digest(*arguments: str, cwd: Path, expect: int = 0, **environment: str) -> Ended:
    done = run(*arguments, cwd=cwd, **environment)
    assert done.returncode == expect, done
    return done


def ring(workspace: Path) -> list[str]:
    return list(tomllib.loads((workspace / "secrets.toml").read_text())["secrets"]["link_keys"])


def test_old_links_work_after_rotations_and_die_with_their_key(workspace: Path) -> None:
    before = (workspace / "secrets.toml").read_text()
    old = LinkSigner(ring(workspace), "https://a.example").token(Purpose.UNSUBSCRIBE, "f" * 32)
    for _ in range(3):
        told = json.loads(digest("links", "rotate", "--json", cwd=workspace).stdout)["keys"]
    assert [key["signs"] for key in told] == [True, False, False, False]
    assert len(set(ring(workspace))) == 4
    signer = LinkSigner(ring(workspace), "https://a.example")
    for _ in range(2):
        assert signer.read(Purpose.UNSUBSCRIBE, old, NOW).ref == "f" * 32
    assert signer.token(Purpose.UNSUBSCRIBE, "f" * 32) != old
    after = (workspace / "secrets.toml").read_text()
    assert [line for line in after.splitlines() if "link_keys" not in line] == [
        line for line in before.splitlines() if "link_keys" not in line
    ], "the other secrets and the comments stay"
    assert stat.S_IMODE((workspace / "secrets.toml").stat().st_mode) == 0o600
    refused = digest("links", "retire", told[-1]["key"], cwd=workspace, expect=2)
    assert "stop working" in refused.stderr
    digest("links", "retire", told[-1]["key"], "--yes", cwd=workspace)
    with pytest.raises(LinkInvalidError):
        LinkSigner(ring(workspace), "https://a.example").read(Purpose.UNSUBSCRIBE, old, NOW)


def test_no_command_shows_a_key(workspace: Path) -> None:
    shown = [digest("links", "list", cwd=workspace), digest("links", "rotate", cwd=workspace)]
    for key in ring(workspace):
        assert all(key not in done.stdout + done.stderr for done in shown)


def test_the_key_that_signs_and_one_of_no_ring_cannot_be_retired(workspace: Path) -> None:
    (key,) = json.loads(digest("links", "list", "--json", cwd=workspace).stdout)["keys"]
    before = ring(workspace)
    digest("links", "retire", key["key"], "--yes", cwd=workspace, expect=3)
    digest("links", "retire", "nothing", "--yes", cwd=workspace, expect=2)
    assert ring(workspace) == before


@pytest.mark.parametrize("where", ["environment", ".env"])
def test_keys_from_elsewhere_are_not_changed_in_an_unread_file(workspace: Path, where: str) -> None:
    text = '["a key from the environment, long enough"]'
    environment = {"DIGEST_SECRETS__LINK_KEYS": text} if where == "environment" else {}
    if where == ".env":
        (workspace / ".env").write_text(f"DIGEST_SECRETS__LINK_KEYS='{text}'\n")
    before = (workspace / "secrets.toml").read_text()
    assert "environment" in digest("links", "rotate", cwd=workspace, expect=3, **environment).stderr
    assert (workspace / "secrets.toml").read_text() == before


@pytest.mark.parametrize("broken", ["", "link_keys = [", "[secrets]\nlink_keys = []\n"])
def test_a_file_that_cannot_be_changed_safely_is_left_alone(workspace: Path, broken: str) -> None:
    path = workspace / "secrets.toml"
    path.write_text(broken)
    digest("links", "rotate", cwd=workspace, expect=2)
    assert path.read_text() == broken


def test_a_ring_over_several_lines_keeps_every_key(workspace: Path) -> None:
    path = workspace / "secrets.toml"
    first = ring(workspace)[0]
    second = 'another "key" with \\\\ odd signs'
    path.write_text(path.read_text().replace(f'["{first}"]', f"[\n  \"{first}\",  # made in 2021\n  '{second}',\n]"))
    digest("links", "rotate", cwd=workspace)
    assert ring(workspace)[1:] == [first, second]
