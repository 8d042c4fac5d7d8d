"""`digest sink` as scripts run it: one JSON document, a page beside, a clean end, and one sentence for what cannot be."""

import json
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "digest", "sink", *arguments]


@contextmanager
def running(*arguments: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """The command, and what it printed when it was ready."""
    with subprocess.Popen(
        command("--json", *arguments), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        text = ""
        for line in process.stdout:
            text += line
            if line == "}\n":
                break
        try:
            yield process, json.loads(text)
        finally:
            process.kill()


def send(port: int, address: str = "reader@example.org") -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="x") as client:
        client.sendmail("a@example.org", [address], b"Subject: hello\r\n\r\nhello\r\n")


@pytest.mark.parametrize("stopping", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("arguments", [[], ["--no-http"]])
def test_it_takes_mail_shows_it_and_ends_cleanly(
    tmp_path: Path, arguments: list[str], stopping: signal.Signals
) -> None:
    with running("--port", "0", "--maildir", "kept", *arguments, cwd=tmp_path) as (process, told):
        assert told["smtp"] == f"smtp://127.0.0.1:{told['port']}"
        assert told["maildir"] == str(tmp_path / "kept")
        assert told["certificate"] is None
        send(told["port"])
        assert len(list((tmp_path / "kept" / "new").iterdir())) == 1
        if arguments:
            assert told["page"] is None
        else:
            with urllib.request.urlopen(f"{told['page']}/api/mails") as answer:
                assert json.load(answer)["mails"][0]["to"] == ["reader@example.org"]
        process.send_signal(stopping)
        out, errors = process.communicate(timeout=30)
        assert (process.returncode, out, errors) == (0, "", "")


def test_it_ends_cleanly_amid_a_message_and_amid_a_silence(tmp_path: Path) -> None:
    with running("--port", "0", "--no-http", "--starttls", cwd=tmp_path) as (process, told):
        assert Path(told["certificate"]).is_file()
        with (
            socket.create_connection(("127.0.0.1", told["port"])) as one,
            socket.create_connection(("127.0.0.1", told["port"])) as other,
        ):
            one.sendall(b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nhalf")
            other.sendall(b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<never-at-rcpt@x>\r\n")
            one.recv(10)
            other.recv(10)
            process.terminate()
            assert process.communicate(timeout=30) == ("", "")
            assert process.returncode == 0


def test_a_login_and_a_refused_certificate_leave_no_words_behind(tmp_path: Path) -> None:
    with running("--port", "0", "--no-http", "--starttls", "--auth", "ada:geheim", cwd=tmp_path) as (process, told):
        with smtplib.SMTP("127.0.0.1", told["port"], local_hostname="x") as client, pytest.raises(ssl.SSLError):
            client.starttls(context=ssl.create_default_context())
        with smtplib.SMTP("127.0.0.1", told["port"], local_hostname="x") as client:
            client.starttls(context=ssl.create_default_context(cafile=told["certificate"]))
            client.login("ada", "geheim")
        process.terminate()
        assert process.communicate(timeout=30) == ("", "")


def test_a_person_is_told_how_to_send_and_where_to_look(tmp_path: Path) -> None:
    with subprocess.Popen(command("--port", "0"), cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        lines = [process.stderr.readline() for _ in range(3)]
        process.terminate()
    assert "digest send --relay smtp://127.0.0.1:" in lines[1]
    assert "http://127.0.0.1:" in lines[2]


def test_a_page_whose_place_is_taken_moves_unless_asked_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running("--port", str(port - 1), cwd=tmp_path) as (_, told):
            assert not told["page"].endswith(f":{port}")
        done = subprocess.run(
            command("--port", "0", "--http", str(port)),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert done.returncode == 4
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--quota", "lots"], 2, "not a valid quota"),
        (["--auth", "ada"], 2, "user and a password"),
        (["--rejects", "101"], 2, "not a percentage"),
        (["--size", "0"], 2, "at least one byte"),
        (["--delay", "-1"], 2, "negative"),
        (["--delay", "nan"], 2, "negative"),
        (["--port", "70000"], 4, "cannot listen"),
        (["--http", "70000"], 4, "not a valid port"),
        (["--maildir", "file/below"], 4, "cannot be created"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    (tmp_path / "file").write_text("")
    asked = arguments if "--port" in arguments else ["--port", "0", *arguments]
    done = subprocess.run(command(*asked), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
