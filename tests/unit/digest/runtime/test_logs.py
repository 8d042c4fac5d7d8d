"""Logs: one form, masked last of all; and the watch that looks at the whole suite's logs really sees them."""

import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from digest.runtime import logs
from digest.runtime.db import make_engine
from digest.runtime.errors import UsageError
from digest.runtime.privacy import masked
from subscribers.links import LinkSigner, Purpose
from tests.support.privacy import WATCH, is_service, personal

ADDRESS = "ada.lovelace+news@mail.example.org"


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Where logs go that are set up for the time of a test."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    return io.StringIO()


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_slips_into_a_line_is_masked(stream: io.StringIO, form: logs.Form) -> None:
    logs.set_up(form, stream=stream)
    token = LinkSigner(["k" * 32], "https://example.org").token(Purpose.UNSUBSCRIBE, "a" * 32)
    try:
        raise ValueError(f"550 <{ADDRESS}> unknown")
    except ValueError:
        logging.getLogger("some.library").exception("%s at /unsubscribe/%s", ADDRESS, token)
    written = stream.getvalue()
    assert "ValueError" in written
    assert not personal(written)
    WATCH.found.clear()  # the watch saw it, as it should; here it was on purpose


def test_json_lines_are_one_object_each(stream: io.StringIO) -> None:
    logs.set_up("json", stream=stream)
    logging.getLogger("digest.delivery").warning("two\nlines and a \x00")
    logging.getLogger("digest.delivery").info("not of interest")
    (line,) = stream.getvalue().splitlines()
    said = json.loads(line)
    assert said["level"] == "warning"
    assert said["logger"] == "digest.delivery"
    assert said["message"] == "two\nlines and a \x00"
    assert said["time"].endswith("Z")


def test_verbose_says_more_but_no_librarys_parameters(stream: io.StringIO, tmp_path: Path) -> None:
    logs.set_up("text", verbose=True, stream=stream)
    logging.getLogger("digest.delivery").info("of interest")
    engine = make_engine(f"sqlite:///{tmp_path}/told.db")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (a TEXT UNIQUE)"))
        connection.execute(text("INSERT INTO t VALUES (:a)"), {"a": ADDRESS})
    assert stream.getvalue() == "of interest\n"
    with pytest.raises(DBAPIError) as caught, engine.begin() as connection:
        connection.execute(text("INSERT INTO t VALUES (:a)"), {"a": ADDRESS})
    assert ADDRESS not in str(caught.value)
    engine.dispose()


@given(st.text(), st.emails(), st.text())
def test_no_address_survives(before: str, address: str, after: str) -> None:
    told = masked(f"{before} <{address}> {after}")
    assert f" <{address}> " not in told


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("postgresql://digest:password@db/digest is away", "postgresql://db/digest is away"),
        ("Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer <secret>"),
        ("a%40example.org", "<address>"),
        ("250 2.0.0 Ok: queued as 4F2A", "250 2.0.0 Ok: queued as 4F2A"),
        ("relay.example.org:587 cannot be reached", "relay.example.org:587 cannot be reached"),
        (
            "digest.delivery.worker_that_has_a_rather_long_name.and_more",
            "digest.delivery.worker_that_has_a_rather_long_name.and_more",
        ),
    ],
)
def test_what_is_masked_and_what_is_left_alone(line: str, kept: str) -> None:
    assert masked(line) == kept


def test_the_form_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert logs.form_of("") == "text"
    monkeypatch.setenv("DIGEST_LOG", "json")
    assert logs.form_of("") == "json"
    assert logs.form_of("text") == "text"
    with pytest.raises(UsageError):
        logs.form_of("xml")


@pytest.mark.parametrize("arguments", [["--log-format", "json"], ["--log-format=json"], []])
def test_a_command_says_what_is_wrong_as_json(tmp_path: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "digest", "tick", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    if arguments:
        said = json.loads(done.stderr)
        assert said["level"] == "error"
        assert "digest init" in said["hint"]
    else:
        assert done.stderr.startswith("No digest.toml was found")


# The watch over the whole suite


@pytest.mark.parametrize(
    "name",
    [
        "digest.delivery.worker.loop",
        "uvicorn.error",
        "sqlalchemy.engine.Engine",
        "mail.log",
        "procrastinate.worker",
        "anything",
    ],
)
def test_the_watch_sees_every_logger(name: str) -> None:
    logger = logging.getLogger(name)
    seen = WATCH.records
    logger.error("for %s", ADDRESS)
    child = logger.getChild("that.does.not.propagate")
    child.propagate = False
    child.addHandler(logging.NullHandler())
    child.error("https://example.org/u/%s", LinkSigner(["k" * 32], "https://x").token(Purpose.UNSUBSCRIBE, "b" * 32))
    assert WATCH.records - seen == 2
    assert len(WATCH.found) == 2
    WATCH.found.clear()


def test_the_watch_sees_what_exceptions_say() -> None:
    try:
        raise OSError(f"no mailbox {ADDRESS}")
    except OSError:
        logging.getLogger("digest").exception("it failed")
    assert len(WATCH.found) == 1
    WATCH.found.clear()


def test_the_watch_sees_the_stderr_of_services() -> None:
    script = f"import sys; sys.stderr.write('sent to {ADDRESS}')"
    process = subprocess.Popen([sys.executable, "-c", script, "digest", "worker"], stderr=subprocess.PIPE)
    process.communicate()
    assert len(WATCH.found) == 1
    WATCH.found.clear()
    assert is_service(["/bin/digest", "--json", "schedule", "run"])
    assert not is_service(["python", "-m", "digest", "subscribers", "show"])
