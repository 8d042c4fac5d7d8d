"""Signed letters, caught behind a real SMTP server, hold before two foreign verifiers; whatever was changed does not."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from digest.delivery.dkim.key import record_of
from digest.delivery.dkim.sign import OVERSIGNED, SIGNED, DkimSigner, UnsignableError
from digest.delivery.mail.message import Letter, MessageWriter
from digest.delivery.outcome import Outcome
from digest.outbox.notices import TakenNotice
from digest.outbox.tables import Promised
from digest.outbox.take import Recipient
from digest.render.edition import Rendered
from digest.render.loader import Templates
from digest.render.slots import SlotTokens
from digest.settings.root import load_settings
from digest.sink.server import Sink
from subscribers.links import LinkSigner
from tests.support.smtp_transports import MakeTransport
from tests.support.verifiers import Mailauth, dkimpy_accepts

KEY = "k" * 32
NONCE = "0123456789abcdef"
SLOTS = SlotTokens(NONCE)
LINKS = f"{SLOTS.interests} {SLOTS.preferences_url} {SLOTS.unsubscribe_url} {SLOTS.view_url}"
NOW = datetime(2021, 9, 30, tzinfo=UTC)  # in the past: verifiers refuse a signature of the future
DOMAIN = "example.org"


@pytest.fixture(scope="session")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def signer(key: rsa.RSAPrivateKey) -> DkimSigner:
    return DkimSigner(key, "dp202611", DOMAIN)


@pytest.fixture
def records(signer: DkimSigner) -> dict[str, str]:
    record = record_of(signer.key, signer.selector, signer.domain)
    return {record.name: record.value}


@pytest.fixture
def letters(tmp_path: Path, repo_root: Path, signer: DkimSigner) -> MessageWriter:
    (tmp_path / "digest.toml").write_bytes((repo_root / "digest/workspace/sample/digest.toml").read_bytes())
    secrets = f'[secrets]\nlink_keys = ["{KEY}"]\nsuppression_key = "{KEY}"\nmessage_key = "{KEY}"\n'
    (tmp_path / "secrets.toml").write_text(secrets)
    settings = load_settings(tmp_path, {})
    assert settings.publication.sender_domain == DOMAIN
    links = LinkSigner([KEY], settings.publication.base_url)
    return MessageWriter(settings, Templates(tmp_path / "templates"), links, KEY.encode(), sign=signer.sign)


def edition(subject: str, words: str) -> Rendered:
    html = f"<html><body><p>{words}</p><p>.</p><p>{LINKS}</p></body></html>"
    return Rendered(subject, "", (html,), (f"{words}\n.\n..\n{LINKS}\n",), NONCE, ())


def letters_of_every_kind(letters: MessageWriter) -> dict[str, Letter]:
    """HTML and text only, quoted-printable and base64, notices; a delivery is made by the same method as a test mail."""
    korean = edition("제21호 스마트시티 소식: 국토교통부가 자율협력주행 기술을 시연하였습니다", "스마트시티 " * 2000)
    english = edition("Issue 21", "A city that thinks. " * 2000)
    reader = Recipient("r" * 32, "ada@example.net", "홍길동", "ko", "html", "mobility;safety")
    made = {}
    for language, rendered in (("korean", korean), ("english", english)):
        for form in ("html", "text"):
            person = replace(reader, format=form)
            made[f"{language} {form}"] = letters.test(21, rendered, person, f"{language}{form}", NOW)
    for kind in ("confirmation", "welcome", "goodbye"):
        taken = TakenNotice(
            Promised.NOTICE,
            3,
            "attempt",
            "relay",
            1,
            NOW,
            NOW,
            kind,
            "key",
            "ada@example.net",
            "Ada",
            "ko",
            {},
            "r" * 32,
        )
        made[kind] = letters.notice(taken, NOW)
    return made


Caught = dict[str, bytes]


@pytest.fixture
def caught(letters: MessageWriter, tmp_path: Path, make_transport: MakeTransport) -> Caught:
    """Each letter as a server behind the real transport got it, with its CRLF back."""
    raws = {}
    with Sink(tmp_path / "caught") as sink:
        transport = make_transport(sink.port)
        for kind, letter in letters_of_every_kind(letters).items():
            assert transport.send(letter.envelope, letter.message).outcome is Outcome.ACCEPTED
            [path] = (tmp_path / "caught" / "new").iterdir()
            _, _, content = path.read_bytes().partition(b"Delivered-To: ada@example.net\n")
            raws[kind] = content.replace(b"\n", b"\r\n")
            path.unlink()
        transport.close()
    return raws


def test_letters_of_every_kind_verify_behind_a_server_in_dkimpy(caught: Caught, records: dict[str, str]) -> None:
    assert {kind: dkimpy_accepts(raw, records) for kind, raw in caught.items()} == dict.fromkeys(caught, True)
    assert b"base64" in caught["korean text"]
    assert b"quoted-printable" in caught["english html"]


def test_letters_of_every_kind_verify_behind_one_in_mailauth(
    caught: Caught, records: dict[str, str], mailauth: Mailauth
) -> None:
    told = mailauth.verify(list(caught.values()), records)
    for kind, results in zip(caught, told, strict=True):
        [one] = results
        assert (one["result"], one["aligned"], one["bits"]) == ("pass", DOMAIN, 2048), (kind, one)
        assert "List-Id" in one["signed"]


def _once(pattern: bytes, by: bytes) -> Callable[[bytes], bytes]:
    def change(raw: bytes) -> bytes:
        changed, count = re.subn(pattern, by, raw, count=1, flags=re.MULTILINE)
        assert count == 1, pattern
        return changed

    return change


TAMPERINGS: dict[str, Callable[[bytes], bytes]] = {
    "a byte of the body": _once(rb"thinks", b"thinkz"),
    "a line at the end": lambda raw: raw + b"Buy now\r\n",
    "another subject": _once(rb"^Subject: ", b"Subject: Re: "),
    "a second subject in front": _once(rb"^From:", b"Subject: Win\r\nFrom:"),
    "a second subject behind": _once(rb"^Feedback-ID:", b"Subject: Win\r\nFeedback-ID:"),
    "a second sender in front": _once(rb"^From:", b"From: Mallory <m@example.org>\r\nFrom:"),
    "a second sender behind": _once(rb"^To:", b"From: Mallory <m@example.org>\r\nTo:"),
    "an answer address": _once(rb"^To:", b"Reply-To: mallory@example.com\r\nTo:"),
    "an answer address in front": _once(rb"^From:", b"Reply-To: mallory@example.com\r\nFrom:"),
    "another recipient": _once(rb"^To: .*<ada@", b"To: <eve@"),
    "another way to leave": _once(rb"^List-Unsubscribe: <", b"List-Unsubscribe: <https://example.com/?"),
    "a second way to leave": _once(rb"^To:", b"List-Unsubscribe: <https://example.com/>\r\nTo:"),
    "no one-click": _once(rb"^List-Unsubscribe-Post: .*\r\n", b""),
    "another kind of content": _once(rb"^MIME-Version:", b"Content-Type: text/html\r\nMIME-Version:"),
    "another date": _once(rb"^Date: .*\r\n", b"Date: Thu, 26 Nov 2026 10:00:00 +0000\r\n"),
    "another instant of signing": _once(rb"; t=\d+;", b"; t=1;"),
}


def _refolded(raw: bytes) -> bytes:
    """Every field unfolded, then folded at each blank."""
    head, body = raw.split(b"\r\n\r\n", 1)
    fields = re.sub(rb"\r\n([ \t])", rb"\1", head).split(b"\r\n")
    return b"\r\n".join(re.sub(rb"(?<=\S) +(?=\S)", b"\r\n\t", field) for field in fields) + b"\r\n\r\n" + body


HARMLESS: dict[str, Callable[[bytes], bytes]] = {
    "every header folded at each blank": _refolded,
    "every header on one line": lambda raw: (
        re.sub(rb"\r\n[ \t]+", b" ", raw.split(b"\r\n\r\n", 1)[0]) + b"\r\n\r\n" + raw.split(b"\r\n\r\n", 1)[1]
    ),
    "blanks at the ends of lines": lambda raw: (
        raw.split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n" + raw.split(b"\r\n\r\n", 1)[1].replace(b"\r\n", b" \t\r\n")
    ),
    "more blanks between words": _once(rb"A city that", b"A \t city  that"),
    "a field of a relay": _once(rb"^From:", b"X-New: yes\r\nFrom:"),
    "a trace in front": lambda raw: b"Received: from a by b;\r\n Thu, 26 Nov 2026 10:00:00 +0000\r\n" + raw,
    "a header folded elsewhere": _once(rb"^List-Unsubscribe-Post: ", b"list-unsubscribe-post:\r\n\t "),
    "empty lines at the end": lambda raw: raw + b"\r\n\r\n",
}


def test_only_what_relays_may_change_on_the_way_passes_dkimpy(caught: Caught, records: dict[str, str]) -> None:
    found = {name: dkimpy_accepts(change(caught["english html"]), records) for name, change in TAMPERINGS.items()}
    assert found == dict.fromkeys(TAMPERINGS, False)
    found = {name: dkimpy_accepts(change(caught["english html"]), records) for name, change in HARMLESS.items()}
    assert found == dict.fromkeys(HARMLESS, True)


def test_only_what_relays_may_change_on_the_way_passes_mailauth(
    caught: Caught, records: dict[str, str], mailauth: Mailauth
) -> None:
    changes = {**TAMPERINGS, **HARMLESS}
    told = mailauth.verify([change(caught["english html"]) for change in changes.values()], records)
    passed = {name for name, results in zip(changes, told, strict=True) if results[0]["result"] == "pass"}
    assert passed == set(HARMLESS)


def test_an_old_mail_still_verifies_after_the_key_was_changed(
    letters: MessageWriter, key: rsa.RSAPrivateKey, records: dict[str, str], mailauth: Mailauth
) -> None:
    new = DkimSigner(rsa.generate_private_key(65537, 2048), "dp202705", DOMAIN)
    record = record_of(new.key, new.selector, new.domain)
    both = {**records, record.name: record.value}
    old_mail = b"".join(letters_of_every_kind(letters)["welcome"].message)
    unsigned = old_mail[old_mail.index(b"From: ") :]
    new_mail = new.sign([unsigned], NOW + timedelta(days=180)) + unsigned
    for raw in (old_mail, new_mail):
        assert dkimpy_accepts(raw, both)
    assert [results[0]["result"] for results in mailauth.verify([old_mail, new_mail], both)] == ["pass", "pass"]
    assert not dkimpy_accepts(new_mail, records), "the new one needs the new record"


def test_without_a_signer_a_letter_lacks_only_the_signature(letters: MessageWriter) -> None:
    signed = letters_of_every_kind(letters)
    letters._sign = None
    for kind, letter in letters_of_every_kind(letters).items():
        assert signed[kind].message[1:] == letter.message
        assert signed[kind].message[0].startswith(b"DKIM-Signature: ")


def tags_of(field: bytes) -> dict[str, str]:
    value = re.sub(r"\s", "", field.decode().partition(":")[2])
    return dict(tag.split("=", 1) for tag in value.split(";"))


MESSAGE = (
    b"From: a@example.org\r\nSubject: hi\r\nList-Help: <https://example.org/>\r\nX-Other: 1\r\n"
    b"To: ada@example.net\r\nSender: b@example.org\r\n\r\nbody\r\n"
)


def test_the_signature_says_what_the_standards_ask(signer: DkimSigner) -> None:
    tags = tags_of(signer.sign([MESSAGE], NOW))
    assert {name: tags[name] for name in "vacdst"} == {
        "v": "1",
        "a": "rsa-sha256",
        "c": "relaxed/relaxed",
        "d": DOMAIN,
        "s": "dp202611",
        "t": str(int(NOW.timestamp())),
    }
    assert "l" not in tags, "with a length anything could be appended"
    listed = tags["h"].split(":")
    oversigned = {name: listed.count(name) for name in set(listed)}
    assert oversigned == {
        **dict.fromkeys(("from", "to", "subject"), 2),
        **dict.fromkeys(("date", "reply-to", "list-unsubscribe", "list-unsubscribe-post", "content-type"), 1),
        **dict.fromkeys(("list-help", "sender"), 1),
    }
    assert set(SIGNED) >= OVERSIGNED


@pytest.mark.parametrize("size", [2048, 4096])
def test_no_line_of_the_signature_is_longer_than_78(size: int) -> None:
    signer = DkimSigner(rsa.generate_private_key(65537, size), "s" * 60, "news." * 10 + "example.org")
    field = signer.sign(["".join(f"{name.decode()}: a@b\r\n" for name in SIGNED).encode() + b"\r\n"], NOW)
    assert field.endswith(b"\r\n")
    first, *rest = field.removesuffix(b"\r\n").split(b"\r\n")
    assert first.startswith(b"DKIM-Signature: ")
    assert all(line.startswith(b" ") and line.strip() for line in rest)
    assert max(map(len, [first, *rest])) <= 78


def test_the_same_message_at_the_same_instant_is_signed_the_same(signer: DkimSigner) -> None:
    assert signer.sign([MESSAGE], NOW) == signer.sign([MESSAGE], NOW)
    assert signer.sign([MESSAGE], NOW) != signer.sign([MESSAGE], NOW + timedelta(seconds=1))


@pytest.mark.parametrize(
    "message",
    [
        [],
        [b""],
        [b"\r\n"],
        [b"\r\n\r\nFrom: a@example.org\r\n"],
        [b"Subject: x\r\n\r\nFrom: a@example.org\r\n"],
        [b"From: a@example.org\r\nFROM : b@example.org\r\n\r\nx"],
    ],
)
def test_a_message_without_exactly_one_from_is_refused(signer: DkimSigner, message: list[bytes]) -> None:
    with pytest.raises(UnsignableError):
        signer.sign(message, NOW)
