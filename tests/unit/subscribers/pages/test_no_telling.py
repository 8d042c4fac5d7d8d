"""Nobody learns who reads: equal answers, and equal work behind them, which is what takes the time."""

import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import Engine, event
from sqlmodel import select
from starlette.testclient import TestClient

from subscribers import preferences, suppression
from subscribers.consent import ConsentMethod
from subscribers.links import Purpose
from subscribers.models import ConsentEvent, SignupDay, Subscriber
from subscribers.suppression import SuppressionReason
from tests.support.site import BASE_URL, SECRET, Reader, Site

PERSONAL = [Purpose.CONFIRM, Purpose.PREFERENCES, Purpose.UNSUBSCRIBE, Purpose.UNDO, Purpose.DATA]


@contextmanager
def work(engine: Engine) -> Iterator[list[str]]:
    """Collect what the database is asked to do, without the values."""
    done: list[str] = []

    def on_statement(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(("BEGIN", "SELECT pg_catalog", "select pg_catalog", "show ")):
            # To keep what was written and to take it back are the same work.
            done.append(re.sub(r"^(RELEASE|ROLLBACK TO) ", "END ", re.sub(r"\s+", " ", statement)))

    def on_commit(_connection: object) -> None:
        done.append("COMMIT")

    event.listen(engine, "before_cursor_execute", on_statement)
    event.listen(engine, "commit", on_commit)
    try:
        yield done
    finally:
        event.remove(engine, "before_cursor_execute", on_statement)
        event.remove(engine, "commit", on_commit)


@pytest.fixture
def addresses(site: Site) -> dict[str, str]:
    """One address for everything that somebody might want to find out."""
    site.add("reader@example.org")
    site.add("paused@example.org", paused_until=site.now + timedelta(days=9))
    bounced = site.add("bounced@example.org")
    complained = "complained@example.org"
    with site.write() as session:
        for key in (bounced.suppression_key or "", suppression.key_of(complained, SECRET)):
            suppression.add(session, key, SuppressionReason.COMPLAINT, site.now)
    return {
        "new": "new@example.org",
        "reader": "reader@example.org",
        "paused": "paused@example.org",
        "bounced": "bounced@example.org",
        "suppressed, and not on the list": complained,
        "asked a moment ago": "new@example.org",
    }


def test_a_sign_up_is_the_same_answer_and_work_whoever_it_is(
    site: Site, client: TestClient, addresses: dict[str, str]
) -> None:
    client.post("/subscribe", data={"email": "first@example.org", "scope": "all"})  # keeps the words of the page, once
    answers, works = {}, {}
    for name, address in addresses.items():
        with work(site.engine) as done:
            answer = client.post("/subscribe", data={"email": address, "scope": "all"})
        answers[name] = (answer.status_code, answer.text, sorted(answer.headers.items()))
        works[name] = list(done)
    first = answers["new"]
    for name in addresses:
        # The hidden field has the moment, and the clock stands still.
        assert answers[name] == first, name
        assert works[name] == works["new"], name
    assert sum("INSERT INTO" in statement for statement in works["new"]) >= 3
    assert works["new"][-1] == "COMMIT"
    assert [due.address for due in site.due] == ["first@example.org", "new@example.org"]
    with site.write() as session:
        assert session.exec(select(SignupDay.requests)).all() == [len(addresses) + 1]
        assert len(session.exec(select(Subscriber)).all()) == 5
        assert [one.kind for one in session.exec(select(ConsentEvent)).all()] == ["requested"] * 2


@pytest.mark.one_database
@pytest.mark.parametrize("purpose", PERSONAL)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link_that_does_not_work_is_equal_work_for_any_cause(
    site: Site, client: TestClient, monkeypatch: pytest.MonkeyPatch, purpose: Purpose, method: str
) -> None:
    person, gone = site.add(), site.add("gone@example.org")
    with site.write() as session:
        preferences.erase(session, gone, method=ConsentMethod.COMMAND, now=site.now, secret=SECRET)
    genuine = site.path(purpose, person.ref)
    foreign = site.path(Purpose.VIEW, person.ref).replace("/view/", f"/{purpose}/")
    old = site.path(purpose, person.ref)
    paths = {
        "tampered": genuine[:-4] + "AAAA",
        "cut": genuine[:-5],
        "foreign purpose": foreign,
        "unknown": site.path(purpose, "f" * 32),
        "erased": site.path(purpose, gone.ref),
    }
    checks: list[int] = []
    compare = hmac.compare_digest
    monkeypatch.setattr("subscribers.links.hmac.compare_digest", lambda a, b: checks.append(1) or compare(a, b))
    seen = {}
    for name, path in paths.items():
        seen[name] = observed(site, client, method, path, checks)
    if purpose != Purpose.UNSUBSCRIBE:
        site.later(days=500)
        seen["expired"] = observed(site, client, method, old, checks)
    for name, value in seen.items():
        assert value == seen["tampered"], name
    assert seen["tampered"][0] == 404
    assert seen["tampered"][3] == 1
    assert sum("SELECT" in statement for statement in seen["tampered"][2]) == 1


def observed(
    site: Site, client: TestClient, method: str, path: str, checks: list[int]
) -> tuple[int, str, tuple[str, ...], int, str]:
    checks.clear()
    with work(site.engine) as done:
        answer = client.request(method, path, data={"confirm": "leave", "do": "again"})
    return answer.status_code, answer.text, tuple(done), len(checks), str(sorted(answer.headers.items()))


@pytest.mark.one_database
def test_a_link_whose_key_was_taken_away_offers_leaving_by_mail(site: Site) -> None:
    person = site.add()
    path = site.path(Purpose.UNSUBSCRIBE, person.ref)
    later = Site(site.engine, site.now, link_key="a key that came after the other")
    with Reader(later, base_url=BASE_URL) as client:
        page = client.get(path)
        assert page.status_code == 404
        assert 'href="mailto:editors@example.org?subject=unsubscribe"' in page.text


# Floods and races


def at_once(count: int, act: object) -> list[object]:
    """Call `act(number)` from so many threads at the same moment; return what each returned or raised."""
    barrier, results = Barrier(count), [None] * count

    def run(number: int) -> None:
        barrier.wait()
        try:
            results[number] = act(number)  # type: ignore[operator]
        except Exception as error:
            results[number] = error  # type: ignore[call-overload]

    threads = [Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("each", [20, pytest.param(125, marks=pytest.mark.slow)])
def test_a_flood_of_sign_ups_of_one_address_is_one_mail(site: Site, each: int) -> None:
    with Reader(site, base_url=BASE_URL) as client:

        def flood(number: int) -> set[int]:
            spelling = ["Kim@Example.org", "kim@example.org", "KIM@EXAMPLE.ORG", " kim@example.org "][number % 4]
            return {client.post("/subscribe", data={"email": spelling}).status_code for _ in range(each)}

        assert at_once(8, flood) == [{200}] * 8
    assert len(site.due) == 1
    with site.write() as session:
        assert len(session.exec(select(Subscriber)).all()) == 1
        assert session.exec(select(SignupDay.requests)).all() == [8 * each]


def test_one_confirmation_pressed_everywhere_is_one_welcome(site: Site) -> None:
    with Reader(site, base_url=BASE_URL) as client:
        client.post("/subscribe", data={"email": "kim@example.org"})
        (due,) = site.due
        path = site.path(Purpose.CONFIRM, due.ref, extra=due.request)
        assert at_once(8, lambda _number: client.post(path).status_code) == [200] * 8
    assert len(site.confirmed) == 1
    assert site.events(site.person("kim@example.org")) == ["requested", "confirmed"]


def test_leaving_by_both_ways_at_once_is_one_leaving(site: Site) -> None:
    person = site.add()
    path = site.path(Purpose.UNSUBSCRIBE, person.ref)
    ways = [{"List-Unsubscribe": "One-Click"}, {"confirm": "leave"}]
    with Reader(site, base_url=BASE_URL) as client:
        answers = at_once(8, lambda number: client.post(path, data=ways[number % 2]).status_code)
    assert answers == [200] * 8
    assert len(site.left) == 1
    assert site.events(site.person()) == ["unsubscribed"]
