"""The sink shows a mail with the pictures of the workspace that sent it, and only those."""

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.publish.publisher import Publisher
from digest.runtime.errors import EnvironmentFailedError
from digest.sink.maildir import Mailbox
from digest.testing import FrozenClock
from digest.web.sink.mail import framed_html
from digest.web.sink.pictures import WorkspacePictures
from digest.web.sink.routes import sink_app
from tests.support.published import editions
from tests.unit.digest.web.conftest import HOME, NOW

HASH = "0123456789abcdef" * 4


def shown(folder: Path, pictures: WorkspacePictures | None) -> TestClient:
    return TestClient(sink_app(Mailbox(folder), "smtp://127.0.0.1:2525", pictures), base_url=HOME)


def test_the_pictures_of_a_mail_come_from_the_workspace(sent: Publisher, tmp_path: Path) -> None:
    client = shown(tmp_path / "sink", WorkspacePictures(lambda: App(sent.settings, sent.engine, FrozenClock(NOW))))
    addresses = re.findall(r'<img[^>]* src="([^"]+)"', framed_html(editions(sent)[0].html))
    assert len(addresses) > 3
    for address in addresses:
        answer = client.get(address)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert client.get(address, headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    assert client.get(f"/media/{HASH}.jpg").status_code == 404
    assert client.get("/media/..%2fdigest.toml").status_code == 404


@pytest.mark.parametrize("error", [EnvironmentFailedError("no database"), FileNotFoundError()])
def test_without_a_workspace_there_are_none(tmp_path: Path, error: Exception) -> None:
    def fail() -> App:
        raise error

    assert shown(tmp_path, WorkspacePictures(fail)).get(f"/media/{HASH}.jpg").status_code == 404
    assert shown(tmp_path, None).get(f"/media/{HASH}.jpg").status_code == 404


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            f'<img alt="a" src="https://news.example.org/city/media/{HASH}.jpg" width="9">',
            f'src="/media/{HASH}.jpg" width',
        ),
        (f"<IMG SRC='http://127.0.0.1:8025/media/{HASH}.png'>", f"SRC='/media/{HASH}.png'"),
        ('<img src="https://elsewhere.example/pixel.gif">', 'src="https://elsewhere.example/pixel.gif"'),
        (f'<a href="https://news.example.org/media/{HASH}.pdf">', f'href="https://news.example.org/media/{HASH}.pdf"'),
    ],
)
def test_only_addresses_of_our_pictures_are_rewritten(given: str, expected: str) -> None:
    assert expected in framed_html(given)
