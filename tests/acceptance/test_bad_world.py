"""A world that fails: full disks, read-only folders, wrong commands. One sentence, a hint, the right exit code, nothing by half."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.damage import damage, damage_rows
from tests.support.small_disk import small_disk
from tests.support.world import WAIT_SECONDS, World

pytestmark = pytest.mark.one_database


def run(world: World, *arguments: str, cwd: Path | None = None) -> tuple[int, str]:
    done = world.call(*arguments, cwd=cwd)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small", 1) as folder:
        yield folder


def test_a_full_disk_is_told_and_leaves_no_half_mail(approved: World, small: Path) -> None:
    sample = approved
    sample.environment["DIGEST_DELIVERY__PATIENCE"] = "1"
    code, told = run(sample, "send", "21", "--yes", "--relay", f"maildir:{small / 'full'}")
    assert code == 4
    assert "space" in told.lower()
    status = sample.json("outbox", "status", "21")
    written = list((small / "full" / "new").iterdir())
    assert status["states"]["accepted"] == len(written) > 0
    assert all(path.read_bytes().rstrip().endswith(b"--") or b"multipart" not in path.read_bytes() for path in written)
    assert status["states"]["pending"] + status["states"]["deferred"] == status["planned"] - len(written)
    # there is room again: the same command goes on where it stopped
    subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
    sample.set_now("2021-10-02T08:00:00+09:00")
    sample.digest("send", "21", "--yes", "--relay", f"maildir:{small / 'full'}")
    assert len(list((small / "full" / "new").iterdir())) == status["planned"]


def test_a_read_only_folder_is_told(world: World, small: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    world.folder.mkdir()
    code, told = run(world, "init", str(small / "here"))
    assert code == 4
    assert "Read-only" in told
    assert list(small.iterdir()) == []


def test_a_database_that_is_away_is_told(sample: World) -> None:
    sample.environment["DIGEST_DATABASE__URL"] = "postgresql://nobody@127.0.0.1:1/none"
    code, told = run(sample, "issue", "list")
    assert code == 4
    assert "database" in told


@pytest.mark.parametrize("at", [0, 28, 4096], ids=["its head", "its size", "its schema"])
def test_a_damaged_database_is_told_by_every_command(sent: World, at: int) -> None:
    path = Path(sent.database_url.removeprefix("sqlite:///"))
    damage(path, at, 4000 if at else 16)
    for arguments in (["db", "check"], ["db", "upgrade"], ["db", "backup", "x"], ["issue", "list"], ["doctor"]):
        code, told = run(sent, *arguments)
        assert code in {1, 4}, (arguments, told)
        if arguments != ["doctor"]:
            assert (told.count("\n  → "), "damaged" in told, "restore" in told) == (1, True, True), (arguments, told)


def test_a_damaged_table_fails_the_check_and_is_named(sent: World) -> None:
    assert sent.json("db", "check")["damage"] == []
    damage_rows(Path(sent.database_url.removeprefix("sqlite:///")), "subscriber")
    assert {one["table"] for one in sent.json("db", "check", expect=1)["damage"]} == {"subscriber"}
    assert "digest db restore FILE" in sent.digest("db", "check", expect=1)
    code, told = run(sent, "subscribers", "export", "readers.csv")
    assert (code, "damaged" in told) == (4, True)
    assert "example." not in told


def test_doctor_goes_on_past_a_damaged_table(sent: World) -> None:
    damage_rows(Path(sent.database_url.removeprefix("sqlite:///")), "delivery")
    found = {one["id"]: one for one in sent.json("doctor", expect=4)["findings"]}
    assert "damaged" in found["database-unreachable"]["message"]
    assert "restore" in found["database-unreachable"]["remedy"]


WRONG = [
    (["issue", "show", "99"], 2, "no issue 99"),
    (["issue", "assemble", "--period", "2021-13"], 2, "not a period"),
    (["issue", "edit", "21", "--add", "nothing"], 2, "no article 'nothing'"),
    (["send", "21"], 3, "not approved"),
    (["send", "21", "--yes", "--relay", "carrier-pigeon"], 3, "not approved"),
    (["outbox", "show", "12345"], 2, "no delivery 12345"),
    (["outbox", "list", "--state", "sent"], 2, "Unknown state 'sent'"),
    (["articles", "import", "nowhere.md"], 2, "nowhere.md"),
    (["subscribers", "import", "nowhere.csv"], 2, "nowhere.csv"),
    (["subscribers", "show", "nobody@example.org"], 2, "no subscriber"),
    (["issue", "withdraw", "99"], 2, "no issue 99"),
]


def test_wrong_commands_are_answered_in_one_sentence(sample: World) -> None:
    sample.digest("issue", "assemble", "--period", "2021-09", "--number", "21")
    for arguments, code, words in WRONG:
        ended, told = run(sample, *arguments)
        assert (ended, words in told) == (code, True), (arguments, ended, told)


def test_outside_a_workspace_the_way_in_is_told(world: World, tmp_path: Path) -> None:
    code, told = run(world, "issue", "list", cwd=tmp_path)
    assert code == 2
    assert "digest init" in told


def test_an_error_and_the_help_of_a_process_are_the_same(sample: World) -> None:
    """The other tests call the command in their own process; this one holds that a shell sees no other thing."""
    ended = sample.start("issue", "show", "99")
    out, told = ended.communicate(timeout=WAIT_SECONDS)
    assert (ended.returncode, out, told) == (2, "", run(sample, "issue", "show", "99")[1])
    assert sample.process("--help").replace("python -m digest", "digest") == sample.digest("--help")


def test_a_send_without_anybody_to_confirm_it_sends_nothing(approved: World) -> None:
    sample = approved
    code, told = run(sample, "send", "21")
    assert code == 2
    assert "--yes" in told
    assert "24 readers" in told
    assert not (sample.folder / "outbox" / "new").exists()


def test_a_relay_off_this_machine_is_refused_until_it_is_allowed(approved: World) -> None:
    sample = approved
    code, told = run(sample, "send", "21", "--yes", "--relay", "smtp://mail.example.org:587")
    assert code == 3
    assert "allow_send" in told
