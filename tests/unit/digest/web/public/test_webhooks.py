"""Providers' calls come in by the web: they count as mails do, once, and a forged one changes nothing."""

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from starlette.testclient import TestClient

from digest.app import App
from digest.feedback.webhooks.postmark import PostmarkWebhook
from digest.feedback.webhooks.provider import MAX_BYTES, FeedbackProvider
from digest.feedback.webhooks.ses import SesWebhook
from digest.feedback.webhooks.sns import SnsTopics
from digest.outbox.states import State
from digest.outbox.take import Taken
from digest.send import feedback
from digest.settings.root import load_settings
from digest.web.app import public_app
from digest.web.public import webhooks
from tests.support.came_back import CameBack, complaint
from tests.support.ledger import Ledger
from tests.support.sns import TOPIC, Amazon, call, confirmation, signed

SECRET = "a secret that is long enough"
LOGIN = {"authorization": f"Basic {base64.b64encode(f'digest:{SECRET}'.encode()).decode()}"}


@pytest.fixture
def back(ledger: Ledger, tmp_path: Path) -> CameBack:
    return CameBack(ledger, tmp_path)


@pytest.fixture
def amazon() -> Amazon:
    return Amazon()


@pytest.fixture
def client(back: CameBack, amazon: Amazon) -> Iterator[TestClient]:
    providers = [SesWebhook(SnsTopics([TOPIC], amazon.get)), PostmarkWebhook(SECRET.encode())]
    yield from serving(back.works, providers)


def serving(app: App, providers: list[FeedbackProvider]) -> Iterator[TestClient]:
    router = webhooks.build_router(providers, lambda *args: feedback.receive(app, *args))
    served = public_app(app.publisher, pages_router=APIRouter(), signer=app.signer, clock=app.clock, further=[router])
    with TestClient(served, raise_server_exceptions=False) as client:
        yield client


def ses(back: CameBack, one: Taken, kind: str = "Bounce", **over: Any) -> dict[str, Any]:
    mail = {"source": back.address(one), "destination": [one.reader.address], **over}
    recipient = {
        "emailAddress": one.reader.address,
        "status": "5.1.1",
        "diagnosticCode": "smtp; 550 5.1.1 no such user",
    }
    body = {
        "bounce": {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [recipient]},
        "complaint": {"complainedRecipients": [{"emailAddress": one.reader.address}]},
    }
    return signed(Message=json.dumps({"notificationType": kind, "mail": mail, **body}))


def postmark(back: CameBack, one: Taken, **over: Any) -> bytes:
    known = {"Metadata": {"digest": back.token(one)}, "Details": "smtp;550 5.1.1 no such user"}
    return call({"RecordType": "Bounce", "Type": "HardBounce", "Email": one.reader.address, **known, **over})


@pytest.mark.parametrize("way", ["ses", "postmark"])
def test_an_event_counts_once_by_webhook_and_by_mail(back: CameBack, client: TestClient, way: str) -> None:
    first, second = back.accepted(2)
    body = call(ses(back, first)) if way == "ses" else postmark(back, first)
    for _ in range(2):
        assert client.post(f"/webhooks/{way}", content=body, headers=LOGIN).status_code == 200
    assert back.ingest(back.bounce(first)).repeated == 1
    assert (back.state(first), back.state(second)) == ("rejected", "accepted")
    assert back.suppressed() == {first.reader.address: "hard_bounce"}
    (event,) = back.events()
    assert (event.kind, event.source, event.detail["reader"], event.detail["code"]) == ("hard", "webhook", way, 550)

    # the other way about
    assert back.counted(back.bounce(second)) == {"hard": 1}
    body = call(ses(back, second)) if way == "ses" else postmark(back, second)
    assert client.post(f"/webhooks/{way}", content=body, headers=LOGIN).status_code == 200
    assert len(back.events()) == 2


def test_calls_at_the_same_time_count_once(back: CameBack) -> None:
    sent = back.accepted(12)
    provider = PostmarkWebhook(SECRET.encode())
    bodies = [postmark(back, one) for one in sent[:6] for _ in range(3)]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda body: feedback.receive(back.works, provider, LOGIN, body), bodies))
    assert (len(back.suppressed()), len(back.events())) == (6, 6)
    assert [back.state(one) for one in sent] == ["rejected"] * 6 + ["accepted"] * 6


@pytest.mark.parametrize("way", ["ses", "postmark", "mail"])
def test_a_complaint_suppresses_at_once(back: CameBack, client: TestClient, way: str) -> None:
    (one,) = back.accepted()
    if way == "mail":
        back.ingest(complaint(back.address(one)))
    body = call(ses(back, one, "Complaint")) if way == "ses" else postmark(back, one, RecordType="SpamComplaint")
    assert (
        client.post(f"/webhooks/{'ses' if way == 'ses' else 'postmark'}", content=body, headers=LOGIN).status_code
        == 200
    )
    assert back.suppressed() == {one.reader.address: "complaint"}
    assert (back.state(one), len(back.events())) == ("accepted", 1)


@pytest.mark.one_database
def test_the_sender_and_headers_name_a_mail_without_token(back: CameBack, client: TestClient) -> None:
    (one,) = back.accepted()
    headers = [{"name": "X-Long", "value": "x" * 100_000}, {"name": "Message-ID", "value": back.message_id(one)}]
    body = call(ses(back, one, source="news@example.org", headers=headers))
    assert client.post("/webhooks/ses", content=body).status_code == 200
    assert back.state(one) == "rejected"


def test_a_delivery_resolves_an_uncertain_one(back: CameBack, client: TestClient) -> None:
    back.ledger.planned(1)
    back.ledger.worker()
    (one,) = back.ledger.take(limit=1)
    back.ledger.settle([one], State.UNCERTAIN)
    assert client.post("/webhooks/ses", content=call(ses(back, one, "Delivery"))).status_code == 200
    assert back.state(one) == "accepted"


@pytest.mark.one_database
@pytest.mark.parametrize("source", ["bounces+d1ffffffffffffffffffff@news.example.org", "x@y.example", ""])
def test_a_report_about_somebody_elses_mail_changes_nothing(back: CameBack, client: TestClient, source: str) -> None:
    (one,) = back.accepted()
    headers = [{"name": "Message-ID", "value": "<0123@elsewhere.example>"}]
    body = call(ses(back, one, source=source, headers=headers))
    for _ in range(2):
        assert client.post("/webhooks/ses", content=body).status_code == 200
    assert (back.state(one), back.suppressed()) == ("accepted", {})
    (event,) = back.events()
    assert (event.delivery_id, event.subscriber_id) == (None, None)


@pytest.mark.one_database
def test_a_forged_call_changes_nothing_and_learns_nothing(back: CameBack, client: TestClient) -> None:
    (one,) = back.accepted()
    forged = {
        ("ses", 403): call({**ses(back, one), "MessageId": "other"}),
        ("ses", 400): call({**signed(), "Type": "x"}),
        ("postmark", 401): postmark(back, one),
    }
    for (way, status), body in forged.items():
        answer = client.post(f"/webhooks/{way}", content=body)
        assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (status, b"", "no-store")
        assert answer.headers.get("www-authenticate") == ("Basic" if status == HTTPStatus.UNAUTHORIZED else None)
    assert (back.state(one), back.events()) == ("accepted", [])


@pytest.mark.parametrize(
    "body", [b"", b"\0", b"\xff\xfe", b"[" * 200_000, b"null", b"{", "한".encode("euc-kr"), b'{"TopicArn": "\\u0000"}']
)
def test_what_nobody_understands_is_refused_or_kept(back: CameBack, client: TestClient, body: bytes) -> None:
    assert client.post("/webhooks/ses", content=body).status_code == 403
    for _ in range(2):
        assert client.post("/webhooks/postmark", content=body, headers=LOGIN).status_code == 200
    (event,) = back.events()
    assert (event.kind, event.subscriber_id) == ("unknown", None)


@pytest.mark.one_database
def test_a_call_has_a_size(client: TestClient) -> None:
    assert client.post("/webhooks/postmark", content=b"x" * (MAX_BYTES + 1), headers=LOGIN).status_code == 413
    assert client.post("/webhooks/postmark", content=b"x" * 9, headers=LOGIN).status_code == 200


@pytest.mark.one_database
def test_a_subscription_is_confirmed_only_for_a_named_topic(client: TestClient, amazon: Amazon) -> None:
    other = "arn:aws:sns:eu-west-1:999999999999:bounces"
    assert client.post("/webhooks/ses", content=call(confirmation(TopicArn=other))).status_code == 403
    assert amazon.asked == []
    assert client.post("/webhooks/ses", content=call(confirmation())).status_code == 200
    assert "Action=ConfirmSubscription" in amazon.asked[-1]
    asked = len(amazon.asked)
    leaving = confirmation(Type="UnsubscribeConfirmation")
    assert client.post("/webhooks/ses", content=call(leaving)).status_code == 200
    assert len(amazon.asked) == asked


@pytest.mark.one_database
def test_there_is_no_route_unless_it_is_configured(back: CameBack) -> None:
    assert feedback.providers(back.works.settings) == []
    workspace = back.works.settings.workspace
    (workspace / "postmark").write_text(SECRET)
    config = workspace / "digest.toml"
    config.write_text(f'{config.read_text()}\nses_topics = ["{TOPIC}"]\npostmark_secret_file = "postmark"\n')
    providers = feedback.providers(load_settings(workspace))
    assert [one.name for one in providers] == ["ses", "postmark"]
    for client in serving(back.works, []):
        assert client.post("/webhooks/ses").status_code == 404
    for client in serving(back.works, [*providers]):
        for method in ("GET", "HEAD", "PUT"):
            assert client.request(method, "/webhooks/ses").status_code == 405
