"""`digest doctor` for scripts: the JSON document and the exit code say the same."""

import json
from pathlib import Path
from typing import Any

import pytest

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
