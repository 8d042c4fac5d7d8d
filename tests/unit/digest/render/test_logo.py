"""The logo: on the masthead in mails, in its place on dark grounds, and a clear word where its file is none."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from digest.articles.media import MAX_BYTES
from digest.render.edition import render_edition
from digest.render.loader import Templates
from digest.render.logo import logo_pictures, logo_view
from digest.runtime.errors import ContentError
from digest.settings.publication import Logo
from digest.settings.root import Settings
from tests.support.article_case import settings
from tests.support.render_sample import PUBLICATION, edition


def with_logo(workspace: Path, **fields: object) -> Settings:
    base, logo = settings(), Logo.model_validate({"src": "logo.png", **fields})
    publication = base.publication.model_copy(update={"logo": logo})
    return base.model_copy(update={"publication": publication, "workspace": workspace})


def draw(path: Path, size: tuple[int, int] = (240, 60)) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.new("RGBA", size, (252, 252, 251, 255)).save(path)


def test_the_masthead_shows_it_at_its_width(tmp_path: Path) -> None:
    draw(tmp_path / "logo.png")
    view = logo_view(with_logo(tmp_path, alt={"en": "Town", "ko": "도시"}, width=160), "ko")
    assert view is not None
    assert (view.image.width, view.image.height, view.image.alt, view.dark) == (160, 40, "도시", None)
    html = render_edition(edition(publication=replace(PUBLICATION, logo=view)), Templates()).html
    assert f'src="{view.image.url}" alt="도시" width="160" height="40"' in html
    assert 'class="mark on-dark"' not in html


def test_its_dark_variant_is_hidden_until_it_is_dark(tmp_path: Path) -> None:
    draw(tmp_path / "logo.png")
    draw(tmp_path / "dark" / "logo.png", (100, 100))
    view = logo_view(with_logo(tmp_path, dark="dark/logo.png"), "en")
    assert view is not None
    assert view.dark is not None
    html = render_edition(edition(publication=replace(PUBLICATION, logo=view)), Templates()).html
    assert "display:none" in html.partition('class="mark on-dark"')[2].partition(">")[0]


def test_a_replaced_file_is_read_again(tmp_path: Path) -> None:
    made = with_logo(tmp_path)
    draw(tmp_path / "logo.png")
    before = logo_pictures(made)
    draw(tmp_path / "logo.png", (241, 60))
    assert logo_pictures(made)[0].hash != before[0].hash


@pytest.mark.parametrize(
    ("src", "content"),
    [
        ("logo.png", None),
        ("logo.png", b""),
        ("logo.svg", b"<svg/>"),
        ("logo.png", b"\x89PNG\r\n\x1a\n broken"),
        ("logo.png", b"x" * (MAX_BYTES + 1)),
        ("..", None),
        ("../secret.png", b"outside"),
        ("lo\0go.png", None),
    ],
    ids=["missing", "empty", "svg", "broken", "huge", "folder", "outside", "NUL"],
)
def test_what_is_no_picture_is_named_with_its_setting(tmp_path: Path, src: str, content: bytes | None) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    if content is not None:
        (workspace / src).write_bytes(content)
    with pytest.raises(ContentError, match=r"^\[publication\.logo\] src: ") as error:
        logo_view(with_logo(workspace, src=src), "en")
    assert error.value.hint
