"""What holds personal data or secrets is for its owner only, whatever the umask, and doctor names what is not."""

import os
import smtplib
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from digest.runtime.db import make_engine
from digest.sink.server import Sink
from tests.support.world import World

PUBLIC = {"articles", "templates", "digest.toml", "certificate.pem"}


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=["umask 000", "umask 022", "umask 077"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def loose(folder: Path) -> list[str]:
    """What others may do anything with, except what anybody may read anyway."""
    found = [folder, *folder.rglob("*")]
    return [
        f"{path.relative_to(folder)} {stat.S_IMODE(path.stat().st_mode):o}"
        for path in found
        if path.stat().st_mode & 0o077 and not PUBLIC & set(path.relative_to(folder).parts)
    ]


@pytest.mark.one_database
@pytest.mark.usefixtures("umask")
def test_what_a_month_leaves_is_for_its_owner_only(world: World, tmp_path: Path) -> None:
    kept = tmp_path / "deep" / "kept"
    world.environment.pop("DIGEST_DATABASE__URL")
    world.folder.mkdir()
    world.digest("demo", "--keep", str(kept))
    world.folder = kept
    for arguments in (
        ["db", "backup", "backups/a.backup"],
        ["subscribers", "export", "readers.jsonl"],
        ["dkim", "generate", "--selector", "x"],
        ["links", "rotate"],
        ["outbox", "reconcile"],
        ["subscribers", "erase", "ada@example.org", "--yes"],
    ):
        world.call(*arguments)
    world.call("tick")
    world.digest("metrics")
    with Sink(kept / "sink", starttls=True) as sink, smtplib.SMTP("127.0.0.1", sink.port) as client:
        client.sendmail("a@example.org", "b@example.org", "Subject: x\r\n\r\nx")
    engine = make_engine(f"sqlite:///{kept / 'digest.db'}")
    with engine.connect():
        assert (kept / "digest.db-wal").exists()
        assert loose(kept) == []
    engine.dispose()
    names = {path.name for path in kept.rglob("*")}
    assert {"new", "a.backup", "readers.jsonl", "dkim-x.pem", "backup.json", "secrets.toml", "sink"} <= names
    assert loose(tmp_path / "deep") == []


@pytest.mark.one_database
def test_doctor_names_what_others_can_read(sent: World) -> None:
    sent.environment["DIGEST_PUBLICATION__BASE_URL"] = "https://digest.example.org"
    database = Path(sent.database_url.removeprefix("sqlite:///"))
    sent.environment["DIGEST_DATABASE__URL"] = f"sqlite:///{database.rename(sent.folder / 'digest.db')}"
    (sent.folder / "digest.db").chmod(0o600)
    sent.digest("db", "backup", "a.backup")

    for name in ("", "outbox", "a.backup", "digest.db"):
        path = sent.folder / (name or "outbox")
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(0o755 if name else 0o750)  # a group may be let in
        found = [one["remedy"] for one in sent.json("doctor", expect=1)["findings"] if one["id"] == "data-readable"]
        assert [words.startswith(f"chmod -R o= {path}") for words in found] == [True] * bool(name)
        path.chmod(mode)
