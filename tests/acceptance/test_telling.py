"""Operators hear of it: by mail through the same relay and by webhook, from the real commands."""

import json
import time
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from standardwebhooks import Webhook

from tests.support.webhooks import Receiver, receiving
from tests.support.world import World, html_of, mails, text_of

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OPERATOR = "ada.operator@example.org"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def operated(sample: World, receiver: Receiver) -> World:
    """With an operator who has an address and a webhook."""
    (sample.folder / "webhook.secret").write_text(SECRET)
    (sample.folder / "webhook.secret").chmod(0o600)
    sample.environment |= {
        "DIGEST_OPERATORS__ADDRESSES": json.dumps([OPERATOR]),
        "DIGEST_OPERATORS__WEBHOOK": receiver.url,
        "DIGEST_OPERATORS__WEBHOOK_SECRET_FILE": "webhook.secret",
    }
    return sample


@pytest.fixture
def told(sample: World, receiver: Receiver) -> World:
    return operated(sample, receiver)


def to_operator(world: World) -> list[EmailMessage]:
    return [mail for mail in mails(world.folder / "outbox") if OPERATOR in str(mail["To"])]


def types(receiver: Receiver) -> list[str]:
    return [json.loads(body)["type"] for _, body in receiver.got]


def test_a_send_is_told_from_beginning_to_end(approved: World, receiver: Receiver) -> None:
    told = operated(approved, receiver)
    told.process("send", "21", "--yes")
    assert types(receiver) == ["digest.started", "digest.finished"]
    for headers, body in receiver.got:
        assert Webhook(SECRET).verify(body, _as_of_now(headers, body))
        assert b"@" not in body
    finished = json.loads(receiver.got[-1][1])["data"]
    planned = finished["numbers"]["planned"]
    assert planned == finished["numbers"]["accepted"] > 0
    subjects = sorted(str(mail["Subject"]) for mail in to_operator(told))
    assert subjects == [
        "[Smart City Newsletter] Issue No. 21: sending has finished",
        "[Smart City Newsletter] Issue No. 21: sending has started",
    ]
    done = next(mail for mail in to_operator(told) if "finished" in str(mail["Subject"]))
    assert f"accepted: {planned}" in text_of(done)
    assert "digest outbox status 21" in html_of(done)
    assert done["List-Unsubscribe"] is None
    # nothing is told again, whoever works next
    told.digest("worker")
    told.digest("tick")
    # (what the calendar does today is told, too: it may be the week in which the next issue is assembled)
    assert sum("No. 21" in str(mail["Subject"]) for mail in to_operator(told)) == 2
    assert sum(json.loads(body)["data"]["issue"] == 21 for _, body in receiver.got) == 2


@pytest.mark.one_database
def test_a_test_says_whether_one_would_be_told(told: World, receiver: Receiver) -> None:
    said = told.json("tell", "--test")
    assert [mail["state"] for mail in said["mails"]] == ["accepted"]
    assert said["webhook"] == {"state": "told", "answer": "204"}
    (mail,) = to_operator(told)
    assert "a test" in str(mail["Subject"])
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "digest.toml" in text_of(mail)
    told.digest("tell", "--test")
    assert len(to_operator(told)) == 2
    receiver.answers = [500]
    assert told.json("tell", "--test", expect=1)["webhook"]["state"] == "pending"


@pytest.mark.one_database
def test_without_operators_there_is_nobody_to_tell(sample: World) -> None:
    sample.digest("tell", "--test", expect=2)


@pytest.mark.one_database
def test_the_webhook_is_told_although_the_relay_is_away(told: World, receiver: Receiver) -> None:
    told.environment["DIGEST_DELIVERY__PATIENCE"] = "1"
    said = told.json("tell", "--test", "--relay", "smtp://127.0.0.1:1", expect=4)
    assert types(receiver) == ["digest.test"]
    assert [mail["state"] for mail in said["mails"]] == ["pending"]
    told.digest("worker")  # the relay is back
    assert len(to_operator(told)) == 1


@pytest.mark.one_database
def test_korean_operators_read_korean(told: World) -> None:
    told.environment["DIGEST_PUBLICATION__LANGUAGE"] = "ko"
    told.digest("tell", "--test")
    (mail,) = to_operator(told)
    assert "시험 알림" in str(mail["Subject"])
    assert "실제로 일어난 일은 없습니다" in text_of(mail)
    assert 'lang="ko"' in html_of(mail)


def _as_of_now(headers: dict[str, str], body: bytes) -> dict[str, str]:
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 300
    return headers
