"""`digest doctor` says what should run by itself and does not, and is quiet where it cannot know."""

import json
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.workspace.backup.record import BackupRecord
from digest.workspace.doctor import services
from tests.support.world import World, free_port


def found(world: World) -> dict[str, str]:
    """The ids of all findings, and their messages; none of them blocks."""
    done = world.call("doctor", "--json")
    assert done.returncode in {0, 1}
    findings = json.loads(done.stdout)["findings"]
    assert {one["severity"] for one in findings} <= {"advise"}
    return {one["id"]: one["message"] for one in findings}


def test_a_new_workspace_lacks_nothing_yet(sample: World) -> None:
    assert found(sample) == {}


def test_once_mail_has_gone_out_what_is_missing_is_told(sent: World) -> None:
    sent.environment["DIGEST_PUBLICATION__BASE_URL"] = f"http://127.0.0.1:{free_port()}"
    assert found(sent).keys() == {"backup-none", "web-server", "schedule-none"}
    sent.digest("db", "backup", "a.backup")
    sent.digest("tick")
    with socket.create_server(("127.0.0.1", 0)) as server:
        sent.environment["DIGEST_PUBLICATION__BASE_URL"] = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert found(sent) == {}
    sent.environment["DIGEST_PUBLICATION__BASE_URL"] = "https://digest.example.org"
    assert found(sent) == {}


def test_a_backup_that_is_old_or_has_changed_is_told(sent: World) -> None:
    sent.digest("db", "backup", "a.backup")
    with (sent.folder / "a.backup").open("ab") as file:
        file.write(b"x")
    assert "a.backup, has changed" in found(sent)["backup-changed"]
    (sent.folder / "a.backup").unlink()  # moved to another machine
    assert not {one for one in found(sent) if one.startswith("backup")}
    sent.set_now("2021-10-15T20:00:00+09:00")
    assert "15 days old" in found(sent)["backup-old"]


def test_a_backup_that_failed_or_was_killed_is_told(sent: World) -> None:
    sent.digest("db", "backup", "a.backup")
    (sent.folder / "precious").write_text("not a backup")
    sent.digest("db", "backup", "precious", expect=2)
    assert "the last good one is from 2021-09-2" in found(sent)["backup-failed"]
    record = BackupRecord.read(sent.folder)
    for hours, told in ((1, False), (3, True)):
        record.failed(datetime(2021, 9, 29, 23, tzinfo=UTC) - timedelta(hours=hours)).write(sent.folder)
        assert ("backup-failed" in found(sent)) is told


@pytest.mark.one_database
def test_a_calendar_that_nothing_looks_at_any_more_is_told(sent: World) -> None:
    sent.digest("tick")
    assert not {"schedule-none", "schedule-stopped"} & found(sent).keys()
    os.utime(sent.folder / ".state" / "clock.json", (0, 0))
    assert "schedule-stopped" in found(sent)


def test_a_unit_that_was_installed_is_enabled(sample: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "UNITS", tmp_path)
    (tmp_path / "digest-backup.timer").touch()
    assert found(sample) == {"unit-disabled": "digest-backup.timer is installed but not enabled"}
    (tmp_path / "timers.target.wants").mkdir()
    (tmp_path / "timers.target.wants" / "digest-backup.timer").touch()
    assert found(sample) == {}
