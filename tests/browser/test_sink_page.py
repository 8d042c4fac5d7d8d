"""The sink's page in a browser: it fits, everyone can use it, it works without scripts, and a hostile mail reaches nobody."""

import smtplib
import socket
import threading
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from starlette.responses import Response

from digest.sink.maildir import Mailbox
from digest.sink.server import Sink
from digest.web.sink.routes import sink_app
from tests.support.combinations import combinations
from tests.support.served import served

pytestmark = pytest.mark.browser

MAIL = """Subject: =?utf-8?q?=EB=8F=99=ED=96=A5?= of September with a long name {name}
MIME-Version: 1.0
Message-ID: <{name}@example.org>
Content-Type: multipart/alternative; boundary="b"

--b
Content-Type: text/plain; charset=utf-8

Plainly {name}
--b
Content-Type: text/html; charset=utf-8

<html lang="en"><head><title>x</title></head><body><h1>Hello {name}</h1>{more}</body></html>
--b--
"""
PNG = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
HOSTILE = """
<script>new Image().src='{url}/script'</script><link rel="preconnect" href="{url}"><link rel="stylesheet" href="{url}/a.css">
<link rel="prefetch" href="{url}/p"><img src="{url}/i.png" onerror="document.title='owned'"><iframe src="{url}/f"></iframe>
<meta http-equiv="refresh" content="0;url={url}/refresh"><style>@import url({url}/s.css);body{{background:url({url}/b)}}</style>
<object data="{url}/o"></object><embed src="{url}/e"><video src="{url}/v" poster="{url}/vp" autoplay></video>
<svg><image href="{url}/svg"/></svg><base href="{url}/"><form action="{url}/form"><button autofocus>x</button></form>
<a href="{url}/a" ping="{url}/ping">a</a><table background="{url}/t"><tr><td>x</td></tr></table>
"""


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    with Sink(tmp_path) as sink:
        yield sink


@pytest.fixture
def page_at(sink: Sink, tmp_path: Path) -> Iterator[str]:
    with served(sink_app(Mailbox(tmp_path), sink.url)) as address:
        yield address


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[object]]]:
    """A server that nobody may reach, and who did."""
    reached: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    client, address = server.accept()
                except OSError:
                    return
                reached.append(address)
                client.close()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", reached
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def send(sink: Sink, *names: str, more: str = "") -> None:
    with smtplib.SMTP("127.0.0.1", sink.port, local_hostname="x") as client:
        for name in names:
            mail = MAIL.format(name=name, more=more)
            client.sendmail("digest@example.org", [f"{name}@example.org"], mail.replace("\n", "\r\n").encode())


@pytest.mark.parametrize(
    ("width", "scheme"),
    combinations([(320, "light"), (375, "dark"), (1024, "light")], [320, 375, 1024], ["light", "dark"]),
)
def test_every_page_fits_and_is_accessible(browser: Browser, sink: Sink, page_at: str, width: int, scheme: Any) -> None:
    send(sink, *(f"reader{number}" for number in range(51)), "a" * 60)
    [key] = [mail.key for mail in Mailbox(sink.maildir).mails("a" * 60)]
    mail = f"/mail/{key}"
    paths = [
        "/",
        "/?page=2",
        "/?to=nobody",
        mail,
        f"{mail}?view=text",
        f"{mail}?view=headers",
        f"{mail}?view=source",
        "/mail/none",
    ]
    for path in paths:
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.goto(page_at + path)
        for summary in page.locator("summary").all():
            summary.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        found = Axe().run(page, options={"iframes": False}).response["violations"]
        assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] != "minor"] == [], path
        page.close()


def test_a_hostile_mail_runs_nothing_and_reaches_nobody(
    browser: Browser, sink: Sink, page_at: str, elsewhere: tuple[str, list[object]]
) -> None:
    url, reached = elsewhere
    send(sink, "evil", more=HOSTILE.format(url=url))
    page = browser.new_page()
    page.goto(page_at)
    page.get_by_role("link", name="evil").click()
    frame = page.frame_locator("iframe.sink-frame")
    frame.get_by_role("heading", name="Hello evil").wait_for()
    page.wait_for_timeout(500)
    # Not in a frame of ours either: who opens the frame's address by itself gets the same.
    page.goto(page.locator("iframe.sink-frame").evaluate("frame => frame.src"))
    page.get_by_role("heading", name="Hello evil").wait_for()
    page.wait_for_timeout(500)
    assert page.title() == "x"
    assert page.url.startswith(page_at)
    assert reached == []
    page.close()


def test_pictures_of_the_workspace_are_shown_in_the_mail(
    browser: Browser, sink: Sink, tmp_path: Path, elsewhere: tuple[str, list[object]]
) -> None:
    url, reached = elsewhere
    send(
        sink, "ada", more=f'<img src="{url}/media/{"0a" * 32}.png" width="9" alt=""><img src="{url}/pixel.gif" alt="">'
    )
    with served(sink_app(Mailbox(tmp_path), sink.url, Response(PNG, media_type="image/png"))) as address:
        page = browser.new_page()
        page.goto(address)
        page.get_by_role("link", name="ada").click()
        images = page.frame_locator("iframe.sink-frame").locator("img")
        images.first.wait_for(state="attached")
        page.wait_for_load_state("networkidle")
        assert images.evaluate_all("all => all.map(image => image.naturalWidth)") == [1, 0]
        page.close()
    assert reached == []


def test_all_of_it_works_without_scripts(browser: Browser, sink: Sink, page_at: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_at)
    page.get_by_text("No mail has been received yet").wait_for()
    send(sink, "ada", "bo")
    page.get_by_role("link", name="Refresh").click()
    page.get_by_role("heading", name="2 mails").wait_for()
    page.get_by_label("To whom").fill("ADA")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="long name ada").click()
    page.frame_locator("iframe.sink-frame").get_by_role("heading", name="Hello ada").wait_for()
    page.get_by_role("link", name="Plain text").click()
    page.get_by_text("Plainly ada").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download .eml").click()
    assert "Plainly ada" in download.value.path().read_text("utf-8")
    page.get_by_role("link", name="All mails").click()
    page.get_by_text("Delete all").click()
    page.get_by_role("button", name="Delete them").click()
    page.get_by_text("No mail has been received yet").wait_for()
    context.close()
