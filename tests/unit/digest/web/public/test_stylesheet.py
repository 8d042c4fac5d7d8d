"""The style sheets of pages and the icon take the theme's colours, also those of a workspace."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from digest.publish.publisher import Publisher
from digest.render.loader import Templates
from digest.web.public.stylesheet import custom_properties, icon, page_style

OURS = Templates().theme


def themed(folder: Path, toml: str) -> Templates:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "theme.toml").write_text(toml, encoding="utf-8")
    return Templates(folder)


@pytest.mark.parametrize("name", ["pages.css", "archive_issue.css"])
def test_a_workspaces_theme_colours_the_pages(tmp_path: Path, name: str) -> None:
    own = themed(tmp_path / "templates", '[light]\naccent = "#7a1f3d"\n[dark]\naccent = "#f0a8c0"\n[size]\nbody = 18\n')
    sheet = page_style(own, name)
    light, _, dark = sheet.partition("@media (prefers-color-scheme: dark)")
    assert "--accent: #7a1f3d;" in light
    assert "--band: #7a1f3d;" in light
    assert "--size-body: 1.125rem;" in light
    assert "--accent: #f0a8c0;" in dark.partition("}")[0]
    assert "--band" not in dark.partition("}")[0], "the band keeps its light colours"
    assert f"--ink: {OURS['light']['ink']};" in light, "what the workspace does not name stays"


def test_korean_pages_have_their_own_fonts() -> None:
    assert f":root:lang(ko) {{\n  --font: {OURS['font']['ko']};" in custom_properties(OURS, OURS)


@pytest.mark.parametrize(
    ("table", "key", "bad"),
    [
        ("light", "accent", "red"),
        ("light", "accent", "#fff; } body { display: none"),
        ("dark", "ink", 7),
        ("font", "default", "Arial; } * { color: red"),
        ("font", "ko", 'x", url(https://elsewhere.example)'),
        ("size", "body", "16px"),
        ("size", "body", -1),
        ("layout", "width", True),
    ],
)
def test_a_value_that_is_none_leaves_the_packaged_one(table: str, key: str, bad: object) -> None:
    assert custom_properties({**OURS, table: {**OURS[table], key: bad}}, OURS) == custom_properties(OURS, OURS)


def test_a_name_that_is_none_is_left_out() -> None:
    odd = {**OURS, "light": {**OURS["light"], "x} body {": "#000001"}}
    assert custom_properties(odd, OURS) == custom_properties(OURS, OURS)


def test_the_icon_is_the_publications_letter_in_its_colours(press: Publisher, client: TestClient) -> None:
    answer = client.get("/static/icon.svg")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert answer.text == icon(press)
    assert ">S</text>" in answer.text
    assert OURS["light"]["accent"] in answer.text
    assert 'href="/static/icon.svg"' in client.get("/").text


def test_a_name_of_markup_stays_text_in_the_icon(press: Publisher) -> None:
    press.settings.publication.name["en"] = "<script>"
    assert ">&lt;</text>" in icon(press)
