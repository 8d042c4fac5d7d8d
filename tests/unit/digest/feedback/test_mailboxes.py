"""Mailboxes: what was read is marked once it is recorded, and a server that goes away loses and doubles nothing."""

import imaplib
import mailbox
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from digest.feedback import mailboxes
from digest.feedback.imap import ImapInbox
from digest.send import feedback
from digest.settings.feedback import FeedbackMailbox
from tests.support.came_back import CameBack
from tests.support.ledger import Ledger


@pytest.fixture
def back(ledger: Ledger, tmp_path: Path) -> CameBack:
    return CameBack(ledger, tmp_path)


def configure(back: CameBack, **fields: Any) -> None:
    settings = back.works.settings
    given = settings.feedback.model_copy(update={"mailbox": (FeedbackMailbox(**fields),)})
    object.__setattr__(back.works, "settings", settings.model_copy(update={"feedback": given}))
    object.__setattr__(back.works.delivery, "settings", back.works.settings)


def test_a_maildir_is_read_and_its_mails_move(back: CameBack, tmp_path: Path) -> None:
    (one,) = back.accepted()
    box = mailbox.Maildir(tmp_path / "box", create=True)
    box.add(back.bounce(one))
    configure(back, maildir=str(tmp_path / "box"))
    assert feedback.poll(back.works).counted["hard"] == 1
    assert (len(list((tmp_path / "box" / "new").iterdir())), len(list((tmp_path / "box" / "cur").iterdir()))) == (0, 1)
    assert feedback.poll(back.works).read == 0
    configure(back, maildir=str(tmp_path / "nowhere"))
    assert "cannot be read" in feedback.poll(back.works).failures[0]


class LeavingServer:
    """An IMAP mailbox whose connection breaks after some mails."""

    def __init__(self, mails: list[bytes]) -> None:
        self.mails = {str(number): data for number, data in enumerate(mails, 1)}
        self.seen: list[str] = []
        self.patience = 3
        self.client = SimpleNamespace(uid=self.fetch)

    def uids(self, _criteria: object) -> list[str]:
        return [uid for uid in self.mails if uid not in self.seen]

    def fetch(self, _command: str, uid: str, _what: str) -> tuple[str, list[Any]]:
        if self.patience == 0:
            raise imaplib.IMAP4.abort("socket error: EOF")
        self.patience -= 1
        return "OK", [(b"1 (BODY[]<0> {1}", self.mails[uid]), b")"]

    def flag(self, uids: list[str], _flags: list[str], value: bool) -> None:
        assert value
        self.seen += uids


def test_a_server_that_goes_away_in_the_middle(back: CameBack, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = back.accepted(5)
    server = LeavingServer([back.bounce(one) for one in sent])
    (back.works.settings.workspace / "password").write_text("secret")
    configure(back, host="imap.example.org", username="bounces", password_file="password")
    monkeypatch.setattr(mailboxes, "MAILS_AT_ONCE", 2)
    monkeypatch.setattr("digest.feedback.imap.MAILS_AT_ONCE", 2)
    monkeypatch.setattr(ImapInbox, "_connect", lambda _self: nullcontext(server))
    broken = feedback.poll(back.works)
    assert broken.failures == ["bounces at imap.example.org:993 cannot be read: socket error: EOF"]
    assert (broken.counted["hard"], server.seen) == (2, ["1", "2"])
    server.patience = 99
    server.seen.remove("2")  # as if the mark had been lost
    again = feedback.poll(back.works)
    assert (again.failures, again.counted["hard"], again.repeated) == ([], 3, 1)
    assert [back.state(one) for one in sent] == ["rejected"] * 5


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"host": "imap.example.org"},
        {"host": "imap.example.org", "maildir": "box"},
        {"host": "imap.example.org", "username": "a", "password_file": "b", "tls": "none"},
    ],
)
def test_a_mailbox_that_cannot_work_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"mailbox|none"):
        FeedbackMailbox(**fields)  # type: ignore[arg-type]
