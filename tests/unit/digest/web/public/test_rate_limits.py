"""How much strangers may ask for: by address, by network, in all; and what is kept of them."""

import logging
from collections.abc import Iterator
from datetime import datetime

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from limits.storage import MemoryStorage
from sqlalchemy import Engine, select
from sqlmodel import SQLModel
from starlette.testclient import TestClient

from digest.outbox.models import Notice
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.settings.web import FormLimits
from digest.testing import FrozenClock
from digest.web.public.rate_limits import NETWORK, REGION, Limiter, limiter, network_of
from subscribers.links import LinkSigner
from subscribers.pages import Asking
from tests.support import web_sample
from tests.support.web_sample import HOME

SECRET = b"a suppression key of enough bytes"
WIDE = "100000/hour"
OPEN = {"address": WIDE, "network": WIDE, "region": WIDE, "all": WIDE, "bare": WIDE}


@pytest.fixture(params=["memory", "database"])
def gate_of(request: pytest.FixtureRequest, sqlite_engine: Engine) -> Iterator[object]:
    def build(**limits: str) -> Limiter:
        shared = sqlite_engine if request.param == "database" else None
        return limiter(FormLimits(**(OPEN | limits)), SECRET, shared)

    with time_machine.travel(datetime.fromisoformat("2021-09-30T09:00:00+00:00"), tick=False):
        yield build


def ask(gate: Limiter, host: str = "192.0.2.1", address: str = "a@example.org", *, bare: bool = False) -> int:
    return gate(Asking(host, address, bare))


def test_address_network_region_and_all_have_their_own_limit(gate_of: object) -> None:
    gate = gate_of(address="2/hour")  # type: ignore[operator]
    assert [ask(gate, f"192.{number}.2.1") > 0 for number in range(3)] == [False, False, True]
    gate = gate_of(network="2/day")  # type: ignore[operator]
    answers = [ask(gate, f"198.51.100.{number}", f"{number}@example.org") for number in range(3)]
    assert [answer > 0 for answer in answers] == [False, False, True]
    assert ask(gate, "198.51.101.1", "next@example.org") == 0
    gate = gate_of(region="2/minute")  # type: ignore[operator]
    assert [ask(gate, f"203.0.{n}.1", f"{n}@example.org") > 0 for n in range(3)] == [False, False, True]
    gate = gate_of(all="2/minute")  # type: ignore[operator]
    assert [ask(gate, f"{n}.0.0.1", f"{n}@example.com") > 0 for n in range(5, 8)] == [False, False, True]


def test_the_wait_is_what_is_left_of_the_window(gate_of: object) -> None:
    gate = gate_of(address="1/hour")  # type: ignore[operator]
    with time_machine.travel(datetime.fromisoformat("2021-09-30T09:00:00+00:00"), tick=False) as clock:
        assert ask(gate) == 0
        clock.shift(600)
        assert 2999 <= ask(gate) <= 3001
        clock.shift(3001)
        assert ask(gate) == 0


def test_other_sites_forms_have_a_stricter_limit_and_count_too(gate_of: object) -> None:
    gate = gate_of(bare="2/hour", network="3/hour")  # type: ignore[operator]
    assert [ask(gate, address=f"{n}@example.org", bare=True) > 0 for n in range(3)] == [False, False, True]
    assert [ask(gate, address=f"p{n}@example.org") > 0 for n in range(2)] == [False, True]


def test_who_is_held_back_uses_up_nothing_of_the_others(gate_of: object) -> None:
    gate = gate_of(network="1/hour", all="2/hour")  # type: ignore[operator]
    answers = [ask(gate, "192.0.2.1", f"{number}@example.org") for number in range(50)]
    assert [answer > 0 for answer in answers] == [False] + [True] * 49
    assert ask(gate, "198.51.100.1", "other@example.org") == 0


def test_who_is_held_back_is_not_counted_at_all(gate_of: object) -> None:
    gate = gate_of(all="1/minute", address="3/hour")  # type: ignore[operator]
    with time_machine.travel(datetime.fromisoformat("2021-09-30T09:00:00+00:00"), tick=False) as clock:
        assert [ask(gate) > 0 for _ in range(9)] == [False] + [True] * 8
        clock.shift(61)
        assert ask(gate) == 0  # the second of three


def test_several_limits_of_one_kind_all_hold_and_none_is_none(gate_of: object) -> None:
    gate = gate_of(address="1/minute;2/hour", network="", all="")  # type: ignore[operator]
    with time_machine.travel(datetime.fromisoformat("2021-09-30T09:00:00+00:00"), tick=False) as clock:
        passed = []
        for _ in range(4):
            passed.append(ask(gate) == 0)
            clock.shift(61)
    assert passed == [True, True, False, False]


@pytest.mark.parametrize(
    ("host", "network", "region"),
    [
        ("192.0.2.77", "192.0.2.0/24", "192.0.0.0/16"),
        ("::ffff:192.0.2.77", "192.0.2.0/24", "192.0.0.0/16"),
        ("2001:db8:1:2:3::9", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/48"),
        ("", "nowhere", "nowhere"),
        ("testclient", "nowhere", "nowhere"),
        ("192.0.2.1:80", "nowhere", "nowhere"),
    ],
)
def test_a_network_is_what_one_household_or_provider_has(host: str, network: str, region: str) -> None:
    assert (network_of(host, NETWORK), network_of(host, REGION)) == (network, region)


@given(st.text(max_size=60), st.text(max_size=60), st.booleans())
def test_no_host_or_address_makes_the_gate_fail(host: str, address: str, bare: bool) -> None:
    gate = Limiter(FormLimits(), MemoryStorage(), SECRET)
    assert gate(Asking(host, address, bare)) == 0


def test_no_address_and_no_network_is_kept(sqlite_engine: Engine) -> None:
    gate = limiter(FormLimits(), SECRET, sqlite_engine)
    ask(gate, "192.0.2.77", "kim@example.org", bare=True)
    with sqlite_engine.connect() as connection:
        kept = [tuple(row) for row in connection.execute(select(SQLModel.metadata.tables["rate_window"])).all()]
    assert len(kept) == 5
    for word in ("192.0", "kim", "example"):
        assert word not in str(kept)
    other = limiter(FormLimits(), b"another key of enough bytes......", sqlite_engine)
    ask(other, "192.0.2.77", "kim@example.org")
    with sqlite_engine.connect() as connection:
        assert len(connection.execute(select(SQLModel.metadata.tables["rate_window"])).all()) == 9  # hashes are keyed


def test_the_operator_is_told_once_when_the_limit_is_reached(caplog: pytest.LogCaptureFixture) -> None:
    gate = limiter(FormLimits(**(OPEN | {"all": "3/hour"})), SECRET, None)
    with caplog.at_level(logging.WARNING):
        for number in range(20):
            ask(gate, f"{number + 1}.0.0.1", f"{number}@example.org")
    (record,) = caplog.records
    assert "[limits] all = 3/hour" in record.getMessage()
    assert "example.org" not in caplog.text


# Through the whole app, on both databases


@pytest.fixture
def press(engine: Engine, tmp_path: object, now: datetime) -> Publisher:
    return web_sample.press_on(engine, web_sample.workspace_in(tmp_path / "w"))  # type: ignore[operator]


def limited(press: Publisher, **limits: str) -> Publisher:
    settings = press.settings.model_copy(update={"limits": FormLimits(**(OPEN | limits))})
    return Publisher(settings, press.engine, press.templates)


def client_of(press: Publisher, now: datetime) -> TestClient:
    signer = LinkSigner(["a key for links, long enough"], press.settings.publication.base_url)
    return TestClient(web_sample.public(press, signer, FrozenClock(now)), base_url=HOME, client=("192.0.2.1", 5000))


def mails(press: Publisher) -> int:
    with session_scope(press.engine, read_only=True) as session:
        return len(session.execute(select(Notice)).all())


def test_a_thousand_addresses_from_one_network_hit_the_limit(press: Publisher, now: datetime) -> None:
    press = limited(press, network="40/hour", bare="25/hour")
    client = client_of(press, now)
    answers = [client.post("/subscribe", data={"email": f"a{number}@example.org"}) for number in range(1000)]
    assert [answer.status_code for answer in answers] == [200] * 25 + [429] * 975
    assert mails(press) == 25
    page = answers[-1]
    assert 0 < int(page.headers["retry-after"]) <= 3600
    assert "Too many requests right now" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    korean = client.post("/subscribe", data={"email": "x@example.org"}, headers={"accept-language": "ko"})
    assert "요청이 너무 많습니다" in korean.text


def test_the_limit_is_the_same_page_for_readers_and_strangers(press: Publisher, now: datetime) -> None:
    web_sample.add_readers(press, now)
    press = limited(press, address="1/hour")
    client = client_of(press, now)
    answers = {}
    for address in ("anna@example.org", "stranger@example.org", "gone@example.org", "pending@example.org"):
        for _ in range(2):
            answers[address] = client.post("/subscribe", data={"email": address})
    assert {answer.status_code for answer in answers.values()} == {429}
    assert len({answer.text for answer in answers.values()}) == 1
