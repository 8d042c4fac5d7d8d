"""The whole public app, found by walking its routes: the headers of every answer, and no answer that is our fault."""

import re
import warnings
from collections.abc import Iterator
from datetime import datetime

import pytest
import schemathesis
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from digest.publish.publisher import Publisher
from digest.runtime.db import make_engine, session_scope
from digest.testing import FrozenClock
from subscribers.links import LIFETIMES, LINKED, LinkSigner, Purpose
from subscribers.models import Subscriber
from subscribers.pages.forms import MAX_BODY
from tests.support import web_sample
from tests.support.published import editions
from tests.support.web_sample import HOME

ALWAYS = {
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
}
# Tokens and personal pages are kept and found nowhere; these are the same for everybody.
CACHED = ("/media/", "/static/", "/favicon.ico")
OPEN = ("/archive", "/feeds/", "/sitemap.xml")
UNKNOWN_REF = "f" * 32


@pytest.fixture
def app(press: Publisher, signer: LinkSigner, now: datetime) -> FastAPI:
    return web_sample.public(press, signer, FrozenClock(now))


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url=HOME, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


def routes(app: FastAPI | APIRouter) -> list[APIRoute]:
    """Every route, also those of routers that are included."""
    found: list[APIRoute] = []

    def walk(some: list[BaseRoute]) -> None:
        for route in some:
            if isinstance(route, APIRoute):
                found.append(route)
            inner = getattr(route, "original_router", None) or getattr(route, "app", None)
            walk(list(getattr(inner, "routes", [])))

    walk(list(app.routes))
    return found


def examples(press: Publisher, signer: LinkSigner, now: datetime, path: str) -> list[str]:
    """Addresses of a route: with what exists, and with what does not."""
    if "{" not in path:
        return [path]
    purpose = path.strip("/").partition("/")[0]
    values = ["x", "0", "21", f"{'0' * 64}.png"]
    if "{token}" in path and purpose in list(Purpose):
        refs = [editions(press)[0].content_hash] if purpose == Purpose.VIEW else ["anna", UNKNOWN_REF]
        values += [signer.token(Purpose(purpose), ref, now=now if purpose in LIFETIMES else None) for ref in refs]
    return [re.sub(r"\{[^}]+\}", value, path) for value in values]


def check(answer: object, path: str, *, https: bool = False) -> None:
    headers = answer.headers  # type: ignore[attr-defined]
    for name, value in ALWAYS.items():
        assert headers.get(name) == value, (path, name)
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy, path
    assert "frame-ancestors 'none'" in policy or "sandbox" in policy, path
    assert "http:" not in policy.replace("http://127.0.0.1:8025", ""), path
    assert "unsafe-inline" not in policy or path.startswith(("/archive/", "/view/")), path
    is_open = path == "/" or path.startswith(OPEN)
    if not is_open and path != "/subscribe":
        assert headers["x-robots-tag"] == "noindex", path
    if not is_open and not path.startswith(CACHED):
        assert headers["cache-control"] == "no-store", path
    assert "set-cookie" not in headers, path
    assert "server" not in headers, path
    assert "access-control-allow-origin" not in headers, path
    assert ("strict-transport-security" in headers) is https, path


def test_the_walk_finds_the_routes(app: FastAPI) -> None:
    paths = {route.path for route in routes(app)}
    assert {
        "/subscribe",
        "/confirm/{token}",
        "/data/{token}",
        "/archive/{number}",
        "/media/{name}",
        "/healthz",
        "/",
    } <= paths
    assert len(paths) >= 14


def test_every_answer_of_every_route_has_the_headers(
    app: FastAPI, client: TestClient, press: Publisher, signer: LinkSigner, now: datetime
) -> None:
    statuses = set()
    before = web_sample.snapshot(press.engine)
    for route in routes(app):
        for path in examples(press, signer, now, route.path):
            for method in ("GET", "HEAD", "OPTIONS", "DELETE", "PUT", "TRACE"):
                answer = client.request(method, path)
                statuses.add(answer.status_code)
                assert answer.status_code < 500, (method, path)
                check(answer, path)
    for path in ("/nothing", "/archive/21/", "/%00", "/static/../secrets.toml", "/archive/21?format=pdf"):
        answer = client.get(path)
        statuses.add(answer.status_code)
        check(answer, path)
    assert web_sample.snapshot(press.engine) == before
    for route in routes(app):
        if "POST" in (route.methods or ()):
            for path in examples(press, signer, now, route.path):
                for content in (b"", b"a" * (MAX_BODY + 1), b"--x\r\nbroken"):
                    answer = client.post(path, content=content)
                    statuses.add(answer.status_code)
                    assert answer.status_code < 500, path
                    check(answer, path)
    assert {200, 400, 404, 405, 413} <= statuses


def test_a_head_without_measure_is_refused_on_every_route(client: TestClient) -> None:
    for headers, status in (({f"x{number}": "y" for number in range(101)}, 431), ({"x": "y" * 17_000}, 431), ({}, 414)):
        for path in ("/subscribe", "/nothing"):
            answer = client.get(path + ("?lang=" + "k" * 4096 if status == 414 else ""), headers=headers)
            assert answer.status_code == status
            check(answer, path)
    assert client.get("/subscribe?" + "a=b&" * 1000).status_code == 200


def test_https_says_so_on_every_route(press: Publisher, now: datetime) -> None:
    publication = press.settings.publication.model_copy(update={"base_url": "https://news.example.org"})
    secure = Publisher(press.settings.model_copy(update={"publication": publication}), press.engine, press.templates)
    signer = LinkSigner(["a key for links, long enough"], "https://news.example.org")
    app = web_sample.public(secure, signer, FrozenClock(now))
    with TestClient(app, base_url="https://news.example.org") as client:
        for route in routes(app):
            for path in examples(secure, signer, now, route.path):
                answer = client.get(path, follow_redirects=False)
                assert answer.headers["strict-transport-security"] == "max-age=31536000", path
                assert "set-cookie" not in answer.headers


def test_answers_of_a_broken_server_have_the_headers_too(
    press: Publisher, signer: LinkSigner, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = web_sample.public(press, signer, FrozenClock(now))
    with TestClient(app, base_url=HOME, raise_server_exceptions=False) as client:
        monkeypatch.setattr("subscribers.store.by_ref", lambda *_: 1 / 0)
        answer = client.get(f"/preferences/{signer.token(Purpose.PREFERENCES, 'anna', now=now)}")
        assert answer.status_code == 500
        check(answer, "/preferences/")
    away = Publisher(press.settings, make_engine("postgresql://u:p@127.0.0.1:1/x"), press.templates)
    with TestClient(
        web_sample.public(away, signer, FrozenClock(now)), base_url=HOME, raise_server_exceptions=False
    ) as client:
        for path in ("/subscribe", "/archive", f"/preferences/{signer.token(Purpose.PREFERENCES, 'anna', now=now)}"):
            check(client.get(path), path)
        answer = client.post("/subscribe", data={"email": "a@example.org"})
        assert answer.status_code == 503
        check(answer, "/subscribe")


# Addresses that somebody else wrote


def test_no_answer_takes_an_address_from_the_host(
    app: FastAPI, client: TestClient, press: Publisher, signer: LinkSigner, now: datetime
) -> None:
    before, foreign = web_sample.snapshot(press.engine), {"Host": "evil.example"}
    for route in routes(app):
        for path in (end for one in examples(press, signer, now, route.path) for end in (one, f"{one}/")):
            secret = path.strip("/").partition("/")[0] in LINKED
            for method in ("GET", "POST"):
                answer = client.request(method, path, headers=foreign, data={"List-Unsubscribe": "One-Click"})
                assert (answer.status_code == 421) is secret, (method, path)
                assert "evil" not in answer.text + repr(answer.headers) + answer.headers.get("location", ""), path
                check(answer, path.removesuffix("/") or "/")
    assert client.get("/healthz", headers=foreign).json() == {"status": "ok"}
    assert web_sample.snapshot(press.engine) == before


def test_a_path_with_a_slash_at_its_end_is_the_same_page(
    app: FastAPI, client: TestClient, press: Publisher, signer: LinkSigner, now: datetime
) -> None:
    def told(path: str) -> tuple[int, str]:
        answer = client.get(path)
        return answer.status_code, re.sub(r'value="[^"]{40,}"', "", answer.text)

    for route in routes(app):
        for path in examples(press, signer, now, route.path):
            assert told(path) == told(f"{path}/"), path
    page = client.get(f"/preferences/{signer.token(Purpose.PREFERENCES, 'anna', now=now)}/")
    links = [link for link in re.findall(r'(?:href|action)="([^"]+)"', page.text) if "mailto:" not in link]
    assert len(links) > 4
    for link in links:
        assert client.get(str(page.url.join(link))).status_code == 200, link


def test_one_click_and_undo_act_at_a_path_with_a_slash(
    client: TestClient, press: Publisher, signer: LinkSigner, now: datetime
) -> None:
    link = f"/unsubscribe/{signer.token(Purpose.UNSUBSCRIBE, 'anna')}/"
    assert client.post(link, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert state_of(press, "anna") == "unsubscribed"
    undo = client.get(f"/undo/{signer.token(Purpose.UNDO, 'anna', now=now)}/")
    action, token = (re.search(found, undo.text) for found in (r'action="([^"]+)"', r'name="form" value="([^"]+)"'))
    assert action
    assert token
    assert client.post(str(undo.url.join(action[1])), data={"form": token[1]}).status_code == 200
    assert state_of(press, "anna") == "confirmed"


def state_of(press: Publisher, ref: str) -> str:
    with session_scope(press.engine) as session:
        return session.exec(select(Subscriber.state).where(Subscriber.ref == ref)).one()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((name, 200) for name in ("news.example.org", "NEWS.example.org.:443", "digest:8025", "[::1]:8025")),
        *((name, 200) for name in ("localhost:1", "127.0.0.1", "")),
        *((name, 421) for name in ("news.example.org.evil.example", "evil.example:443", "example.org", "[::2]", ":80")),
        *((name, 421) for name in ("127.0.0.1.evil.example", "news.example.org@evil.example", "news.example.org, x")),
    ],
)
def test_readers_links_open_under_our_names_only(press: Publisher, now: datetime, host: str, status: int) -> None:
    publication = press.settings.publication.model_copy(update={"base_url": "https://News.example.org/digest"})
    web = press.settings.web.model_copy(update={"hosts": ("Digest",)})
    configured = press.settings.model_copy(update={"publication": publication, "web": web})
    signer = LinkSigner([web_sample.LINK_KEY], publication.base_url)
    app = web_sample.public(Publisher(configured, press.engine, press.templates), signer, FrozenClock(now))
    with TestClient(app, base_url=HOME) as client:
        answer = client.get(f"/unsubscribe/{signer.token(Purpose.UNSUBSCRIBE, 'anna')}", headers={"Host": host})
    assert answer.status_code == status
    assert status == 200 or "only at https://News.example.org/digest" in answer.text


# Anything at all


FIELDS = ("email", "scope", "interest", "language", "format", "frequency", "paused_until", "do", "confirm", "months")
BODY = {"type": "object", "properties": {name: {"type": "string"} for name in (*FIELDS, "form", "List-Unsubscribe")}}
KINDS = ("application/x-www-form-urlencoded", "multipart/form-data")


def described(app: FastAPI) -> FastAPI:
    """The same app with its routes in a description, which is made for this test and served to nobody else."""
    for route in routes(app):
        route.include_in_schema = True
        if "POST" in (route.methods or ()):
            route.openapi_extra = {"requestBody": {"content": {kind: {"schema": BODY} for kind in KINDS}}}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate Operation ID")  # GET and HEAD are one function
        description = app.openapi()
    app.add_route("/openapi.json", lambda _request: JSONResponse(description))
    return app


def test_no_description_is_served_to_anybody(client: TestClient) -> None:
    assert {client.get(path).status_code for path in ("/openapi.json", "/docs", "/redoc")} == {404}


FORMS = {
    "email": st.one_of(st.text(max_size=400), st.just("kim@example.org"), st.emails()),
    "scope": st.sampled_from(["all", "some", "", "\0"]),
    "interest": st.one_of(st.sampled_from(["mobility", "safety"]), st.text(max_size=20)),
    "language": st.one_of(st.sampled_from(["en", "ko"]), st.text(max_size=50)),
    "format": st.sampled_from(["html", "text", "pdf"]),
    "frequency": st.sampled_from(["every", "third", "never"]),
    "paused_until": st.one_of(st.dates().map(str), st.text(max_size=20)),
    "do": st.sampled_from(["save", "again", "data", "x"]),
    "confirm": st.sampled_from(["leave", "topics", "rarer", "pause", ""]),
    "months": st.one_of(st.sampled_from(["1", "6"]), st.text(max_size=5)),
    "List-Unsubscribe": st.sampled_from(["One-Click", "one-click", ""]),
    "form": st.one_of(st.just("GOOD"), st.text(max_size=80)),
    "remark": st.sampled_from(["", "x"]),
}
PURPOSES = [Purpose.CONFIRM, Purpose.PREFERENCES, Purpose.UNSUBSCRIBE, Purpose.UNDO, Purpose.DATA]


@pytest.fixture
def open_client(press: Publisher, signer: LinkSigner, now: datetime) -> Iterator[TestClient]:
    limits = press.settings.limits.model_copy(
        update={"address": "", "network": "", "region": "", "all": "", "bare": ""}
    )
    unlimited = Publisher(press.settings.model_copy(update={"limits": limits}), press.engine, press.templates)
    app = web_sample.public(unlimited, signer, FrozenClock(now))
    with TestClient(app, base_url=HOME, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


def surrogates(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


@given(st.sampled_from([*PURPOSES, "subscribe"]), st.fixed_dictionaries({}, optional=FORMS), st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_form_however_filled_in_is_our_fault(
    open_client: TestClient, signer: LinkSigner, now: datetime, page: str, fields: dict[str, str], multipart: bool
) -> None:
    path = "/subscribe"
    if page != "subscribe":
        path = f"/{page}/{signer.token(Purpose(page), 'anna', now=now if page in LIFETIMES else None)}"
    if fields.get("form") == "GOOD":
        ref, extra = ("", "subscribe") if page == "subscribe" else ("anna", page)
        fields = {**fields, "form": signer.token(Purpose.FORM, ref, extra=extra, now=now)}
    if multipart:
        answer = open_client.post(path, files={name: (None, surrogates(value)) for name, value in fields.items()})
    else:
        answer = open_client.post(path, data=fields)
    assert answer.status_code < 500
    assert "set-cookie" not in answer.headers


def test_no_described_request_is_our_fault_and_reading_is_safe(
    press: Publisher, signer: LinkSigner, now: datetime
) -> None:
    app = described(web_sample.public(press, signer, FrozenClock(now)))
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    seen: set[tuple[str, str]] = set()
    kept = web_sample.snapshot(press.engine)
    for result in schema.get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
        )
        def run(case: schemathesis.Case) -> None:
            answer = case.call()
            seen.add((case.method, case.operation.path))
            assert answer.status_code < 500, case.as_curl_command()

        run()
        if operation.method.upper() in {"GET", "HEAD", "OPTIONS"}:
            assert web_sample.snapshot(press.engine) == kept, operation.path
        else:
            kept = web_sample.snapshot(press.engine)
    paths = {path for _, path in seen}
    assert {"/subscribe", "/unsubscribe/{token}", "/archive/{number}", "/view/{token}"} <= paths
    assert {("POST", "/subscribe"), ("POST", "/preferences/{token}"), ("GET", "/")} <= seen
