"""Real parts: a real Postfix bounces, and its report comes back by a pipe, or from a real Dovecot by IMAP."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from digest.sink.server import Sink
from tests.support.dovecot import PASSWORD, USER, Dovecot, DovecotUnavailableError
from tests.support.postfix import Postfix, PostfixUnavailableError
from tests.support.world import World

GONE, FINE = "550@example.org", "ada@example.net"
RETURN_PATH = '\n[feedback]\nreturn_path = "bounces@news.example.org"\n'


@pytest.fixture
def press(sample: World) -> World:
    """The approved sample with a return path, and two readers whom mails reach or not."""
    settings = sample.folder / "digest.toml"
    settings.write_text(settings.read_text() + RETURN_PATH)
    for address in (GONE, FINE):
        sample.digest("subscribers", "add", address, "--confirmed-by", "test")
    sample.approve_issue_21()
    return sample


@pytest.fixture
def pipe() -> Iterator[Path]:
    """A named pipe that Postfix's user may write into: the interpreter may be where only root can read."""
    with tempfile.TemporaryDirectory(prefix="pipe-") as name:
        Path(name).chmod(0o755)
        path = Path(name) / "pipe"
        os.mkfifo(path)
        path.chmod(0o666)
        yield path


def started(make: Callable[[], Postfix | Dovecot], stack: ExitStack) -> Postfix | Dovecot:
    try:
        return stack.enter_context(make())
    except (PostfixUnavailableError, DovecotUnavailableError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


def states(world: World) -> dict[str, str]:
    return {row["address"]: row["state"] for row in world.json("outbox", "list", "21")}


def bounced(world: World, postfix: Postfix) -> None:
    """Send the issue, and wait until its bounce has come back."""
    world.digest("send", "21", "--yes", "--relay", f"smtp://127.0.0.1:{postfix.port}")
    assert set(states(world).values()) == {"accepted"}
    postfix.wait_for("delivered via bouncepipe service")


def is_known_to_be_gone(world: World) -> None:
    assert {address: state for address, state in states(world).items() if state != "accepted"} == {GONE: "rejected"}
    shown = world.json("suppress", "lookup", GONE)
    assert (shown["reason"], shown["evidence"][0]["kind"]) == ("hard_bounce", "hard")
    assert "no such mailbox" in shown["source"]
    assert world.json("suppress", "lookup", FINE)["suppressed"] is False


@pytest.mark.one_database
def test_a_bounce_comes_back_through_postfixs_pipe(press: World, pipe: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(tmp_path / "arrived"))
        postfix = started(lambda: Postfix(sink.port, f"exec cat >{pipe}"), stack)
        assert isinstance(postfix, Postfix)
        command = [*press.command, "feedback", "ingest", "-", "--json"]
        with ThreadPoolExecutor() as pool:
            reading = pool.submit(run_on, pipe, command, press)
            bounced(press, postfix)
            done = reading.result(timeout=60)
        assert (done.returncode, json.loads(done.stdout)["counted"]["hard"]) == (0, 1), done.stderr
        is_known_to_be_gone(press)


def run_on(pipe: Path, command: list[str], world: World) -> subprocess.CompletedProcess[str]:
    with pipe.open("rb") as stream:
        environment = world.environment_now()
        return subprocess.run(
            command, stdin=stream, env=environment, cwd=world.folder, capture_output=True, text=True, check=False
        )


@pytest.mark.one_database
def test_a_bounce_comes_back_by_imap_from_dovecot(press: World, tmp_path: Path) -> None:
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(tmp_path / "arrived"))
        dovecot = started(Dovecot, stack)
        assert isinstance(dovecot, Dovecot)
        keep = f"cat >{dovecot.maildir}/tmp/$$ && mv {dovecot.maildir}/tmp/$$ {dovecot.maildir}/new/$$.test"
        postfix = started(lambda: Postfix(sink.port, keep), stack)
        assert isinstance(postfix, Postfix)
        bounced(press, postfix)
        settings, secret = press.folder / "digest.toml", press.folder / "imap-password"
        secret.write_text(PASSWORD)
        secret.chmod(0o600)
        mailbox = f'host = "localhost"\nport = {dovecot.port}\nusername = "{USER}"\npassword_file = "{secret.name}"\n'
        settings.write_text(f"{settings.read_text()}\n[[feedback.mailbox]]\n{mailbox}")

        press.process("feedback", "poll", expect=4)  # its certificate is not trusted
        press.environment["SSL_CERT_FILE"] = str(dovecot.certificate)
        assert "1 hard" in press.process("feedback", "poll")
        is_known_to_be_gone(press)
        assert "0 read" in press.process("feedback", "poll")  # it was marked as seen, and stays
        assert list((dovecot.maildir / "cur").iterdir())
