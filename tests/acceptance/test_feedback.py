"""The command line of what comes back: a refusal while sending, bounces by file, evidence, and the way back."""

from pathlib import Path

import httpx2
import pytest

from tests.support.came_back import dsn
from tests.support.world import World, free_port, mails

PATH = '\n[feedback]\nreturn_path = "bounces@news.example.org"\n'


def test_a_refused_reader_gets_no_further_issue(sample: World, tmp_path: Path) -> None:
    settings = sample.folder / "digest.toml"
    settings.write_text(settings.read_text() + PATH)
    sample.digest("subscribers", "add", "550@example.org", "--confirmed-by", "test")
    sample.approve_issue_21()
    port, arrived = free_port(), tmp_path / "arrived"
    with sample.running("sink", "--port", str(port), "--maildir", str(arrived), port=port):
        sample.digest("send", "21", "--yes", "--relay", f"smtp://127.0.0.1:{port}", expect=1)
    shown = sample.json("suppress", "lookup", "550@example.org")
    assert (shown["reason"], shown["evidence"][0]["reason"]) == ("hard_bounce", "no such mailbox")

    # another one is refused later, further on
    letter = next(mail for mail in mails(arrived) if mail["List-Id"])
    address = str(letter["To"]).rpartition("<")[2].rstrip(">")
    assert "bounces+d" in str(letter["Return-Path"])
    report = tmp_path / "bounce.eml"
    report.write_bytes(dsn(str(letter["Return-Path"]).strip("<>"), address))
    assert sample.json("feedback", "ingest", str(report))["counted"]["hard"] == 1
    assert sample.json("feedback", "ingest", str(report), str(report))["repeated"] == 2
    states = {row["address"]: row["state"] for row in sample.json("outbox", "list", "21")}
    assert (states[address], states["550@example.org"]) == ("rejected", "rejected")

    (tmp_path / "poison.eml").write_bytes(b"x" * (9 * 1024 * 1024))
    poison = sample.json("feedback", "ingest", str(tmp_path / "poison.eml"), expect=1)
    assert [entry["file"] for entry in poison["quarantined"]] == ["poison.eml"]

    assert "--reason" in sample.call("suppress", "remove", address).stderr
    sample.digest("suppress", "remove", address, "--reason", "a new mailbox")
    after = sample.json("suppress", "lookup", address)
    assert (after["suppressed"], [entry["kind"] for entry in after["evidence"]]) == (False, ["lifted", "hard"])


@pytest.mark.slow
def test_a_provider_reports_to_the_web_server(sample: World, tmp_path: Path) -> None:
    settings, secret = sample.folder / "digest.toml", "a secret that is long enough"
    (sample.folder / "postmark").write_text(secret)
    settings.write_text(f'{settings.read_text()}\n[feedback]\npostmark_secret_file = "postmark"\n')
    sample.approve_issue_21()
    sample.digest("send", "21", "--yes", "--relay", f"maildir:{tmp_path / 'arrived'}")
    letter = next(mail for mail in mails(tmp_path / "arrived") if mail["List-Id"])
    address = str(letter["To"]).rpartition("<")[2].rstrip(">")
    assert letter["X-PM-KeepID"] == "true"
    report = {"RecordType": "Bounce", "Type": "HardBounce", "Email": address}
    report["Metadata"] = {"digest": str(letter["X-PM-Metadata-digest"])}  # type: ignore[assignment]
    port = free_port()
    with sample.running("serve", "--port", str(port), port=port):
        url = f"http://127.0.0.1:{port}/webhooks/postmark"
        assert httpx2.post(url, json=report).status_code == 401
        assert httpx2.post(url, json=report, auth=("digest", secret)).status_code == 200
    states = {row["address"]: row["state"] for row in sample.json("outbox", "list", "21")}
    assert states[address] == "rejected"
    assert sample.json("suppress", "lookup", address)["reason"] == "hard_bounce"
