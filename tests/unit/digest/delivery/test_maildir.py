"""Delivering into a Maildir: whole files, readable by a mail program, and never the same delivery twice."""

import mailbox
from pathlib import Path

import pytest

from digest.delivery.maildir import ALREADY_THERE, MaildirTransport
from digest.delivery.outcome import Outcome
from digest.delivery.transport import Envelope, WithEvidence
from digest.runtime.errors import RelayUnreachableError

ENVELOPE = Envelope("delivery-7", "news@example.org", "ada@example.net")
MESSAGE = [b"Subject: one\r\n", b"\r\n", b".dot\r\n"]


def test_a_mail_program_reads_what_was_delivered(tmp_path: Path) -> None:
    reply = MaildirTransport(tmp_path / "mail").send(ENVELOPE, MESSAGE)
    assert (reply.outcome, reply.code) == (Outcome.ACCEPTED, None)
    (message,) = mailbox.Maildir(tmp_path / "mail", create=False)
    assert message["Subject"] == "one"
    assert message.get_payload() == ".dot\n"
    assert list((tmp_path / "mail" / "tmp").iterdir()) == []


def test_the_same_delivery_again_writes_nothing_and_is_accepted(tmp_path: Path) -> None:
    transport = MaildirTransport(tmp_path)
    transport.send(ENVELOPE, MESSAGE)
    for again in (transport, MaildirTransport(tmp_path)):
        reply = again.send(ENVELOPE, [b"Subject: two\r\n\r\n"])
        assert (reply.outcome, reply.text) == (Outcome.ACCEPTED, ALREADY_THERE)
    (path,) = (tmp_path / "new").iterdir()
    assert path.read_bytes().startswith(b"Subject: one\n")


def test_evidence_is_found_after_a_mail_program_moved_it(tmp_path: Path) -> None:
    transport = MaildirTransport(tmp_path)
    assert transport.evidence("delivery-7") is False
    transport.send(ENVELOPE, MESSAGE)
    assert transport.evidence("delivery-7") is True
    assert transport.evidence("delivery-70") is False
    (path,) = (tmp_path / "new").iterdir()
    path.rename(tmp_path / "cur" / f"{path.name}:2,S")
    assert transport.evidence("delivery-7") is True
    assert MaildirTransport(tmp_path).send(ENVELOPE, MESSAGE).text == ALREADY_THERE


def test_what_a_crash_left_half_written_is_no_evidence(tmp_path: Path) -> None:
    transport = MaildirTransport(tmp_path)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "delivery-7.digest.1").write_bytes(b"Subj")
    assert transport.evidence("delivery-7") is False
    assert transport.send(ENVELOPE, MESSAGE).outcome is Outcome.ACCEPTED


def test_a_folder_that_cannot_be_written_is_a_relay_that_is_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RelayUnreachableError, match="cannot be written"):
        MaildirTransport(tmp_path / "file" / "mail").send(ENVELOPE, MESSAGE)


@pytest.mark.parametrize("name", ["../escape", "a/b", "", "a:2,S", ".hidden", "x" * 200])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a file's name"):
        MaildirTransport(tmp_path).send(Envelope(name, "a@b.example", "c@d.example"), MESSAGE)


def test_it_is_known_to_workers_as_a_transport_with_evidence(tmp_path: Path) -> None:
    transport = MaildirTransport(tmp_path)
    assert isinstance(transport, WithEvidence)
    assert transport.name == f"maildir:{tmp_path}"
    transport.close()
