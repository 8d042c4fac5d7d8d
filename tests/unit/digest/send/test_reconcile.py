"""Uncertain deliveries are resolved by evidence or by a person, on both databases, and never by a guess."""

from collections.abc import Sequence
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from digest.app import App
from digest.outbox import breaker, operations
from digest.outbox.notices import promise, take_notices
from digest.outbox.restore import settle_down
from digest.outbox.settle import Settlement, write_file
from digest.outbox.states import Outcome, State
from digest.outbox.tables import ISSUE, NOTICE
from digest.outbox.take import Taken, Taker
from digest.outbox.workers import WorkerLock
from digest.runtime.db import session_scope
from digest.send import listing, reconcile
from digest.send.reconcile import Brought, Findings
from digest.settings.root import load_settings
from digest.testing import FrozenClock
from digest.workspace.create import create
from tests.support.ledger import Ledger

MINUTE = timedelta(minutes=1)


class Relay:
    """A workspace on the ledger, and the log of a relay that the tests write."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        create(folder / "workspace", sample=False)
        self.ledger = ledger
        self.works = App(load_settings(folder / "workspace"), ledger.engine, FrozenClock(ledger.now + 60 * MINUTE))
        self.log = folder / "mail.log"
        self.lines: list[str] = []

    def uncertain(self, readers: int = 1) -> list[Taken]:
        """Deliveries of a worker that died."""
        self.ledger.planned(readers)
        taken = self.ledger.take(limit=readers)
        assert self.ledger.recover() == readers
        return taken

    def id_of(self, one: Taken) -> str:
        return self.works.delivery.writer.message_id(21, one.reader.ref)

    def wrote(self, text: str, at: timedelta = MINUTE) -> None:
        self.lines.append(f"{(self.ledger.now + at).isoformat()} relay postfix/{text}\n")

    def covered(self, first: timedelta = -5 * MINUTE, last: timedelta = 30 * MINUTE) -> None:
        for at in (first, last):
            self.wrote("anvil[1]: statistics", at)

    def took(self, one: Taken, queue_id: str, status: str = "", dsn: str = "2.0.0") -> None:
        self.wrote(f"cleanup[2]: {queue_id}: message-id={self.id_of(one)}")
        self.wrote(f"qmgr[3]: {queue_id}: from=<news@example.org>, size=1, nrcpt=1 (queue active)")
        if status:
            address = one.reader.address
            self.wrote(f"smtp[4]: {queue_id}: to=<{address}>, relay=mx[1]:25, delay=1, dsn={dsn}, status={status}")

    def look(self, *, complete: bool = False, dry_run: bool = False, reports: Sequence[Path] = ()) -> Findings:
        self.log.write_text("".join(self.lines))
        logs = [str(self.log)] if self.lines else []
        brought = Brought(logs, [str(path) for path in reports], UTC, complete)
        return reconcile.look(self.works, brought, dry_run=dry_run)

    def states(self) -> dict[int, str]:
        return {row.id: row.state for row in self.ledger.deliveries()}


@pytest.fixture
def relay(ledger: Ledger, tmp_path: Path) -> Relay:
    return Relay(ledger, tmp_path)


def test_a_log_resolves_what_it_knows_and_the_evidence_is_kept(relay: Relay) -> None:
    sent, bounced, queued, unknown = relay.uncertain(4)
    relay.took(sent, "AAAAA1", "sent (250 2.0.0 Ok)")
    said = f"bounced (host mx said: 550 5.1.1 <{bounced.reader.address}>: no such user (in reply to RCPT TO command))"
    relay.took(bounced, "BBBBB1", said, "5.1.1")
    relay.took(queued, "CCCCC1")
    findings = relay.look()
    assert set(relay.states().values()) == {"uncertain"}  # looking changes nothing
    assert findings.store() == 3
    expected = {sent.id: "accepted", bounced.id: "rejected", queued.id: "accepted", unknown.id: "uncertain"}
    assert relay.states() == expected
    told = findings.as_json()
    resolved = list(told["resolved"])
    assert {entry["id"]: entry["state"] for entry in resolved} == {
        one: state for one, state in expected.items() if state != "uncertain"
    }
    assert (told["by_evidence"], told["unresolved"], told["dry_run"]) == (3, 1, False)
    assert [entry["source"] for entry in resolved] == ["mail.log:3", "mail.log:6", "mail.log:8"]
    shown = listing.delivery(relay.works, bounced.id).as_json()
    assert shown["reason"].startswith("mailbox unknown: bounced: BBBBB1")
    assert shown["reason"].endswith("[mail.log:6]")
    (attempt,) = shown["tries"]
    assert (attempt["outcome"], attempt["code"], attempt["enhanced"]) == ("rejected", 550, "5.1.1")
    assert "no such user" in attempt["reply"]
    assert bounced.reader.address not in attempt["reply"] + shown["reason"]


def test_a_dry_run_changes_nothing_and_tells_the_same(relay: Relay) -> None:
    (one, _) = relay.uncertain(2)
    relay.took(one, "AAAAA1", "sent (250 2.0.0 Ok)")
    findings = relay.look(dry_run=True)
    assert findings.store() == 0
    assert set(relay.states().values()) == {"uncertain"}
    told = findings.as_json()
    assert (told["by_evidence"], told["unresolved"], told["dry_run"]) == (1, 1, True)


def test_absence_is_evidence_only_in_a_complete_log_that_covers(relay: Relay) -> None:
    (one,) = relay.uncertain()
    relay.covered()
    relay.wrote("qmgr[1]: idle", MINUTE)
    incomplete = relay.look()
    assert incomplete.proposed == []
    assert any("--complete" in why for why in incomplete.left)
    relay.ledger.change_issue(state="sent", sent_at=relay.ledger.now)
    findings = relay.look(complete=True)
    assert findings.store() == 1
    assert relay.states() == {one.id: "pending"}
    assert "Message-ID" in relay.ledger.delivery(one.id).reason
    # the issue counted as sent; else nobody would take it
    (again,) = relay.ledger.take(worker="w2")
    assert again.id == one.id


@pytest.mark.parametrize(
    ("first", "last", "why"), [(0, 30, "starts too late"), (-5, 14, "ends too early"), (-5, 30, "gap")]
)
def test_a_complete_log_that_does_not_cover_resolves_nothing(relay: Relay, first: int, last: int, why: str) -> None:
    relay.uncertain()
    relay.covered(first * MINUTE, last * MINUTE)
    findings = relay.look(complete=True)
    assert findings.proposed == []
    assert any(why in told for told in findings.left), findings.left


def test_what_was_cut_before_its_dot_needs_a_complete_log(relay: Relay) -> None:
    (one,) = relay.uncertain()
    relay.covered()
    relay.wrote("smtpd[9]: AAAAA1: client=localhost[127.0.0.1]")
    relay.wrote(f"cleanup[2]: AAAAA1: message-id={relay.id_of(one)}")
    assert relay.look(complete=True).proposed == []  # it may be waiting in the incoming queue
    relay.wrote("smtpd[9]: lost connection after DATA (79 bytes) from localhost[127.0.0.1]")
    assert relay.look().proposed == []
    assert relay.look(complete=True).store() == 1
    assert relay.states() == {one.id: "pending"}


def test_a_relays_silence_says_nothing_about_a_maildir(relay: Relay) -> None:
    relay.ledger.planned(1)
    (one,) = relay.ledger.take(relay="maildir:/somewhere")
    relay.ledger.recover()
    relay.covered()
    relay.wrote("qmgr[1]: idle", MINUTE)
    findings = relay.look(complete=True)
    assert any("Maildir" in why for why in findings.left)
    assert findings.store() == 0
    assert relay.states() == {one.id: "uncertain"}


def test_nothing_is_due_again_while_its_worker_lives(relay: Relay) -> None:
    relay.ledger.planned(1)
    lock = WorkerLock(relay.works.delivery.place.locks, "w1")
    lock.acquire()
    relay.ledger.worker(host=relay.works.delivery.place.host)
    (one,) = relay.ledger.take()
    relay.ledger.settle([one], State.UNCERTAIN, reason="the connection was lost after the final dot")
    relay.covered()
    relay.wrote("qmgr[1]: idle", MINUTE)
    assert any("still running" in why for why in relay.look(complete=True).left)
    lock.release(clean=False)
    findings = relay.look(complete=True)
    assert len(findings.proposed) == 1
    lock.acquire()  # it was only silent: what was found in the meantime must not be believed
    assert findings.store() == 0
    assert relay.states() == {one.id: "uncertain"}
    lock.release(clean=False)


def test_what_a_zombie_settles_during_the_reading_stays_settled(relay: Relay) -> None:
    (one,) = relay.uncertain()
    relay.covered()
    relay.wrote("qmgr[1]: idle", MINUTE)
    findings = relay.look(complete=True)
    assert relay.ledger.settle([one], State.ACCEPTED) == 1
    assert findings.store() == 0
    assert findings.unresolved == 0
    assert relay.states() == {one.id: "accepted"}


def test_what_a_withdrawn_issue_gets_back_is_cancelled(relay: Relay) -> None:
    (one,) = relay.uncertain()
    relay.covered()
    relay.wrote("qmgr[1]: idle", MINUTE)
    relay.ledger.change_issue(state="withdrawn")
    relay.look(complete=True).store()
    assert relay.states() == {one.id: "cancelled"}


def test_only_uncertain_ones_change_whatever_a_log_says(relay: Relay) -> None:
    accepted, _ = relay.uncertain(2)
    relay.ledger.settle([accepted], State.ACCEPTED)
    relay.took(accepted, "AAAAA1", "bounced (host mx said: 550 5.1.1 no)", "5.1.1")
    relay.look().store()
    assert relay.states()[accepted.id] == "accepted"


def report(relay: Relay, path: Path, own_id: str, action: str, status: str = "5.1.1", address: str = "x@y.z") -> Path:
    path.write_text(
        'MIME-Version: 1.0\nContent-Type: multipart/report; boundary="b"\n\n--b\nContent-Type: text/plain\n\nsorry\n\n'
        f"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\nFinal-Recipient: rfc822; {address}\n"
        f"Action: {action}\nStatus: {status}\nDiagnostic-Code: smtp; 550 5.1.1 <{address}>: nobody here\n\n"
        f"--b\nContent-Type: message/rfc822\n\nMessage-ID: {own_id}\n\nhello\n--b--\n"
    )
    return path


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        ([("failed", "5.1.1")], "rejected"),
        ([("failed", "4.4.7")], "expired"),
        ([("delivered", "2.0.0")], "accepted"),
        ([("relayed", "2.0.0")], "accepted"),
        ([("delayed", "4.4.1")], "accepted"),
        ([("delayed", "4.4.1"), ("failed", "5.1.1")], "rejected"),
        ([("failed", "5.1.1"), ("delivered", "2.0.0")], "accepted"),
        ([("exploded", "5.1.1")], "uncertain"),
    ],
)
def test_a_report_that_names_our_message_resolves_it(
    relay: Relay, tmp_path: Path, actions: list[tuple[str, str]], state: str
) -> None:
    (one,) = relay.uncertain()
    paths = [
        report(relay, tmp_path / f"{place}.eml", relay.id_of(one), action, status)
        for place, (action, status) in enumerate(actions)
    ]
    findings = relay.look(reports=paths)
    findings.store()
    assert relay.states() == {one.id: state}
    assert (sum(findings.left.values()) > 0) is (state == "uncertain")
    if state == "rejected":
        assert "nobody here" in relay.ledger.attempts()[0].reply


def test_a_forged_report_changes_nothing_a_broken_one_is_named(relay: Relay, tmp_path: Path) -> None:
    settled, open_one = relay.uncertain(2)
    relay.ledger.settle([settled], State.ACCEPTED)
    guessed = report(
        relay, tmp_path / "guessed.eml", "<0123456789abcdef0123456789abcdef01234567@example.org>", "failed"
    )
    late = report(relay, tmp_path / "late.eml", relay.id_of(settled), "failed")
    broken = tmp_path / "broken.eml"
    broken.write_bytes(b"\0\xff")
    findings = relay.look(reports=[guessed, late, broken])
    assert findings.proposed == []
    assert relay.states() == {settled.id: "accepted", open_one.id: "uncertain"}
    assert findings.left["reports about messages that are not uncertain or not from this workspace"] == 2
    assert any(why.startswith("broken.eml: not a delivery report") for why in findings.left)


def test_a_report_from_further_on_beats_the_relays_sent(relay: Relay, tmp_path: Path) -> None:
    (one,) = relay.uncertain()
    relay.took(one, "AAAAA1", "sent (250 2.0.0 Ok)")
    relay.look(reports=[report(relay, tmp_path / "r.eml", relay.id_of(one), "failed")]).store()
    assert relay.states() == {one.id: "rejected"}


def test_notices_are_resolved_too(relay: Relay) -> None:
    ledger = relay.ledger
    with session_scope(ledger.engine) as session:
        promise(session, "operator", "k", address="a@example.org", language="en", now=ledger.now)
    with session_scope(ledger.engine) as session:
        take_notices(session, Taker("w1", ""), limit=1, now=ledger.now)
    assert ledger.recover() == 1
    relay.wrote(f"cleanup[2]: AAAAA1: message-id={relay.works.delivery.writer.notice_id('operator', 'k')}")
    relay.wrote("qmgr[3]: AAAAA1: from=<news@example.org>, size=1, nrcpt=1 (queue active)")
    findings = relay.look()
    assert findings.store() == 1
    assert next(findings.as_json()["resolved"])["kind"] == "notice"
    with session_scope(ledger.engine) as session:
        assert session.execute(select(NOTICE.c.state)).scalar_one() == "accepted"


def test_a_persons_word_settles_and_keeps_what_the_server_said(relay: Relay) -> None:
    first, second = relay.uncertain(2)
    relay.ledger.settle([first], State.UNCERTAIN, reply="lost after the dot")
    findings = reconcile.assume(relay.works, relay.ledger.issue_id, [first.id], State.ACCEPTED, by="Ada <a@b.org>")
    assert findings.store() == 1
    assert relay.states() == {first.id: "accepted", second.id: "uncertain"}
    assert relay.ledger.delivery(first.id).reason == "assumed accepted by Ada <address>"
    assert {row.id: row.reply for row in relay.ledger.attempts()}[first.attempt_id] == "lost after the dot"
    told = findings.as_json()
    assert (told["by_person"], told["by_evidence"], told["unresolved"]) == (1, 0, 1)
    everything = reconcile.assume(relay.works, relay.ledger.issue_id, None, State.REJECTED)
    everything.store()
    assert relay.states()[second.id] == "rejected"
    assert relay.ledger.delivery(second.id).reason == "assumed rejected by a person"


def test_with_nothing_brought_files_and_maildir_speak_as_before(relay: Relay, tmp_path: Path) -> None:
    relay.ledger.planned(3)
    way = f"maildir:{tmp_path / 'mail'}"
    kept, there, missing = relay.ledger.take(limit=3, relay=way)
    folder = tmp_path / "mail" / "new"
    folder.mkdir(parents=True)
    (folder / f"{there.envelope_id}.digest").touch()
    outcomes = relay.works.delivery.place.leftovers
    outcomes.mkdir(parents=True)
    settlement = Settlement(kept.promised, kept.id, kept.attempt_id, State.ACCEPTED, Outcome.ACCEPTED, relay.ledger.now)
    write_file(outcomes / "w1.json", [settlement])
    planned = reconcile.look(relay.works, relay=way, dry_run=True)
    assert set(relay.states().values()) == {"started"}
    assert (outcomes / "w1.json").exists()
    done = reconcile.look(relay.works, relay=way)
    assert relay.states() == {kept.id: "accepted", there.id: "accepted", missing.id: "pending"}
    for findings in (planned, done):
        told = findings.as_json()
        assert (told["files"], told["from_files"], told["recovered"]) == (1, 1, 2)
        assert (told["by_evidence"], told["unresolved"]) == (2, 0)
    assert [path.name for path in outcomes.iterdir()] == ["w1.stored"]


def test_a_resend_after_evidence_has_spoken_is_refused(relay: Relay) -> None:
    (one,) = relay.uncertain()
    relay.took(one, "AAAAA1", "sent (250 2.0.0 Ok)")
    relay.look().store()
    with session_scope(relay.ledger.engine) as session, pytest.raises(operations.ResendRefusedError):
        operations.resend(session, one.id, relay.works.delivery.place.liveness, relay.ledger.now + 60 * MINUTE)
    assert relay.ledger.take(worker="w2") == []


def test_many_are_resolved_at_once_and_a_large_issue_goes_on(relay: Relay) -> None:
    taken = relay.uncertain(1_201)
    relay.covered()
    relay.wrote("qmgr[1]: idle", MINUTE)
    for number, one in enumerate(taken[:600]):
        relay.took(one, f"AAAA{number:04}", "sent (250 2.0.0 Ok)")
    relay.ledger.change_issue(state="sent", sent_at=relay.ledger.now)
    assert relay.look(complete=True).store() == 1_201
    assert relay.ledger.counts() == {"accepted": 600, "pending": 601}
    with session_scope(relay.ledger.engine) as session:
        assert session.execute(select(ISSUE.c.state)).scalar_one() == "sending"


def restored(relay: Relay, at: timedelta) -> Taken:
    """Two deliveries, one of them on the wire when the backup was taken; return that one."""
    relay.ledger.planned(2)
    (on_the_wire,) = relay.ledger.take(limit=1)
    with session_scope(relay.ledger.engine) as session:
        assert settle_down(session, relay.ledger.now + at).uncertain == 2
    return on_the_wire


def wrote_all_the_time(relay: Relay, last: timedelta, first: timedelta = -5 * MINUTE) -> None:
    for step in range(int((last - first) / (5 * MINUTE)) + 1):
        relay.wrote("anvil[1]: statistics", first + step * 5 * MINUTE)


def test_after_a_restore_a_log_of_the_whole_time_since_tells(relay: Relay) -> None:
    one = restored(relay, at=30 * MINUTE)
    wrote_all_the_time(relay, last=50 * MINUTE)
    relay.took(one, "AAAAA1", "sent (250 2.0.0 Ok)")
    assert relay.look(complete=True).store() == 2
    assert sorted(relay.states().values()) == ["accepted", "pending"]
    assert relay.states()[one.id] == "accepted"
    assert relay.ledger.take() == []  # what is due again waits for the release
    with session_scope(relay.ledger.engine) as session:
        breaker.release(session, relay.ledger.issue_id, relay.ledger.now)
    assert len(relay.ledger.take()) == 1


@pytest.mark.parametrize("at", [30 * MINUTE, 55 * MINUTE])
def test_after_a_restore_a_log_of_the_last_attempt_is_no_proof(relay: Relay, at: timedelta) -> None:
    """It may have been sent at any moment between the backup and the restore."""
    restored(relay, at=at)
    wrote_all_the_time(relay, last=30 * MINUTE)
    findings = relay.look(complete=True)
    assert (findings.store(), findings.left.total()) == (0, 2)
    assert set(relay.states().values()) == {"uncertain"}
