"""`/metrics` is there only for who knows the token, and never without one."""

import pytest
from fastapi import APIRouter
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from digest.app import App
from digest.publish.publisher import Publisher
from digest.runtime.clock import SystemClock
from digest.web.app import public_app
from digest.web.public.metrics import build_router
from digest.workspace.metrics import Metrics
from subscribers.links import LinkSigner

TOKEN = "a token that is long enough"


def client(press: Publisher, router: APIRouter | None) -> TestClient:
    links = LinkSigner(["k" * 32], "http://testserver")
    app = public_app(
        press, pages_router=APIRouter(), signer=links, clock=SystemClock(), further=[router] if router else []
    )
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def asking(sent: Publisher) -> TestClient:
    works = App(sent.settings, sent.engine, SystemClock())
    return client(sent, build_router(Metrics(works).page, TOKEN.encode()))


def test_who_knows_the_token_gets_figures(asking: TestClient) -> None:
    answer = asking.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert sum(sample.value for sample in found["digest_deliveries"].samples) == 6
    assert found["digest_build_seconds"].samples[0].value > 0
    assert "@" not in answer.text


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer ü"]
)
def test_nobody_else_does(asking: TestClient, authorization: str) -> None:
    answer = asking.get("/metrics", headers={"Authorization": authorization.encode()})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "digest_" not in answer.text


def test_local_callers_need_it_too(asking: TestClient) -> None:
    # a proxy on the same machine makes everybody local
    headers = {"X-Forwarded-For": "127.0.0.1"}
    assert asking.get("/metrics", headers=headers).status_code == 401
    assert asking.head("/metrics").status_code == 401


def test_without_a_token_there_is_no_such_page(sent: Publisher) -> None:
    assert client(sent, None).get("/metrics").status_code == 404
