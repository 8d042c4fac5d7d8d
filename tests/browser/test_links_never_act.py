"""Every link of every mail, fetched by machines and opened in a browser that runs scripts: nothing changes."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from digest.runtime.db import make_engine
from subscribers.links import Purpose
from tests.acceptance.conftest import World, free_port, html_of, mails, text_of
from tests.browser.forked_world import ForkedWorld
from tests.support.forked_commands import ForkedCommands
from tests.support.web_sample import snapshot

pytestmark = pytest.mark.browser

AT_ONCE = 20
SECONDS, SECONDS_SHORT = 5, 2


@pytest.fixture
def world(tmp_path: Path, database_url: str, commands: ForkedCommands) -> Iterator[World]:
    world = ForkedWorld(tmp_path / "workspace", database_url, commands)
    world.digest("init", str(world.folder), "--sample", cwd=tmp_path)
    yield world
    world.end()


@pytest.fixture
def seconds(request: pytest.FixtureRequest, database_kind: str) -> int:
    """How long a page may try to act; 0: no browser. What a page's scripts do is not a matter of the database."""
    if request.config.getoption("--slow"):
        return SECONDS
    return {"sqlite": SECONDS_SHORT, "postgresql": 0}[database_kind]


def send_one_of_each(world: World, port: int) -> None:
    """The demo's issue, and every kind of mail about a subscription."""
    path = world.folder / "digest.toml"
    path.write_text(re.sub(r"(?m)^base_url = .*$", f'base_url = "http://127.0.0.1:{port}"', path.read_text()))
    world.approve_issue_21()
    world.digest("send", "21", "--yes")
    with world.running("serve", "--port", str(port), port=port):
        base = f"http://127.0.0.1:{port}"
        (_, to_leave), (_, to_move), (_, to_ask), *_rest = sorted(by_reader(world).items())
        httpx.post(f"{base}/subscribe", data={"email": "new@example.org", "scope": "all"}).raise_for_status()
        press(found(to_leave, "unsubscribe"), confirm="leave")
        press(found(to_move, "preferences"), do="address", email="moved@example.org")
        press(found(to_ask, "preferences"), do="data")
        world.digest("worker")
        press(found(by_reader(world)["moved@example.org"], "address"))
        press(found(by_reader(world)["new@example.org"], "confirm"))
        world.digest("subscribers", "add", "waiting@example.org")
        world.digest("worker")


def press(link: str, **fields: str) -> None:
    """Open a page and press a button on it."""
    token = re.search(r'name="form" value="([^"]+)"', httpx.get(link).text)
    assert token is not None, link
    httpx.post(link, data={**fields, "form": token[1]}).raise_for_status()


def by_reader(world: World) -> dict[str, str]:
    """The text of a mail to each address."""
    return {m["To"].addresses[0].addr_spec: text_of(m) for m in mails(world.folder / "outbox")}


def found(text: str, purpose: str) -> str:
    match = re.search(rf"http://\S+/{purpose}/[^\s>)]+", text)
    assert match is not None
    return match[0]


def links_of(world: World) -> list[str]:
    """Every address of our own in any part or header of any mail, each once."""
    seen: dict[str, None] = {}
    for message in mails(world.folder / "outbox"):
        parts = [html_of(message).replace("&amp;", "&"), text_of(message), *map(str, message.values())]
        seen.update(dict.fromkeys(link.partition("#")[0] for part in parts for link in re.findall(OURS, part)))
    return list(seen)


OURS = r"http://127\.0\.0\.1:\d+/[^\s<>\"')\]]*"


@pytest.mark.timeout(900)
def test_no_link_of_any_mail_acts_by_being_opened(
    world: World, browser: Browser, database_url: str, seconds: int
) -> None:
    port = free_port()
    send_one_of_each(world, port)
    links = links_of(world)
    # Of no mail: those of pages, of a test, and of readers whose consent is old.
    for purpose in set(Purpose) - {Purpose.UNDO, Purpose.TEST, Purpose.ERASE, Purpose.FORM, Purpose.KEEP}:
        assert any(f"/{purpose}/" in link for link in links), purpose
    assert len(links) > 60
    engine = make_engine(database_url)
    before = snapshot(engine)
    with world.running("serve", "--port", str(port), port=port):
        with httpx.Client(timeout=60) as client:
            for link in links:
                statuses = {
                    method: client.request(method, link).status_code for method in ("GET", "HEAD", "OPTIONS") * 3
                }
                assert statuses["GET"] in {200, 404}, link  # 404: a link that was used up before
                assert statuses["HEAD"] == statuses["GET"]
                assert statuses["OPTIONS"] == 405
        assert snapshot(engine) == before
        context = browser.new_context()
        for start in range(0, len(links) if seconds else 0, AT_ONCE):
            pages = [context.new_page() for _ in links[start : start + AT_ONCE]]
            for page, link in zip(pages, links[start:], strict=False):
                page.goto(link)
            pages[0].wait_for_timeout(seconds * 1000)
            for page in pages:
                page.close()
        context.close()
        assert snapshot(engine) == before
    engine.dispose()
