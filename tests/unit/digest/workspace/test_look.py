"""The look: tried from files of its own, saved with comments kept, refused beside the value that is unfit."""

import io
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import Engine

from digest.runtime.errors import ContentError
from digest.settings.root import load_settings
from digest.workspace import look as looks
from digest.workspace.look import LookChangedError, keep_logo, problems, read_look, save, shown, tried
from tests.support import web_sample

pytestmark = pytest.mark.one_database


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return web_sample.workspace_in(tmp_path / "workspace")


def saved(workspace: Path, engine: Engine, **typed: str) -> list[str]:
    values = {name.replace("__", "."): text for name, text in typed.items()}
    names, found = save(workspace, values, read_look(workspace).stamp, engine)
    assert found == []
    return names


def picture(kind: str = "PNG", size: tuple[int, int] = (240, 80), frames: int = 1) -> bytes:
    file, images = io.BytesIO(), [Image.new("RGB", size, (number * 80, 90, 120)) for number in range(frames)]
    images[0].save(file, kind, **({"save_all": True, "append_images": images[1:]} if frames > 1 else {}))
    return file.getvalue()


def test_only_what_changed_is_written(workspace: Path, sqlite_engine: Engine) -> None:
    before = (workspace / "digest.toml").read_text("utf-8")
    look = read_look(workspace)
    typed = {**look.values, "publication.name:ko": "새 소식지", "light.accent": "#7a1f3d"}
    assert save(workspace, typed, look.stamp, sqlite_engine) == (["light.accent", "publication.name:ko"], [])
    assert (workspace / "digest.toml").read_text("utf-8") == before.replace(
        'ko = "스마트시티 소식지"', 'ko = "새 소식지"', 1
    )
    assert (workspace / "templates" / "theme.toml").read_text() == '[light]\naccent = "#7a1f3d"\n'


def test_files_changed_elsewhere_are_not_overwritten(workspace: Path, sqlite_engine: Engine) -> None:
    stamp = read_look(workspace).stamp
    saved(workspace, sqlite_engine, light__accent="#7a1f3d")
    with pytest.raises(LookChangedError):
        save(workspace, {"light.accent": "#123456"}, stamp, sqlite_engine)
    assert read_look(workspace).values["light.accent"] == "#7a1f3d"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("light.accent", "#aaaaaa", "contrast"),
        ("light.accent", "red; }", "six digits"),
        ("font.default", 'A"; color: red', "without quotation marks"),
        ("publication.name:en", " ", "empty"),
        ("publication.name:ko", "x" * 501, "longer"),
        ("publication.reply_to", "nobody", "@-sign"),
        ("publication.logo.src", "../secret.png", "cannot be read"),
        ("signup.privacy_policy:ko", "javascript:alert(1)", "not a web address"),
    ],
)
def test_an_unfit_value_is_refused_by_its_name(
    workspace: Path, sqlite_engine: Engine, name: str, text: str, said: str
) -> None:
    before = (workspace / "digest.toml").read_bytes()
    names, found = save(workspace, {name: text}, read_look(workspace).stamp, sqlite_engine)
    assert names == []
    assert said in next(one.message for one in found if one.name == name)
    assert (workspace / "digest.toml").read_bytes() == before
    assert not (workspace / "templates" / "theme.toml").exists()


def test_a_tried_look_shows_in_the_mail_and_nowhere_else(workspace: Path, sqlite_engine: Engine) -> None:
    look = read_look(workspace)
    with tried(
        look, {"light.accent": "#7a1f3d", "publication.name:en": "Tried"}, workspace, sqlite_engine
    ) as publisher:
        html = shown(publisher, "en").html
    assert "#7a1f3d" in html
    assert "Tried" in html
    assert read_look(workspace) == look


def test_a_logo_is_named_and_taken_away_again(workspace: Path, sqlite_engine: Engine) -> None:
    name = keep_logo(workspace, picture(), "my logo.png")
    before = (workspace / "digest.toml").read_text("utf-8")
    saved(workspace, sqlite_engine, publication__logo__src=name, publication__logo__width="120")
    logo = load_settings(workspace, {}).publication.logo
    assert logo is not None
    assert (logo.src, logo.width) == (name, 120)
    saved(workspace, sqlite_engine, publication__logo__src="")
    assert (workspace / "digest.toml").read_text("utf-8") == before


def test_one_text_for_all_languages_stays_one(workspace: Path, sqlite_engine: Engine) -> None:
    config = workspace / "digest.toml"
    config.write_text('[publication]\nname = "News"\nsender_address = "a@example.org"\n[[interest]]\nslug = "x"\n'
                      'title = { en = "X", ko = "엑스" }\n', "utf-8")  # fmt: skip
    saved(workspace, sqlite_engine, **{"publication__name:en": "New", "publication__name:ko": "New"})
    assert 'name = "New"' in config.read_text("utf-8")
    saved(workspace, sqlite_engine, **{"publication__name:ko": "새"})
    assert 'name = {en = "New", ko = "새"}' in config.read_text("utf-8")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"#!/bin/sh\nrm -rf /\n", "not supported"),
        (picture("GIF", frames=3), "animated"),
        (picture("PNG", (8000, 6000)), "pixels"),
    ],
)
def test_what_is_no_logo_is_not_kept(workspace: Path, content: bytes, said: str) -> None:
    before = sorted(workspace.iterdir())
    with pytest.raises(ContentError, match=said):
        keep_logo(workspace, content, "logo.png")
    assert sorted(workspace.iterdir()) == before


def test_the_packaged_look_has_no_problem(workspace: Path, sqlite_engine: Engine) -> None:
    look = read_look(workspace)
    assert problems(look, {"publication.tagline:en": "Other"}, workspace, sqlite_engine) == []
    assert min(ratio for *_, ratio in looks.contrasts(look.values)) >= 4.5
