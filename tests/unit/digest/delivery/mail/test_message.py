"""Letters: the edition's own bytes, with one reader's name and links, for HTML readers, text readers, tests and notices."""

import email
import email.policy
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from digest.delivery.mail.message import Letter, MessageWriter
from digest.delivery.mail.return_path import ReturnPath, claims
from digest.editions.models import Edition
from digest.issues.models import Issue
from digest.outbox.notices import TakenNotice
from digest.outbox.tables import Promised
from digest.outbox.take import Recipient, Taken
from digest.render.edition import Rendered
from digest.render.loader import Templates
from digest.render.slots import Slot, SlotContext, SlotTokens, fill
from digest.settings.feedback import Feedback
from digest.settings.root import load_settings
from subscribers.links import LinkSigner, Purpose

KEY = "k" * 32
NONCE = "0123456789abcdef"
SLOTS = SlotTokens(NONCE)
HTML = (
    "<html><head><title>t</title></head><body>"
    f'<p>안녕 {SLOTS.interests}</p><a href="{SLOTS.preferences_url}">p</a>'
    f'<a href="{SLOTS.unsubscribe_url}">u</a><a href="{SLOTS.view_url}">v</a></body></html>'
)
TEXT = f"안녕 {SLOTS.interests}\n\n{SLOTS.preferences_url}\n{SLOTS.unsubscribe_url}\n{SLOTS.view_url}\n"
FIELDS = {
    *("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"),
    *("List-Id", "List-Archive", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID", "Auto-Submitted"),
}
STRICT = email.policy.default.clone(raise_on_defect=True)


@pytest.fixture
def letters(tmp_path: Path, repo_root: Path) -> MessageWriter:
    (tmp_path / "digest.toml").write_bytes((repo_root / "digest/workspace/sample/digest.toml").read_bytes())
    secrets = f'[secrets]\nlink_keys = ["{KEY}"]\nsuppression_key = "{KEY}"\nmessage_key = "{KEY}"\n'
    (tmp_path / "secrets.toml").write_text(secrets)
    (tmp_path / "secrets.toml").chmod(0o600)
    settings = load_settings(tmp_path, {})
    signer = LinkSigner([KEY], settings.publication.base_url)
    return MessageWriter(settings, Templates(tmp_path / "templates"), signer, KEY.encode())


@pytest.fixture
def edition_id(sqlite_engine: Engine, letters: MessageWriter, now: datetime) -> int:
    with Session(sqlite_engine) as session:
        issue = Issue(number=21, period="2021-09", date=now.date(), created_at=now)
        session.add(issue)
        session.flush()
        edition = Edition(
            issue_id=issue.id or 0,
            content_hash="c" * 64,
            language="ko",
            articles=[],
            subject="제21호 스마트시티 소식",
            preheader="",
            nonce=NONCE,
            html=HTML,
            text=TEXT,
            created_at=now,
        )
        session.add(edition)
        session.flush()
        assert edition.id is not None
        letters.prepare(session, [edition.id])
        return edition.id


def reader(**fields: str) -> Recipient:
    values = {"ref": "r" * 32, "address": "ada@example.net", "name": "홍길동", "language": "ko"}
    return Recipient(**{**values, "format": "html", "interests": "mobility;safety", **fields})


def taken(edition_id: int, person: Recipient, now: datetime) -> Taken:
    return Taken(Promised.DELIVERY, 7, "attempt", "relay", 1, now, now, edition_id, "", person)


def parse(letter: Letter) -> EmailMessage:
    raw = b"".join(letter.message)
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    message = email.message_from_bytes(raw, policy=STRICT)
    assert isinstance(message, EmailMessage)
    assert [part.defects for part in message.walk() if part.defects] == []
    assert [header.defects for header in message.values() if header.defects] == []
    return message


def test_a_letter_is_the_edition_with_one_readers_links(letters: MessageWriter, edition_id: int, now: datetime) -> None:
    letter = letters.delivery(taken(edition_id, reader(), now), now)
    message = parse(letter)
    text, html = [part.get_content() for part in message.iter_parts()]
    assert message["Subject"] == "제21호 스마트시티 소식"
    assert message["To"].addresses[0].display_name == "홍길동"
    assert message["From"].addresses[0].display_name == "스마트시티정책센터"
    url = message["List-Unsubscribe"].strip("<>")
    assert "/unsubscribe/" in url
    for part in (text, html):
        assert url in part
        assert "/preferences/" in part
        assert "/view/" in part
        assert "모빌리티, 안전" in part
        assert "@@R_" not in part
    assert letter.envelope.delivery_id.startswith("delivery-7-")
    assert letter.envelope.recipient == "ada@example.net"
    assert letter.envelope.sender == "newsletter@example.org"
    assert message["Message-ID"] == letters.message_id(21, "r" * 32)


def test_both_parts_are_the_edition_with_filled_slots_exactly(
    letters: MessageWriter, edition_id: int, now: datetime
) -> None:
    signer, ref = LinkSigner([KEY], "http://127.0.0.1:8025"), "r" * 32
    values = {
        Slot.INTERESTS: "모빌리티, 안전",
        Slot.PREFERENCES_URL: signer.url(Purpose.PREFERENCES, ref, now=now),
        Slot.UNSUBSCRIBE_URL: signer.url(Purpose.UNSUBSCRIBE, ref),
        Slot.VIEW_URL: signer.url(Purpose.VIEW, "c" * 64),
        Slot.TEST_MARK: "",
    }
    both, plain = (parse(letters.delivery(taken(edition_id, reader(format=f), now), now)) for f in ("html", "text"))
    text, html, alone = [part.get_content().replace("\r\n", "\n") for part in (*both.iter_parts(), plain)]
    assert text == alone == fill(TEXT, NONCE, values, SlotContext.PLAIN)
    assert html == fill(HTML, NONCE, values, SlotContext.HTML) + "\n"  # a part ends with a line's end


@pytest.mark.parametrize(("form", "of_form"), [("html", set()), ("text", {"Content-Transfer-Encoding"})])
def test_an_issue_has_these_header_fields_and_no_other(
    letters: MessageWriter, edition_id: int, now: datetime, form: str, of_form: set[str]
) -> None:
    message = parse(letters.delivery(taken(edition_id, reader(format=form), now), now))
    assert sorted(message.keys()) == sorted(FIELDS | of_form)


def test_each_mail_has_a_return_path_of_its_own(letters: MessageWriter, edition_id: int, now: datetime) -> None:
    one = taken(edition_id, reader(), now)
    without = letters.delivery(one, now).envelope
    assert (without.sender, without.dsn_id) == ("newsletter@example.org", "")
    letters.return_path = ReturnPath("bounces@news.example.org", KEY.encode())
    envelope = letters.delivery(one, now).envelope
    (claim,) = claims(envelope.sender.encode())
    assert letters.return_path.confirms(claim, ("21", one.reader.ref))
    assert envelope.sender == f"bounces+{envelope.dsn_id}@news.example.org"


@pytest.mark.parametrize("mailbox", ["", "bounces@news.example.org"])
def test_a_mail_by_postmark_has_its_token_as_metadata(
    letters: MessageWriter, edition_id: int, now: datetime, mailbox: str
) -> None:
    one = taken(edition_id, reader(), now)
    feedback = Feedback(return_path=mailbox, postmark_secret_file="secret")
    settings = letters._settings.model_copy(update={"feedback": feedback})
    own = MessageWriter(settings, letters._templates, letters._signer, KEY.encode())
    own._editions = letters._editions
    letter = own.delivery(one, now)
    message = parse(letter)
    (claim,) = claims(f"+{message['X-PM-Metadata-digest']}".encode())
    assert own.return_path is not None
    assert own.return_path.confirms(claim, ("21", one.reader.ref))
    assert message["X-PM-KeepID"] == "true"
    assert letter.envelope.sender.partition("+")[0] == (mailbox.partition("@")[0] or "newsletter@example.org")


def test_who_wants_text_gets_the_text_alone(letters: MessageWriter, edition_id: int, now: datetime) -> None:
    message = parse(letters.delivery(taken(edition_id, reader(format="text"), now), now))
    assert message.get_content_type() == "text/plain"
    assert "모빌리티, 안전" in message.get_content()
    assert message["List-Unsubscribe"]


def test_a_second_attempt_has_the_same_message_id_and_parts(
    letters: MessageWriter, edition_id: int, now: datetime
) -> None:
    first, second = (letters.delivery(taken(edition_id, reader(), now), now) for _ in range(2))
    assert first == second
    other = letters.delivery(taken(edition_id, reader(ref="q" * 32), now), now)
    assert parse(other)["Message-ID"] != parse(first)["Message-ID"]
    assert parse(other)["List-Unsubscribe"] != parse(first)["List-Unsubscribe"]
    assert parse(other)["Feedback-ID"] == parse(first)["Feedback-ID"]


def test_interests_are_said_in_the_readers_words(letters: MessageWriter, edition_id: int, now: datetime) -> None:
    def said(interests: str, language: str) -> str:
        person = reader(interests=interests, language=language, format="text")
        content: str = parse(letters.delivery(taken(edition_id, person, now), now)).get_content()
        return content.splitlines()[0].removeprefix("안녕 ")

    assert said("safety", "en") == "Safety"
    assert said("safety;vanished", "ko") == "안전"
    assert said("*", "en") == "everything"
    assert said("*", "en") != said("", "en")


def test_a_test_mail_is_marked_and_has_no_link_of_a_reader(letters: MessageWriter, now: datetime) -> None:
    rendered = Rendered("제21호", "", (HTML,), (TEXT,), NONCE, ())
    letter = letters.test(21, rendered, reader(), "token", now)
    message = parse(letter)
    assert message["X-Digestpress-Test"] == "yes"
    assert message["Message-ID"] != letters.message_id(21, "r" * 32)
    for part in message.iter_parts():
        assert "/test/" in part.get_content()
        for purpose in (Purpose.UNSUBSCRIBE, Purpose.PREFERENCES, Purpose.VIEW):
            assert f"/{purpose}/" not in part.get_content()
    assert letters.test(21, rendered, reader(), "other", now).envelope != letter.envelope


@pytest.mark.parametrize(("language", "prefix"), [("en", "[Test] "), ("ko", "[시험] ")])
def test_a_test_mails_subject_says_so(letters: MessageWriter, now: datetime, language: str, prefix: str) -> None:
    rendered = Rendered("제21호", "", (HTML,), (TEXT,), NONCE, ())
    message = parse(letters.test(21, rendered, reader(language=language), "token", now))
    assert message["Subject"] == f"{prefix}제21호"


LEAVING = {"welcome", "new_address", "reconsent"}


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize(
    ("kind", "has", "lacks"),
    [
        ("confirmation", ["/confirm/"], ["/unsubscribe/"]),
        ("welcome", ["/preferences/", "/unsubscribe/"], ["/confirm/"]),
        ("new_address", ["/preferences/", "/unsubscribe/"], ["/confirm/", "/address/"]),
        ("goodbye", ["/subscribe?lang="], ["/unsubscribe/", "/confirm/"]),
        ("address", ["/address/", "2"], ["/unsubscribe/", "/confirm/", "/preferences/"]),
        ("address_changed", ["/subscribe?lang="], ["/unsubscribe/", "/address/", "/preferences/"]),
        ("own_data", ["/data/", "1"], ["/unsubscribe/", "/preferences/", "/keep/"]),
        ("reconsent", ["/keep/", "/unsubscribe/", "2020"], ["/confirm/", "/preferences/"]),
    ],
)
def test_notices_hold_their_kinds_needs_and_a_way_to_leave(
    letters: MessageWriter, now: datetime, language: str, kind: str, has: list[str], lacks: list[str]
) -> None:
    notice = TakenNotice(
        Promised.NOTICE,
        3,
        "attempt",
        "relay",
        1,
        now,
        now,
        kind,
        "key",
        "ada@example.net",
        "Ada",
        language,
        {"since": "2020-03-02T10:15:00+09:00"},
        "r" * 32,
    )
    letter = letters.notice(notice, now)
    message = parse(letter)
    assert (message["List-Unsubscribe-Post"] is not None) is (kind in LEAVING)
    assert (message["List-Unsubscribe"] is not None) is (kind in LEAVING)
    for part in message.iter_parts():
        content = part.get_content()
        assert all(words in content for words in has)
        assert not any(words in content for words in lacks)
        assert "@@R_" not in content
    assert letter.envelope.delivery_id == notice.envelope_id
    assert message["Message-ID"] == parse(letters.notice(notice, now))["Message-ID"]
