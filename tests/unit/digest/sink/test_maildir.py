"""Reading what anybody may have sent: headers without harm, lists in order, whatever lies in the folder."""

import base64
import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.sink.headers import decoded, first, headers, in_lines, split_head
from digest.sink.maildir import Mailbox


def put(folder: Path, name: str, content: bytes, *, where: str = "new", at: int = 1_000) -> Path:
    path = folder / where / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (at, at))
    return path


def test_mails_are_listed_newest_first_with_what_a_list_shows(tmp_path: Path) -> None:
    head = b"Return-Path: <s@x>\nDelivered-To: a@x\nDelivered-To: b@x\nMessage-ID: <1@x>\n"
    put(tmp_path, "1", head + b"Subject: =?utf-8?q?=EB=8F=99=ED=96=A5?=\n next\nDelivered-To: forged@x\n\nbody", at=2)
    put(tmp_path, "2:2,S", b"To: c@x\n\n", where="cur", at=3)
    old, new = reversed(Mailbox(tmp_path).mails())
    assert (new.recipients, new.subject, new.sender) == (("c@x",), "", "")
    assert (old.recipients, old.subject, old.sender, old.message_id) == (("a@x", "b@x"), "동향 next", "<s@x>", "<1@x>")
    assert old.size == (tmp_path / "new" / "1").stat().st_size


def test_a_search_is_about_recipients_in_any_case(tmp_path: Path) -> None:
    put(tmp_path, "1", b"Delivered-To: Ada@X.example\nSubject: bo\n\n")
    put(tmp_path, "2", b"Delivered-To: bo@x.example\n\n")
    box = Mailbox(tmp_path)
    assert [mail.path.name for mail in box.mails(" ada@x ")] == ["1"]
    assert [mail.path.name for mail in box.mails("bo")] == ["2"]
    assert box.mails("cy") == []


def test_a_mail_that_is_read_keeps_its_key_and_a_new_one_is_seen(tmp_path: Path) -> None:
    path = put(tmp_path, "1.x", b"Subject: a\n\n")
    box = Mailbox(tmp_path)
    [before] = box.mails()
    (tmp_path / "cur").mkdir()
    path.rename(tmp_path / "cur" / "1.x:2,S")
    put(tmp_path, "2.x", b"Subject: b\n\n")
    after = box.find(before.key)
    assert after is not None
    assert after.path.name == "1.x:2,S"
    assert len(box.mails()) == 2


def test_only_mails_are_listed_and_deleted(tmp_path: Path) -> None:
    put(tmp_path, "1", b"Subject: a\n\n")
    put(tmp_path, ".hidden", b"x")
    put(tmp_path, "unfinished", b"x", where="tmp")
    (tmp_path / "certificate.pem").write_text("x")
    (tmp_path / "new" / "folder").mkdir()
    (tmp_path / "new" / "link").symlink_to(tmp_path / "certificate.pem")
    (tmp_path / "new" / os.fsdecode(b"\xff")).write_bytes(b"")
    box = Mailbox(tmp_path)
    assert box.delete_all() == len(box.mails()) + 2 == 2
    assert (tmp_path / "certificate.pem").exists()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [".hidden", "folder", "link"]


@pytest.mark.parametrize("folder", ["", "none"])
def test_an_empty_folder_or_none_has_no_mails(tmp_path: Path, folder: str) -> None:
    box = Mailbox(tmp_path / folder)
    assert (box.mails(), box.find("x"), box.delete_all()) == ([], None, 0)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"Subject: =?utf-8?b?" + base64.b64encode("a\r\nBcc: x\x00\x1b[2J\u202e".encode()) + b"?=", "a��Bcc: x��[2J�"),
        (b"Subject: =?no-such?q?a=FF?= b", "a� b"),
        (b"Subject: =?utf-8?b?AAAAA?=", "=?utf-8?b?AAAAA?="),
        (b"Subject: =?utf-8?b?YQ?=", "a"),
        (b"Subject: \xff\xfe\x00", "���"),
        (b"Subject : tab\there", "tab here"),
        (b"sUBJECT:", ""),
        (b"Subject: first\nSubject: second", "first"),
        (b"Subject: " + b"x" * 1_000_000, "x" * 16_384),
    ],
)
def test_a_field_is_decoded_without_what_steers(line: bytes, value: str) -> None:
    assert first(headers(line), "Subject") == value


def test_a_head_has_bounds() -> None:
    assert len(headers(b"A: b\n" * 5000)) == 1000
    assert headers(b"no field\n folded")[0].name == ""
    assert headers(b"") == []
    assert split_head(b"\nbody") == (b"", b"body")
    assert split_head(b"A: b\r\n\r\nbody\n\n") == (b"A: b", b"body\n\n")
    assert split_head(b"A: b") == (b"A: b", b"")


@given(st.binary(max_size=400), st.sampled_from([b"Subject: ", b"Subject: =?utf-8?b?", b"=?x?q?", b""]))
def test_any_bytes_are_shown_safely(content: bytes, before: bytes) -> None:
    for header in headers(before + content):
        assert not any(unicodedata.category(c) in {"Cc", "Cs"} for c in header.name + header.text)
    in_lines(decoded(content, "utf-8")).encode()


@pytest.mark.parametrize(
    "charset",
    ["", None, "no-such", "a\0b", "hex", "rot13", "punycode", "idna", "unicode_escape", "UTF-7", "x" * 10_000],
)
def test_a_charset_that_is_none_is_read_as_utf_8(charset: str | None) -> None:
    assert decoded("동향 \\ud800 +2AA-".encode(), charset) == "동향 \\ud800 +2AA-"


def test_a_charset_that_is_one_is_used() -> None:
    assert decoded("동향".encode("euc-kr"), "EUC-KR") == "동향"
