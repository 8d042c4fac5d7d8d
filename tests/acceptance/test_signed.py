"""With a key and three lines of configuration every mail of the sample issue leaves signed, and only as approved."""

from pathlib import Path

import pytest

from digest.sink.server import Sink
from tests.support.verifiers import Mailauth, dkimpy_accepts
from tests.support.world import World

pytestmark = pytest.mark.one_database


def sign(world: World) -> dict[str, str]:
    made = world.json("dkim", "generate")
    config = world.folder / "digest.toml"
    config.write_text(f"{config.read_text()}\n{made['config']}\n")
    return {made["name"]: made["value"]}


def test_every_mail_is_signed_and_two_verifiers_accept_it(approved: World, tmp_path: Path, mailauth: Mailauth) -> None:
    sample = approved
    records = sign(sample)  # after the approval: who signs is no part of what was approved
    with Sink(tmp_path / "sink") as sink:
        states = sample.json("send", "21", "--yes", "--relay", f"smtp://127.0.0.1:{sink.port}")["states"]
    raws = [
        path.read_bytes().partition(b"\nDelivered-To: ")[2].partition(b"\n")[2].replace(b"\n", b"\r\n")
        for path in (tmp_path / "sink" / "new").iterdir()
    ]
    assert len(raws) == states["accepted"] > 20
    assert any(b"multipart/alternative" not in raw for raw in raws), "a reader of plain text is among them"
    assert all(dkimpy_accepts(raw, records) for raw in raws)
    assert {results[0]["result"] for results in mailauth.verify(raws, records)} == {"pass"}


def test_a_key_that_others_can_read_stops_a_send(approved: World) -> None:
    sample = approved
    sign(sample)
    [key] = sample.folder.glob("dkim-*.pem")
    key.chmod(0o644)
    sample.digest("send", "21", "--yes", expect=2)
    assert sample.json("issue", "show", "21")["state"] == "approved"
    key.chmod(0o600)
    assert sample.json("send", "21", "--yes")["states"]["accepted"] > 20
