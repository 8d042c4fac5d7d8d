"""Delivery reports: what they say about which message, and what is none, however it is broken."""

import mailbox
from pathlib import Path

import pytest

from digest.feedback.dsn import NotAReportError, ReportedRecipient, read_report
from digest.feedback.evidence_files import EvidenceUnreadableError, mails
from digest.feedback.parsed_mail import MAX_BYTES

ID = "<0123456789abcdef@example.org>"
ORIGINAL = f"From: news@example.org\nMessage-ID: {ID}\nSubject: =?utf-8?b?7JWI?=\n\nhello\n"


def recipient(action: str = "failed", address: str = "reader@example.net", **fields: str) -> str:
    known = {
        "Final-Recipient": f"rfc822; {address}",
        "Action": action,
        "Status": "5.1.1",
        "Diagnostic-Code": f"smtp; 550 5.1.1 <{address}>: no such\n  user here",
    }
    return "".join(
        f"{name}: {value}\n"
        for name, value in {**known, **{k.replace("_", "-"): v for k, v in fields.items()}}.items()
        if value
    )


def dsn(
    *recipients: str, original: str = ORIGINAL, kind: str = "message/rfc822", status: str = "message/delivery-status"
) -> bytes:
    blocks = "\n".join(["Reporting-MTA: dns; relay.example.org\n", *(recipients or (recipient(),))])
    return (
        "From: MAILER-DAEMON@relay.example.org\nTo: news@example.org\nSubject: Undelivered\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        f"--b\nContent-Type: text/plain\n\nI am sorry.\n\n--b\nContent-Type: {status}\n\n{blocks}\n"
        f"--b\nContent-Type: {kind}\n\n{original}\n--b--\n"
    ).encode()


@pytest.mark.parametrize("kind", ["message/rfc822", "text/rfc822-headers", "message/global-headers", "message/global"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_failure_names_the_message_and_the_servers_words(kind: str, ends: str) -> None:
    report = read_report(dsn(kind=kind).replace(b"\n", ends.encode()))
    assert report.message_id == ID
    told = ReportedRecipient("reader@example.net", "failed", "5.1.1", 550, "550 5.1.1 <address>: no such user here")
    assert report.about("READER@example.net") == told


@pytest.mark.parametrize("kind", ["smtp;", "SMTP ;\n ", "x-unix;", ""])
def test_a_semicolon_in_a_servers_words_is_theirs(kind: str) -> None:
    report = read_report(
        dsn(recipient(Diagnostic_Code=f"{kind} 550 5.1.1 gone; see https://example.net", Status="5.0.0"))
    )
    told = report.about("")
    assert (told.code, told.enhanced, told.words) == (550, "5.1.1", "550 5.1.1 gone; see https://example.net")


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded", "delayed", "failed"])
def test_each_known_action_is_told(action: str) -> None:
    report = read_report(dsn(recipient(f" {action.upper()} (really)", Diagnostic_Code="")))
    assert (report.about("").action, report.about("").words) == (action, "status 5.1.1")


def test_of_several_recipients_ours_counts_else_the_best_news() -> None:
    report = read_report(dsn(recipient(), recipient("delivered", "archive@example.org")))
    assert report.about("reader@example.net").action == "failed"
    assert report.about("somebody@example.com").action == "delivered"
    forwarded = recipient("failed", "elsewhere@example.com", Original_Recipient="rfc822;reader@example.net")
    assert read_report(dsn(recipient("delivered", "x@y.z"), forwarded)).about("reader@example.net").action == "failed"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a delivery report"),
        (b"\0\xff" * 1000, "not a delivery report"),
        (b"Subject: on holiday\nAuto-Submitted: auto-replied\n\nI am away.\n", "not a delivery report"),
        (dsn(original="Subject: x\n\n"), "Message-ID"),
        (dsn(original="Message-ID: none\n\n"), "Message-ID"),
        (dsn(recipient("exploded")), "action"),
        (dsn(recipient("")), "action"),
        (dsn("nonsense\n"), "action"),
        (dsn(status="text/plain"), "not a delivery report"),
        (dsn()[:200], "not a delivery report"),
        (dsn()[:400], "Message-ID"),
        (b"x" * (MAX_BYTES + 1), "too large"),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 400, "too many parts"),
        (
            b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(60)),
            "nested too deeply",
        ),
    ],
)
def test_what_is_no_report_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(NotAReportError, match=why):
        read_report(data)


def test_a_reports_own_message_id_or_one_in_its_text_is_ignored() -> None:
    forged = dsn(original="Subject: x\n\n").replace(b"I am sorry", f"Message-ID: {ID}".encode())
    with pytest.raises(NotAReportError, match="Message-ID"):
        read_report(f"Message-ID: {ID}\nReferences: {ID}\n".encode() + forged)


def test_mails_come_from_files_folders_maildirs_and_mboxes(tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(dsn())
    box = mailbox.Maildir(tmp_path / "maildir")
    for _ in range(2):
        box.add(dsn())
    with_mbox = mailbox.mbox(tmp_path / "box")
    for _ in range(3):
        with_mbox.add(dsn())
    with_mbox.close()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_bytes(dsn())
    (tmp_path / "folder" / "big").write_bytes(b"x" * (MAX_BYTES + 100))
    found = list(mails([str(tmp_path / name) for name in ("one.eml", "maildir", "box", "folder")]))
    assert len(found) == 1 + 2 + 3 + 2
    assert [place for place, _ in found if "box" in place] == ["box, mail 1", "box, mail 2", "box, mail 3"]
    assert sum(len(data) == MAX_BYTES + 1 for _, data in found) == 1
    assert sum(read_report(data).message_id == ID for _, data in found if len(data) <= MAX_BYTES) == 7
    with pytest.raises(EvidenceUnreadableError, match="missing"):
        list(mails([str(tmp_path / "missing")]))
