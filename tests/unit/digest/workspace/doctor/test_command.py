"""`digest doctor` for scripts: the JSON document and the exit code say the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.dns_server import naming
from tests.support.run import run
from tests.unit.digest.workspace.doctor.conftest import Clinic


def doctor(folder: Path, *arguments: str, **environment: str) -> tuple[int, Any]:
    done = run("doctor", "--json", *arguments, cwd=folder, **environment)
    return done.returncode, json.loads(done.stdout)


def test_well_and_ill_and_out_of_reach(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic.change("allow_send = true", "allow_send = false")  # so that no name server is asked
    code, said = doctor(clinic.folder)
    assert (code, said["findings"]) == (0, [])
    assert [one["id"] for one in said["skipped"]] == ["dns"]
    (clinic.folder / "secrets.toml").chmod(0o644)
    code, said = doctor(clinic.folder)
    assert code == 1
    (found,) = said["findings"]
    assert set(found) == {"id", "severity", "message", "remedy"}
    assert found["severity"] == "block"
    monkeypatch.setenv("DIGEST_DATABASE__URL", "postgresql://nobody:word@127.0.0.1:1/nothing")
    code, said = doctor(clinic.folder)
    assert code == 4
    assert "word" not in json.dumps(said)


def test_a_sent_mail_and_the_table_are_told_in_words_and_json(clinic: Clinic, tmp_path: Path) -> None:
    mail = tmp_path / "mail.eml"
    mail.write_bytes(b"From: digest@example.org\nSubject: News\n\nHello\n")
    with naming(clinic.records) as nameserver:
        options = ("--nameserver", nameserver)
        code, said = doctor(clinic.folder, "--sent", str(mail), *options)
        assert (code, said["sender"], said["met"]) == (1, "example.org", [])
        assert [one["id"] for one in said["findings"]] == ["dkim-missing", "one-click"]
        assert [one["id"] for one in said["skipped"]] == ["spf", "dmarc"]
        words = run("doctor", "--sent", str(mail), *options, cwd=clinic.folder).stdout
        assert words.startswith("Email from example.org.\n")
        assert "No problems found" not in words
        code, said = doctor(clinic.folder, *options)
        assert (code, said["demands_as_of"], said["demands"][0]["id"]) == (0, "2026-11", "spf")
        words = run("doctor", *options, cwd=clinic.folder).stdout
        assert "No problems found" in words
        assert "naver: its notice of 2024-07-19" in words
    assert run("doctor", "--sent", str(tmp_path / "none.eml"), cwd=clinic.folder).returncode == 2
