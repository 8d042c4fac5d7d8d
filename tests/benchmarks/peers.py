"""What we compare with: Postfix's smtp-source, the standard library, Django and nodemailer, each a process of its own.

What is not ours is installed into `.bench`, never into the project's environment. A peer sends fewer messages than we
do, because it is slower; what counts is the rate of its sending loop, without its start.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import run
from sinks import CACHE, UnmeasurableError, tool

from digest.render.slots import Slot, token

HERE = Path(__file__).with_name("clients")
DJANGO = "django==5.2.19"
NODEMAILER = "nodemailer@10.6.1"


@dataclass(frozen=True)
class Sent:
    """One run of a peer: messages a second, microseconds of CPU a message."""

    rate: float
    cpu: float


def smtp_source(port: int, message: Path, *, messages: int, connections: int) -> Sent:
    """Postfix's load generator, keeping its connections; `message` has LF line ends, which it makes CRLF."""
    options = ["-d", "-s", str(connections), "-m", str(messages), "-F", str(message)]
    done = run([tool("smtp-source"), *options, f"127.0.0.1:{port}"], folder=message.parent)
    return Sent(messages / done.seconds, 1e6 * done.cpu / messages)


def for_smtp_source(message: bytes, path: Path) -> Path:
    """Write a message as smtp-source wants it."""
    path.write_bytes(message.replace(b"\r\n", b"\n"))
    return path


def smtplib(port: int, message: Path, *, messages: int) -> Sent:
    """The standard library's client on one connection, given the finished bytes."""
    return _script([sys.executable, str(HERE / "smtplib_peer.py"), str(port), str(message), str(messages)])


def signing(message: Path, seconds: float) -> Sent:
    """What one core can do of SHA-256 over the message and an RSA-2048 signature by `cryptography`."""
    return _script([sys.executable, str(HERE / "signing.py"), str(message), str(seconds)])


def django(port: int, job: Path) -> Sent:
    """Django's send_messages over one connection, with personal alternatives."""
    return _script([str(_django()), str(HERE / "django_peer.py"), str(port), str(job)])


def nodemailer(port: int, job: Path) -> Sent:
    """nodemailer's pool of ten connections."""
    return _script(["node", str(_nodemailer() / "peer.mjs"), str(port), str(job)])


def _script(command: Sequence[str]) -> Sent:
    done = run(command, folder=HERE)
    said = json.loads(done.output)
    return Sent(said["messages"] / said["seconds"], 1e6 * done.cpu / said["messages"])


def job(path: Path, edition: dict[str, str], *, messages: int) -> Path:
    """Write what Django and nodemailer are to send: the edition with its tokens, and every reader's values."""
    link = "http://127.0.0.1:8025/{}/{:0>119}"  # as long as ours
    readers = [
        {
            "name": f"Reader {number}",
            "address": f"reader{number}@d{number % 50}.example.org",
            "unsubscribe": link.format("unsubscribe", number),
            "values": {
                token(edition["nonce"], Slot.INTERESTS): "all topics",
                token(edition["nonce"], Slot.PREFERENCES_URL): link.format("preferences", number),
                token(edition["nonce"], Slot.UNSUBSCRIBE_URL): link.format("unsubscribe", number),
                token(edition["nonce"], Slot.VIEW_URL): link.format("view", 0),
                token(edition["nonce"], Slot.TEST_MARK): "",
            },
        }
        for number in range(messages)
    ]
    mail = {"from": "Smart City Policy Centre <newsletter@example.org>", **edition}
    path.write_text(json.dumps({"mail": mail, "readers": readers}), encoding="utf-8")
    return path


def _django() -> Path:
    folder = CACHE / DJANGO.replace("==", "-")
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        _install([sys.executable, "-m", "venv", "--clear", str(folder)], DJANGO)
        _install([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", DJANGO], DJANGO)
        (folder / "installed").touch()
    return python


def _nodemailer() -> Path:
    if not shutil.which("node") or not shutil.which("npm"):
        raise UnmeasurableError("no node and npm for nodemailer")
    folder = CACHE / NODEMAILER.replace("@", "-")
    if not (folder / "node_modules" / "nodemailer").exists():
        folder.mkdir(parents=True, exist_ok=True)
        options = ["--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
        _install(["npm", "install", *options, NODEMAILER], NODEMAILER)
    shutil.copyfile(HERE / "nodemailer_peer.mjs", folder / "peer.mjs")  # a module is looked for beside the script
    return folder


def _install(command: Sequence[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnmeasurableError(f"{what} cannot be installed: {(done.stderr or done.stdout).strip()[-200:]}")
