"""`digest doctor` finds each planted fault, names it alone, and is silent on a healthy workspace."""

import socket
import sqlite3
import threading
from collections import namedtuple
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from digest.articles.models import Article
from digest.delivery.dkim import key, setup
from digest.editions.models import Edition
from digest.issues.models import Issue
from digest.notify.models import WebhookCall
from digest.outbox import notices
from digest.outbox.models import Delivery, WorkerRecord
from digest.render.notice_kind import NoticeKind
from digest.schedule import runs
from digest.schedule.month import MONTHLY
from digest.schedule.runs import IssueRun, RunState
from digest.settings.opened import open_engine
from digest.settings.root import load_settings
from digest.sink.server import Sink
from digest.workspace.doctor import database, examine
from subscribers.models import Subscriber
from tests.support.scripted_server import ScriptedServer, dialogue
from tests.unit.digest.workspace.doctor.conftest import Clinic

NOW = datetime.now(UTC)
Usage = namedtuple("Usage", "total used free")


def test_a_healthy_workspace_is_silent(clinic: Clinic) -> None:
    found = clinic.examine()
    assert found.findings == ()
    assert [one.id for one in found.skipped] == ["dkim"]  # the relay signs


def test_the_starter_workspace_lacks_only_its_address(made: Path) -> None:
    found = examine(made)
    assert [one.id for one in found.findings] == ["postal-address"]
    assert [one.id for one in found.skipped] == ["dns"]


def test_every_finding_has_a_remedy(clinic: Clinic) -> None:
    clinic.change("Example Street 1, Example Town", "Your postal address")
    clinic.change("last day", "32nd")
    for one in clinic.examine().findings:
        assert one.message
        assert one.remedy


# Configuration and secrets


def test_a_configuration_that_cannot_be_read(clinic: Clinic) -> None:
    clinic.change("[publication]", "[publication")
    assert clinic.ids == ["configuration"]


def test_a_zone_that_does_not_exist(clinic: Clinic) -> None:
    clinic.change('name = "Test"', 'name = "Test"\ntimezone = "Mars/Olympus"')
    assert clinic.ids == ["configuration"]


SECRET_FILES = ("relay.password", "webhook.secret", "metrics.token", "postmark.secret", "mailbox.password")


@pytest.mark.parametrize("name", ["secrets.toml", ".env", *SECRET_FILES])
def test_secrets_that_others_can_read(clinic: Clinic, name: str) -> None:
    clinic.change("tls =", 'username = "u"\npassword_file = "relay.password"\ntls =')
    clinic.change("[operators]", '[metrics]\ntoken_file = "metrics.token"\n[operators]')
    clinic.change(
        "[operators]", '[operators]\nwebhook = "https://example.org/"\nwebhook_secret_file = "webhook.secret"'
    )
    clinic.change(
        "[operators]",
        '[feedback]\npostmark_secret_file = "postmark.secret"\n[[feedback.mailbox]]\nhost = "imap.example.org"\n'
        'username = "u"\npassword_file = "mailbox.password"\n[operators]',
    )
    for each in (".env", *SECRET_FILES):
        (clinic.folder / each).write_text("" if each == ".env" else "a secret that is long enough")
        (clinic.folder / each).chmod(0o600)
    (clinic.folder / name).chmod(0o640)
    found = clinic.examine().findings
    assert [one.message for one in found if one.id == "secrets-readable"] == [f"Other users can read {name}"]
    (clinic.folder / name).chmod(0o600)
    assert "secrets-readable" not in clinic.ids


def test_a_secret_that_is_missing(clinic: Clinic) -> None:
    clinic.change("tls =", 'password_file = "relay.password"\ntls =')
    assert clinic.ids == ["secrets-missing"]


def test_a_secret_that_is_short(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SECRETS__MESSAGE_KEY", "short")
    assert clinic.ids == ["secrets-short"]


def test_a_webhook_secret_that_cannot_sign(clinic: Clinic) -> None:
    clinic.change(
        "[operators]", '[operators]\nwebhook = "https://example.org/"\nwebhook_secret_file = "webhook.secret"'
    )
    (clinic.folder / "webhook.secret").write_text("whsec_short")
    (clinic.folder / "webhook.secret").chmod(0o600)
    assert clinic.ids == ["webhook-secret"]


def test_the_placeholder_address(clinic: Clinic) -> None:
    clinic.change("Example Street 1, Example Town", "Your postal address")
    assert clinic.ids == ["postal-address"]


def test_links_without_tls(clinic: Clinic) -> None:
    clinic.change("https://digest.example.org", "http://digest.example.org")
    assert clinic.ids == ["base-url"]


def test_nobody_to_tell(clinic: Clinic) -> None:
    clinic.change('addresses = ["ada@example.org"]', "")
    assert clinic.ids == ["operators-none"]


def test_a_full_disk(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.workspace.doctor.workspace.shutil.disk_usage", lambda _: Usage(10**12, 10**12, 10**6))
    assert clinic.ids == ["disk-full"]


# Templates and media


@pytest.mark.parametrize("place", ["email/digest/body.mjml.j2", "email/welcome/body.txt.j2", "web/base.html.j2"])
def test_a_template_with_a_slip_of_the_pen(clinic: Clinic, place: str) -> None:
    path = clinic.folder / "templates" / place
    path.parent.mkdir(parents=True)
    path.write_text("{% if edition %}\n{{ edition.subject }\n")
    (found,) = clinic.examine().findings
    assert found.id == "template"
    assert place in found.message
    assert "line 2" in found.message


def test_a_theme_that_is_no_toml(clinic: Clinic) -> None:
    (clinic.folder / "templates" / "theme.toml").write_text("[light")
    assert clinic.ids == ["theme"]


def test_a_picture_that_is_missing(clinic: Clinic) -> None:
    clinic.store(
        Article(
            slug="a",
            group="a",
            language="en",
            title="A",
            images=[{"hash": "0" * 64}],
            content_hash="0" * 64,
            created_at=NOW,
            updated_at=NOW,
        )
    )
    assert clinic.ids == ["media-missing"]


# The database


def test_a_database_that_is_not_there(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_DATABASE__URL", "postgresql://nobody@127.0.0.1:1/nothing")
    found = clinic.examine().findings
    assert [(one.id, one.environment) for one in found] == [("database-unreachable", True)]


@pytest.mark.parametrize("url", ["sqlite://", "mysql://u@h/n", "nonsense"])
def test_an_address_of_no_database_is_told_once(clinic: Clinic, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DIGEST_DATABASE__URL", url)
    (found,) = clinic.examine().findings
    assert (found.id, found.environment) == ("configuration", False)
    assert "[database] url" in found.message
    assert "sqlite:///digest.db" in found.remedy


@pytest.mark.parametrize("revision", ["0001", "9999", "restoring:0002"])
def test_a_schema_that_is_not_ours(clinic: Clinic, revision: str) -> None:
    engine = open_engine(clinic.folder)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})
    engine.dispose()
    (found,) = clinic.examine().findings
    assert (found.id, found.environment) == ("database-schema", True)


def test_a_database_that_is_none(clinic: Clinic) -> None:
    for path in clinic.folder.glob("digest.db*"):
        path.unlink()
    (clinic.folder / "digest.db").write_bytes(b"this is no database at all" * 100)
    assert clinic.ids == ["database-unreachable"]


def test_clocks_that_disagree(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_machine_now", lambda: datetime.now(UTC) - timedelta(minutes=10))
    (found,) = clinic.examine().findings
    assert found.id == "clock"
    assert "600 s" in found.message


# Relays


def test_no_relay(clinic: Clinic) -> None:
    text = (clinic.folder / "digest.toml").read_text()
    start, end = text.index("[[relay]]"), text.index("[operators]")
    clinic.configure(text[:start] + text[end:])
    assert clinic.ids == ["relay-missing"]


def test_a_relay_that_would_be_refused(clinic: Clinic) -> None:
    clinic.change('host = "127.0.0.1"', 'host = "192.0.2.1"')
    clinic.change("allow_send = true", "allow_send = false")
    assert clinic.ids == ["allow-send"]


def test_a_relay_that_does_not_answer(clinic: Clinic, relay_port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        clinic.change(f"port = {relay_port}", f"port = {taken.getsockname()[1]}")
        found = clinic.examine().findings
    assert [(one.id, one.environment) for one in found] == [("relay-unreachable", True)]


def test_a_relay_without_tls(clinic: Clinic) -> None:
    clinic.change('tls = "none"', 'tls = "required"')
    (found,) = clinic.examine().findings
    assert found.id == "relay-refuses"
    assert "STARTTLS" in found.message


def test_a_relay_whose_certificate_proves_nothing(clinic: Clinic, relay_port: int, tmp_path: Path) -> None:
    with Sink(tmp_path / "sink", starttls=True) as sink:
        clinic.change(f"port = {relay_port}", f"port = {sink.port}")
        clinic.change('tls = "none"', 'tls = "required"')
        (found,) = clinic.examine().findings
    assert found.id == "relay-refuses"
    assert "certificate" in found.message


def test_a_relay_without_the_login(clinic: Clinic) -> None:
    clinic.change("tls =", 'username = "newsletter"\npassword_file = "relay.password"\ntls =')
    (clinic.folder / "relay.password").write_text("word")
    (clinic.folder / "relay.password").chmod(0o600)
    assert clinic.ids == ["relay-login"]


@pytest.mark.parametrize(
    ("command", "found"),
    [("echo tok", []), ("false", ["relay-token"]), ("no-such-command", ["relay-token"])],
    ids=["had", "not now", "not at all"],
)
def test_a_token_that_cannot_be_had(clinic: Clinic, relay_port: int, command: str, found: list[str]) -> None:
    with ScriptedServer(
        dialogue("S: 220 relay\nC: EHLO\nS: 250-relay\nS: 250 AUTH XOAUTH2\nC: QUIT\nS: 221 bye")
    ) as server:
        clinic.change(f"port = {relay_port}", f"port = {server.port}")
        clinic.change("tls =", f'username = "u"\ntoken_command = "{command}"\ntls =')
        findings = clinic.examine().findings
    assert [one.id for one in findings] == found
    assert all("token_command" in one.message for one in findings)


def test_a_relay_that_takes_no_token(clinic: Clinic, relay_port: int) -> None:
    with ScriptedServer(
        dialogue("S: 220 relay\nC: EHLO\nS: 250-relay\nS: 250 AUTH PLAIN\nC: QUIT\nS: 221 bye")
    ) as server:
        clinic.change(f"port = {relay_port}", f"port = {server.port}")
        clinic.change("tls =", 'username = "u"\ntoken_command = "echo tok"\ntls =')
        (found,) = clinic.examine().findings
    assert (found.id, found.message.endswith("a token needs OAUTHBEARER or XOAUTH2.")) == ("relay-login", True)


def test_a_handshake_sends_no_mail(clinic: Clinic, tmp_path: Path, relay_port: int) -> None:
    said: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        taken, _ = listening.accept()
        with taken, taken.makefile("rb") as lines:
            taken.sendall(b"220 here\r\n")
            for line in lines:
                said.append(line.split()[0].upper())
                taken.sendall(b"250 yes\r\n" if said[-1] != b"QUIT" else b"221 bye\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    clinic.change(f"port = {relay_port}", f"port = {listening.getsockname()[1]}")
    assert clinic.ids == []
    thread.join()
    listening.close()
    assert said == [b"EHLO", b"QUIT"]


# The calendar


def test_a_rule_that_nobody_understands(clinic: Clinic) -> None:
    clinic.change('rule = "last day"', 'rule = "when it pleases"')
    assert set(clinic.ids) == {"configuration"}


def run(**fields: Any) -> IssueRun:
    given: dict[str, Any] = {
        "schedule": MONTHLY,
        "period": "2021-09",
        "due_at": NOW,
        "state": RunState.RUNNING,
        "claimed_by": "",
        "claimed_at": NOW,
        "heartbeat_at": NOW,
        "step": "freeze",
        **fields,
    }
    return IssueRun(**given)


@pytest.mark.parametrize("state", [RunState.MISSED, RunState.FAILED])
def test_a_run_that_was_missed(clinic: Clinic, state: RunState) -> None:
    clinic.store(run(state=state))
    assert clinic.ids == [f"run-{state}"]


def test_a_missed_run_is_not_told_for_ever(clinic: Clinic) -> None:
    installed = run(period=runs.INSTALLED, state=RunState.DONE)
    clinic.store(installed, run(state=RunState.MISSED, due_at=NOW - timedelta(days=60)))
    assert clinic.ids == []


def test_a_missed_run_that_a_person_made_up_for(clinic: Clinic) -> None:
    issue = Issue(number=1, period="2021-09", date=NOW.date(), state="sent", created_at=NOW)
    clinic.store(run(state=RunState.MISSED), issue)
    assert clinic.ids == []


def test_a_run_that_is_stuck(clinic: Clinic) -> None:
    clinic.store(run(heartbeat_at=NOW - timedelta(minutes=30)))
    assert clinic.ids == ["run-stuck"]
    clinic.store(run(period="2021-10", heartbeat_at=datetime.now(UTC)))  # NOW is when the tests began
    assert clinic.ids == ["run-stuck"]


def test_a_run_that_waits_too_long(clinic: Clinic) -> None:
    clinic.store(run(state=RunState.WAITING, due_at=NOW - timedelta(days=8), step="approve"))
    assert clinic.ids == ["run-waiting"]


def test_nobody_looks_at_the_clock(clinic: Clinic) -> None:
    clinic.store(run(period=runs.INSTALLED, state=RunState.DONE, due_at=NOW - timedelta(days=40)))
    assert clinic.ids == ["run-unclaimed"]


# The outbox


def sending(
    clinic: Clinic, state: str, *, count: int = 1, held: bool = False, of_issue: str = "sending", **fields: Any
) -> None:
    """An issue with deliveries in `state`."""
    session = clinic.with_session()
    issue = Issue(
        number=21, period="2021-09", date=NOW.date(), state=of_issue, held=held, frozen_at=NOW, created_at=NOW
    )
    session.add(issue)
    session.flush()
    edition = Edition(
        issue_id=issue.id or 0,
        content_hash="h",
        language="en",
        articles=[],
        subject="",
        preheader="",
        nonce="0" * 16,
        html="",
        text="",
        created_at=NOW,
    )
    session.add(edition)
    session.flush()
    for number in range(count):
        reader = Subscriber(
            ref=f"{number:032x}",
            address=f"r{number}@example.org",
            address_key=f"r{number}@example.org",
            language="en",
            state="confirmed",
            created_at=NOW,
        )
        session.add(reader)
        session.flush()
        given: dict[str, Any] = {"state": state, "due_at": NOW, "created_at": NOW, **fields}
        session.add(Delivery(issue_id=issue.id or 0, subscriber_id=reader.id or 0, edition_id=edition.id or 0, **given))
    session.commit()


def test_uncertain_deliveries(clinic: Clinic) -> None:
    sending(clinic, "uncertain", count=3)
    (found,) = clinic.examine().findings
    assert (found.id, found.environment) == ("deliveries-uncertain", False)
    assert "3 deliveries" in found.message


@pytest.mark.parametrize("state", ["rejected", "expired"])
def test_many_that_are_refused(clinic: Clinic, state: str) -> None:
    sending(clinic, state, count=2)
    assert clinic.ids == [f"deliveries-{state}"]


@pytest.mark.parametrize(
    ("state", "told"), [("sending", "nothing of it is sent"), ("sent", "its bounces suppress no reader")]
)
def test_an_issue_that_is_held(clinic: Clinic, state: str, told: str) -> None:
    sending(clinic, "cancelled", held=True, of_issue=state)
    assert clinic.ids == ["issue-held"]
    assert told in clinic.examine().findings[0].message


def test_mails_that_nobody_delivers(clinic: Clinic) -> None:
    sending(clinic, "pending", due_at=NOW - timedelta(hours=3))
    assert clinic.ids == ["outbox-overdue"]


def test_a_worker_that_died(clinic: Clinic) -> None:
    sending(clinic, "started", worker_id="gone", attempt_id="a")
    clinic.store(
        WorkerRecord(id="gone", host="elsewhere", pid=1, started_at=NOW, heartbeat_at=NOW - timedelta(minutes=5))
    )
    assert clinic.ids == ["worker-dead"]


def test_a_worker_that_lives_is_left_alone(clinic: Clinic) -> None:
    sending(clinic, "started", worker_id="here", attempt_id="a")
    clinic.store(WorkerRecord(id="here", host="elsewhere", pid=1, started_at=NOW, heartbeat_at=datetime.now(UTC)))
    assert clinic.ids == []


def test_notices_that_nobody_delivers(clinic: Clinic) -> None:
    past = NOW - timedelta(hours=3)
    clinic.store(
        lambda session: notices.promise(
            session, NoticeKind.WELCOME, "k", address="r@example.org", language="en", now=past
        )
    )
    assert clinic.ids == ["notices-overdue"]


def test_outcomes_that_lie_in_a_file(clinic: Clinic) -> None:
    folder = clinic.folder / ".state" / "outcomes"
    folder.mkdir(parents=True)
    (folder / "abc.json").write_text("[]")
    assert clinic.ids == ["outcomes-left"]


def test_a_webhook_that_was_not_told(clinic: Clinic) -> None:
    clinic.store(WebhookCall(key="k", state="given_up", body="{}", due_at=NOW, answer="503", created_at=NOW))
    (found,) = clinic.examine().findings
    assert found.id == "webhook"
    assert "503" in found.message


# DNS


@pytest.mark.parametrize(
    ("name", "kind", "texts", "expected"),
    [
        ("example.org", "TXT", [], "spf-missing"),
        ("example.org", "TXT", ['"v=spf1 -all"', '"v=spf1 ~all"'], "spf-missing"),
        ("example.org", "TXT", ['"v=spf1 ipp4:1 -all"'], "spf-invalid"),
        ("example.org", "TXT", ['"v=spf1 +all"'], "spf-open"),
        ("_dmarc.example.org", "TXT", [], "dmarc-missing"),
        ("_dmarc.example.org", "TXT", ['"v=DMARC1; p=perhaps"'], "dmarc-invalid"),
    ],
)
def test_records_that_are_missing_or_wrong(
    clinic: Clinic, name: str, kind: str, texts: list[str], expected: str
) -> None:
    clinic.records[name, kind] = texts
    assert clinic.ids == [expected]


def test_an_spf_record_with_too_many_look_ups(clinic: Clinic) -> None:
    clinic.records["example.org", "TXT"] = [
        '"v=spf1 ' + " ".join(f"include:s{n}.example.org" for n in range(6)) + ' " '
        '"' + " ".join(f"include:s{n}.example.org" for n in range(6, 12)) + ' -all"'
    ]
    for n in range(12):
        clinic.records[f"s{n}.example.org", "TXT"] = ['"v=spf1 ip4:192.0.2.1 -all"']
    assert clinic.ids == ["spf-invalid"]


def test_the_record_of_our_own_signature(clinic: Clinic) -> None:
    text = (clinic.folder / "digest.toml").read_text()
    clinic.configure(text + '\n[dkim]\nselector = "s1"\n')
    assert clinic.ids == ["dkim-key"]
    key.generate(clinic.folder / "dkim.pem")
    assert clinic.ids == ["dkim-record"]
    record = setup.show(load_settings(clinic.folder)).record
    clinic.records[record.name, "TXT"] = [" ".join(f'"{part}"' for part in record.strings)]
    assert clinic.ids == []
    clinic.records[record.name, "TXT"] = ['"v=DKIM1; k=rsa; p=AAAA"']
    assert clinic.ids == ["dkim-record"]


def test_without_a_name_server_it_says_so(clinic: Clinic) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        found = examine(clinic.folder, nameserver=f"127.0.0.1:{taken.getsockname()[1]}")
    assert found.findings == ()
    assert [one.id for one in found.skipped] == ["dns"]


def test_a_name_server_that_is_none(clinic: Clinic) -> None:
    assert [one.id for one in examine(clinic.folder, nameserver="::nonsense::x").findings] == ["configuration"]


# Nothing is changed


def test_looking_changes_nothing(clinic: Clinic) -> None:
    sending(clinic, "uncertain")
    clinic.examine()
    before = dump(clinic)
    clinic.examine()
    assert dump(clinic) == before


def dump(clinic: Clinic) -> list[str]:
    with closing(sqlite3.connect(clinic.folder / "digest.db")) as database:
        return list(database.iterdump())
