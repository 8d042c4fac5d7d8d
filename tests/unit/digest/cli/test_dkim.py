"""`digest dkim`: a key from nothing to a signed mail, a second one for the rotation, and the findings of `doctor`."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from digest.app import open_app
from digest.outbox.take import Recipient
from digest.render.edition import Rendered
from digest.runtime.errors import ConfigError
from digest.workspace.doctor import examine
from tests.support.run import run
from tests.support.verifiers import dkimpy_accepts

DAY = "2026-11-26T09:00:00+09:00"


def generated(*arguments: str, cwd: Path, now: str = DAY) -> dict[str, Any]:
    done = run("dkim", "generate", *arguments, "--json", cwd=cwd, DIGEST_NOW=now)
    assert (done.returncode, done.stderr) == (0, "")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def configure(workspace: Path, lines: str) -> None:
    config = workspace / "digest.toml"
    kept = config.read_text().split("\n[dkim]")[0].rstrip("\n")
    config.write_text(f"{kept}\n\n{lines}\n")


def findings(workspace: Path) -> dict[str, str]:
    return {one.id: one.message for one in examine(workspace).findings if one.id.startswith("dkim")}


def test_from_nothing_to_a_signed_mail(workspace: Path) -> None:
    made = generated(cwd=workspace)
    assert (made["selector"], made["domain"], made["bits"]) == ("dp202611", "example.org", 2048)
    assert made["name"] == "dp202611._domainkey.example.org"
    assert "".join(made["strings"]) == made["value"]
    assert made["configured"] is False
    path = workspace / made["key_file"]
    assert path.stat().st_mode & 0o777 == 0o600
    configure(workspace, made["config"])
    assert findings(workspace) == {}

    works = open_app(workspace)
    rendered = Rendered("Hello", "", ("<p>Hi</p>",), ("Hi\n",), "0123456789abcdef", ())
    reader = Recipient("r" * 32, "ada@example.net", "Ada", "en", "html", "*")
    letter = works.delivery.writer.test(1, rendered, reader, "token", works.clock.now())
    works.engine.dispose()
    assert dkimpy_accepts(b"".join(letter.message), {made["name"]: made["value"]})


def test_people_are_told_the_record_and_what_to_configure(workspace: Path) -> None:
    done = run("dkim", "generate", cwd=workspace, DIGEST_NOW=DAY)
    assert done.returncode == 0
    shown = json.loads(run("dkim", "show", "--selector", "dp202611", "--json", cwd=workspace).stdout)
    for words in (shown["name"], shown["value"], shown["zone"], shown["config"], "mode 0600"):
        assert words in done.stdout
    assert "PRIVATE" not in done.stdout


def test_a_key_is_never_overwritten(workspace: Path) -> None:
    made = generated(cwd=workspace)
    content = (workspace / made["key_file"]).read_bytes()
    again = run("dkim", "generate", cwd=workspace, DIGEST_NOW=DAY)
    assert (again.returncode, again.stdout) == (3, "")
    assert made["key_file"] in again.stderr
    assert "--selector" in again.stderr
    assert (workspace / made["key_file"]).read_bytes() == content


def test_a_rotation_keeps_both_keys(workspace: Path) -> None:
    old = generated(cwd=workspace)
    configure(workspace, old["config"])
    new = generated(cwd=workspace, now="2027-05-31T23:30:00Z")
    named = generated("--selector", "other", "--bits", "3072", cwd=workspace)
    assert [one["selector"] for one in (old, new, named)] == ["dp202611", "dp202705", "other"]
    assert len({one["key_file"] for one in (old, new, named)}) == 3
    assert named["bits"] == 3072
    for one in (old, new, named):
        shown = json.loads(run("dkim", "show", "--selector", one["selector"], "--json", cwd=workspace).stdout)
        assert shown["value"] == one["value"]
    configured = json.loads(run("dkim", "show", "--json", cwd=workspace).stdout)
    assert (configured["value"], configured["configured"]) == (old["value"], True)


def test_a_configured_key_that_is_missing_is_made_under_its_name(workspace: Path) -> None:
    configure(workspace, '[dkim]\nselector = "mine"\ndomain = "news.example.org"\nkey_file = "keys.pem"')
    assert "There is no DKIM key" in findings(workspace)["dkim-key"]
    made = generated(cwd=workspace)
    assert (made["selector"], made["key_file"], made["configured"]) == ("mine", "keys.pem", True)
    assert made["name"] == "mine._domainkey.news.example.org"
    assert 'domain = "news.example.org"' in made["config"]
    assert findings(workspace) == {}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["generate", "--bits", "512"], 2),
        (["generate", "--bits", "1024"], 2),
        (["generate", "--bits", "8192"], 2),
        (["generate", "--selector", "../evil"], 2),
        (["generate", "--selector", "a b"], 2),
        (["show"], 2),
        (["show", "--selector", "unknown"], 2),
        (["show", "--selector", "../secrets"], 2),
    ],
)
def test_what_cannot_be_made_or_shown_is_refused(workspace: Path, arguments: list[str], code: int) -> None:
    before = sorted(workspace.parent.rglob("*"))
    done = run("dkim", *arguments, cwd=workspace)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr
    assert "Traceback" not in done.stderr
    assert list(workspace.parent.rglob("*.pem")) == []
    assert sorted(workspace.parent.rglob("*")) == before


def test_doctor_finds_a_key_that_cannot_be_used(workspace: Path) -> None:
    made = generated(cwd=workspace)
    configure(workspace, made["config"])
    path = workspace / made["key_file"]
    path.chmod(0o644)
    assert "Other users can read" in findings(workspace)["dkim-key"]
    path.chmod(0o600)
    small = rsa.generate_private_key(65537, 1024)
    path.write_bytes(small.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert "1024 bits" in findings(workspace)["dkim-key"]
    path.unlink()
    assert "There is no DKIM key" in findings(workspace)["dkim-key"]


@pytest.mark.parametrize(
    ("domain", "aligned"),
    [
        ("example.org", True),
        ("EXAMPLE.org", True),
        ("news.example.org", True),
        ("org", False),
        ("example.net", False),
        ("badexample.org", False),
    ],
)
def test_doctor_tells_a_signing_domain_that_is_not_the_senders(workspace: Path, domain: str, aligned: bool) -> None:
    configure(workspace, f'[dkim]\nselector = "s"\ndomain = "{domain}"')
    generated(cwd=workspace)
    assert ("dkim-domain" not in findings(workspace)) is aligned


def test_nothing_is_sent_unsigned_when_the_key_cannot_be_used(workspace: Path) -> None:
    configure(workspace, '[dkim]\nselector = "s"')
    works = open_app(workspace)
    with pytest.raises(ConfigError, match="There is no DKIM key"):
        works.delivery.transport()
    with pytest.raises(ConfigError, match="There is no DKIM key"):
        _ = works.delivery.writer
    works.engine.dispose()
