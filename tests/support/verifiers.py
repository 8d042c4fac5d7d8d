"""Two verifiers of DKIM that are not ours: dkimpy, and mailauth in Node."""

import base64
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dkim

SOURCE = Path(__file__).resolve().parent / "mailauth"
SECONDS = 180


class MailauthUnavailableError(Exception):
    """There is no Node, or its packages cannot be installed."""


@dataclass(frozen=True)
class Mailauth:
    """mailauth in a folder of its own, with what its lock names."""

    folder: Path

    def verify(self, messages: Sequence[bytes], records: Mapping[str, str]) -> list[list[dict[str, Any]]]:
        """Return what it says about each signature of each message; DNS is `records`, all at once: Node starts slowly."""
        cases = [{"raw": base64.b64encode(raw).decode(), "records": dict(records)} for raw in messages]
        done = subprocess.run(
            ["node", "verify.mjs"],
            cwd=self.folder,
            input=json.dumps({"cases": cases}),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told: list[list[dict[str, Any]]] = json.loads(done.stdout)
        return told


def install_mailauth(folder: Path) -> Mailauth:
    """Install into a copy: a checkout stays as it is, and may be read-only."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            raise MailauthUnavailableError(f"{tool} is not installed")
    for name in ("package.json", "package-lock.json", "verify.mjs"):
        shutil.copyfile(SOURCE / name, folder / name)
    command = ["npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise MailauthUnavailableError(f"npm ci took more than {SECONDS} s") from error
    if done.returncode:
        raise MailauthUnavailableError(f"npm ci failed: {done.stderr.strip()[-500:]}")
    return Mailauth(folder)


def dkimpy_accepts(raw: bytes, records: Mapping[str, str]) -> bool:
    """Whether dkimpy verifies the first signature with DNS as `records` says."""

    def answer(name: bytes, timeout: int = 5) -> bytes | None:
        text = records.get(name.decode().rstrip("."))
        return text.encode() if text is not None else None

    return bool(dkim.verify(raw, dnsfunc=answer))
