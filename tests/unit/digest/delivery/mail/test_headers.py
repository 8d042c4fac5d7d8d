"""Headers: what a mail program decodes is what was meant, and every byte keeps the rules of the mail standards."""

import email
import email.policy
import re
from dataclasses import replace
from datetime import datetime
from email.header import decode_header, make_header
from email.message import EmailMessage

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from digest.delivery.mail.headers import (
    HeaderUnsafeError,
    Identity,
    Personal,
    feedback_id,
    mailbox,
    message_id,
    personal_header,
    shared_header,
    text_value,
)

STRICT = email.policy.default.clone(raise_on_defect=True)
IDENTITY = Identity("스마트시티 소식", "news@example.org", "Smart City", "news.example.org", "desk@example.org")
URL = "https://news.example.org/unsubscribe/" + "t" * 200
PERSONAL = Personal("Ada", "ada@example.net", "<id@example.org>", URL)

NAMES = [
    "Ada Lovelace",
    "한" * 60,
    "홍 길동 " * 15,
    'Ada "the" <Countess>',
    "back\\slash",
    "Ada 🚆👩‍👩‍👧",
    ".leading dot",
    "=?utf-8?q?Bcc?=",
    "O'Brien, Müller; (x) [y]: @z",
    "a" * 200,
    '"' * 60,
    "two  blanks",
    " blank at both ends ",
    "e\u0301\u0300" * 40,
]
CONTROLS = ["\r\nBcc: x@example.org", "a\rb", "a\nb", "a\0b", "\x7f", "a\x85b", "a\u2028b", "a\u2029b", "\ud800", "\t"]
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=150)


def parsed(header: bytes) -> EmailMessage:
    message = email.message_from_bytes(header + b"\r\nbody\r\n", policy=STRICT)
    assert isinstance(message, EmailMessage)
    assert message.defects == []
    for value in message.values():
        assert value.defects == ()
    return message


def name_in(header: bytes, field: str) -> str:
    """The display name as RFC 2047 section 6.2 decodes it; the parser of Python 3.11 keeps blanks between words."""
    value = str(email.message_from_bytes(header, policy=email.policy.compat32)[field])
    if value.count("=?") > 1:
        return str(make_header(decode_header(value.rpartition("<")[0].rstrip())))
    return str(parsed(header)[field].addresses[0].display_name)


def check_lines(header: bytes) -> None:
    assert header.endswith(b"\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", header)
    header.decode("ascii")
    for line in header[:-2].split(b"\r\n"):
        assert len(line) <= 998
        words = re.findall(rb"=\?utf-8\?[bq]\?[^?]*\?=", line)
        assert not words or len(line) <= 76 or line.startswith(b"List-")
        assert all(len(word) <= 75 for word in words)
        assert line.strip()


def everything(now: datetime) -> bytes:
    return shared_header(IDENTITY, "제21호", about="issue-21", part="ko") + personal_header(PERSONAL, now)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_comes_back_as_it_was(name: str, now: datetime) -> None:
    header = personal_header(Personal(name, "ada@example.net", "<id@example.org>", URL), now)
    check_lines(header)
    (address,) = parsed(header)["To"].addresses
    assert address.addr_spec == "ada@example.net"
    assert name_in(header, "To") == name


@given(name=TEXTS, address=st.sampled_from(["a@b.example", "x" * 60 + "@" + "y" * 40 + ".example"]))
@example(name="=?", address="a@b.example")
@example(name="=", address="a@b.example")
def test_any_name_comes_back_as_it_was(name: str, address: str) -> None:
    # the standard library's reader makes one space of a space and other blanks beside it, also inside an encoded-word
    assume(not re.search(r" [^\S ]|[^\S ] ", name))
    for field in ("To", "From", "Reply-To"):
        header = f"{field}: {mailbox(name, address, field)}\r\n".encode("ascii")
        check_lines(header)
        (found,) = parsed(header)[field].addresses
        assert (name_in(header, field), found.addr_spec) == (name, address)


@given(TEXTS)
@example("a" * 300)
@example("한국어와 English 섞인 제목 " * 8)
@example("Smart City Policy Trends, Issue 21: eleven stories about what changed in September 2021")
@example("=?utf-8?q?Re=3A?=")
def test_any_subject_comes_back_as_it_was(subject: str) -> None:
    header = f"Subject: {text_value(subject, 'Subject')}\r\n".encode("ascii")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", header)
    assert max(len(line) for line in header.split(b"\r\n")) <= 78
    assert all(len(word) <= 75 for word in re.findall(rb"=\?[^ ]*\?=", header)) or subject.isascii()
    assert parsed(header)["Subject"] == subject


def test_a_plain_subject_stays_readable() -> None:
    assert text_value("Issue 21: what changed", "Subject") == "Issue 21: what changed"
    long = "Smart City Policy Trends, Issue 21: eleven stories about what changed in September 2021"
    assert text_value(long, "Subject").replace("\r\n", "") == long


LONG_NAMES = [
    "The Ministry of Land and Transport of the Republic and of its Provinces and Municipalities",
    "Ministry of Land, Infrastructure and Transport (Smart City Division), Republic of Korea & Provinces",
    'Ada "the" Countess of Lovelace, of the Analytical Society of the County of Surrey and London',
    "w" * 60 + " " + "x" * 60,
]


@pytest.mark.parametrize("name", LONG_NAMES)
@pytest.mark.parametrize("field", ["From", "To", "Reply-To"])
def test_a_long_name_in_ascii_folds_at_spaces(name: str, field: str) -> None:
    header = f"{field}: {mailbox(name, 'a' * 40 + '@news.example.org', field)}\r\n".encode("ascii")
    check_lines(header)
    assert b"=?" not in header
    assert header.count(b"\r\n ") >= 1
    assert max(map(len, header.split(b"\r\n"))) <= 78
    assert name_in(header, field) == name


def test_every_header_of_long_words_keeps_to_the_lines(now: datetime) -> None:
    name = LONG_NAMES[0]
    identity = Identity(name, "news@example.org", name, "l" * 20 + ".example.org", "desk@example.org")
    subject = "w" * 69 + " " + " ".join(["word"] * 40)
    header = shared_header(identity, subject, about="issue-21", part="en")
    header += personal_header(replace(PERSONAL, name=name, unsubscribe_url=""), now)
    check_lines(header)
    assert max(map(len, header.split(b"\r\n"))) <= 78
    message = parsed(header)
    assert (message["Subject"], message["From"].addresses[0].display_name) == (subject, name)
    assert message["List-Id"] == f"{name} <{identity.list_id}>"
    assert not re.search(rb"^[A-Za-z-]+: *\r\n", header, re.MULTILINE), "a field begins on its own line"


@pytest.mark.parametrize("address", ["a" * 250 + "@b.example", "a@" + "b" * 300 + ".example"])
def test_an_address_longer_than_smtp_allows_is_refused(address: str) -> None:
    with pytest.raises(HeaderUnsafeError):
        mailbox("Ada", address, "To")
    with pytest.raises(HeaderUnsafeError):
        shared_header(replace(IDENTITY, list_id="l" * 256), "s", about="a", part="b")


@pytest.mark.parametrize("text", CONTROLS)
def test_line_breaks_and_controls_are_refused_everywhere(text: str, now: datetime) -> None:
    with pytest.raises(HeaderUnsafeError):
        mailbox(f"Ada{text}", "ada@example.net", "To")
    with pytest.raises(HeaderUnsafeError):
        text_value(text, "Subject")
    with pytest.raises(HeaderUnsafeError):
        personal_header(Personal("", f"ada{text}@example.net", "<i@e>", URL), now)
    with pytest.raises(HeaderUnsafeError):
        personal_header(Personal("", "ada@example.net", "<i@e>", URL + text), now)


@pytest.mark.parametrize(
    "address", ["", "ada", "한@example.net", "ada@예.한국", "a b@example.net", "a@b>", "<a@b.c>", "a,b@c.d"]
)
def test_an_address_that_not_every_server_takes_is_refused(address: str) -> None:
    with pytest.raises(HeaderUnsafeError):
        mailbox("Ada", address, "To")


@pytest.mark.parametrize("url", ["", "ftp://x", "https://x y", "https://x>", "https://한국", "https://" + "x" * 1000])
def test_an_address_of_a_page_that_breaks_the_header_is_refused(url: str, now: datetime) -> None:
    if url:
        with pytest.raises(HeaderUnsafeError):
            personal_header(Personal("", "ada@example.net", "<i@e>", url), now)
    with pytest.raises(HeaderUnsafeError):
        shared_header(Identity("A", "a@b.example", "L", "not a domain"), "s", about="a", part="b")


def test_list_unsubscribe_stands_on_one_line_however_long_it_is(now: datetime) -> None:
    lines = everything(now).split(b"\r\n")
    assert f"List-Unsubscribe: <{URL}>".encode() in lines
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
    assert len([line for line in lines if line.lower().startswith(b"list-unsubscribe:")]) == 1


def test_every_field_stands_once_and_says_what_it_should(now: datetime) -> None:
    header = everything(now)
    check_lines(header)
    message = parsed(header)
    assert len(message.keys()) == len({name.lower() for name in message})
    assert message["From"].addresses[0].display_name == "스마트시티 소식"
    assert message["From"].addresses[0].addr_spec == "news@example.org"
    assert message["Reply-To"].addresses[0].addr_spec == "desk@example.org"
    assert message["Subject"] == "제21호"
    assert message["Date"].datetime == now
    assert message["Message-ID"] == "<id@example.org>"
    assert message["List-Id"].endswith("<news.example.org>")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Feedback-ID"] == "issue-21:ko:news.example.org:exampleorg"
    assert message["X-Digestpress-Test"] is None


def test_nothing_to_leave_no_list_unsubscribe_a_test_is_marked(now: datetime) -> None:
    confirmation = parsed(personal_header(Personal("", "a@b.example", "<i@e>"), now))
    assert confirmation["List-Unsubscribe"] is None
    assert confirmation["List-Unsubscribe-Post"] is None
    assert parsed(personal_header(Personal("", "a@b.example", "<i@e>", test=True), now))["X-Digestpress-Test"] == "yes"


def test_a_message_id_repeats_and_differs_for_anything_else() -> None:
    one = message_id(b"key", ("issue", "21", "ref"), "example.org")
    assert re.fullmatch(r"<[0-9a-f]{40}@example\.org>", one)
    assert one == message_id(b"key", ("issue", "21", "ref"), "example.org")
    others = [("issue", "22", "ref"), ("issue", "21", "ref2"), ("issue", "2", "1ref"), ("notice", "21", "ref")]
    assert len({one, *(message_id(b"key", parts, "example.org") for parts in others)}) == 5
    assert message_id(b"other", ("issue", "21", "ref"), "example.org") != one


@pytest.mark.parametrize("domain", ["a.b", "news.example.org", "a-very-long-domain-name.example.org", "-", "한국.kr"])
def test_a_feedback_id_has_three_parts_and_a_short_sender(domain: str) -> None:
    parts = feedback_id("issue 21", "ko:x", "", domain).split(":")
    assert len(parts) == 4
    assert all(parts)
    assert re.fullmatch(r"[A-Za-z0-9]{5,15}", parts[3])
