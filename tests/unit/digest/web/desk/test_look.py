"""The look page: tried without being stored, saved by operators only, never over somebody else's change."""

import html
import re
from pathlib import Path

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from digest.accounts.models import Role
from digest.articles.models import Media
from digest.runtime.db import session_scope
from tests.support.desk_office import SignedOffice, token_in
from tests.unit.digest.workspace.test_look import picture

pytestmark = pytest.mark.one_database


def fields(page: str) -> dict[str, str]:
    found = re.findall(r'<input[^>]*\bname="([^"]+)"[^>]*\bvalue="([^"]*)"', page.partition('id="look"')[2])
    inputs = re.findall(r'<input type="[^"]*" id="[^"]*" name="([^"]+)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in (*found, *inputs)} | {"form": token_in(page)}


def theme(office: SignedOffice) -> Path:
    return office.app.settings.workspace / "templates" / "theme.toml"


def frames(page: str) -> list[str]:
    return [html.unescape(found) for found in re.findall(r'<iframe[^>]*src="([^"]+)"', page)]


def post(browser: TestClient, act: str, **typed: str) -> tuple[int, str]:
    values = {**fields(browser.get("/desk/look").text), **typed}
    answer = browser.post(f"/desk/look{act}", data=values)
    return answer.status_code, answer.text


def test_an_editor_tries_a_look_that_is_not_stored(office: SignedOffice) -> None:
    kim = office.signed_in("kim", Role.EDITOR)
    status, page = post(kim, "/try", **{"light.accent": "#7a1f3d"})
    assert status == 200
    assert len(frames(page)) == 6
    shown = kim.get(frames(page)[0])
    assert "#7a1f3d" in shown.text
    assert "sandbox" in shown.headers["content-security-policy"]
    assert "#7a1f3d" in kim.get(frames(page)[4]).text, "the public pages, too"
    assert not theme(office).exists()
    assert post(kim, "", **{"light.accent": "#7a1f3d"})[0] == 403


def test_an_operator_saves_and_the_log_says_so(office: SignedOffice) -> None:
    lee = office.signed_in("lee", Role.OPERATOR)
    assert post(lee, "", **{"light.accent": "#7a1f3d", "publication.tagline:en": "Anew"})[0] == 303
    assert theme(office).read_text() == '[light]\naccent = "#7a1f3d"\n'
    assert ("lee", "change the look", "desk") in office.acts()
    assert "Anew" in lee.get("/desk/look").text
    assert "#7a1f3d" in lee.get("/desk/preview/frame?language=en").text, "the preview has it at once"


def test_an_unfit_value_is_said_beside_what_was_typed(office: SignedOffice) -> None:
    lee = office.signed_in("lee", Role.OPERATOR)
    status, page = post(lee, "", **{"light.accent": "#aaaaaa", "publication.tagline:en": "Kept"})
    assert status == 400
    assert "hard to read on “Around the email”. The contrast is 2.0 : 1." in html.unescape(page)
    assert 'value="Kept"' in page
    assert not theme(office).exists()


def test_two_tabs_do_not_overwrite_each_other(office: SignedOffice) -> None:
    lee = office.signed_in("lee", Role.OPERATOR)
    first = fields(lee.get("/desk/look").text)
    second = dict(first)
    assert lee.post("/desk/look", data={**first, "light.accent": "#7a1f3d"}).status_code == 303
    answer = lee.post("/desk/look", data={**second, "light.accent": "#123456"})
    assert answer.status_code == 409
    assert 'value="#123456"' in answer.text
    assert "On the disk now: <strong>#7a1f3d</strong>" in re.sub(r"\s+", " ", answer.text)
    again = {**second, "light.accent": "#123456", "stamp": fields(answer.text)["stamp"]}
    assert lee.post("/desk/look", data=again).status_code == 303
    assert "#123456" in theme(office).read_text()


def test_an_uploaded_logo_is_shown_then_saved(office: SignedOffice) -> None:
    lee = office.signed_in("lee", Role.OPERATOR)
    typed = fields(lee.get("/desk/look").text)
    tried = lee.post("/desk/look/try", data=typed, files={"logo": ("my.png", picture(), "image/png")})
    name = fields(tried.text)["publication.logo.src"]
    assert name.startswith("logo-")
    assert "data:image/png" in lee.get(frames(tried.text)[4]).text
    assert lee.post("/desk/look", data=fields(tried.text)).status_code == 303
    with session_scope(office.app.engine, read_only=True) as session:
        kept = [len(one.content) for one in session.exec(select(Media)).all() if one.extension == "png"]
    assert len(picture()) in kept
    script = lee.post("/desk/look/try", data=typed, files={"logo": ("my.png", b"#!/bin/sh", "image/png")})
    assert "is not supported" in script.text


def test_a_broken_file_is_a_page_with_its_line(office: SignedOffice) -> None:
    lee = office.signed_in("lee", Role.OPERATOR)
    theme(office).write_text("[light]\naccent = = 1\n")
    answer = lee.get("/desk/look")
    assert answer.status_code == 400
    assert "theme.toml, line 2" in answer.text
    assert lee.get("/desk/look/frame").status_code == 409


def test_hostile_values_of_a_frame_are_not_rendered(office: SignedOffice) -> None:
    kim = office.signed_in("kim", Role.EDITOR)
    shown = kim.get("/desk/look/frame", params={"light.accent": "red}</style><script>", "kind": "page"})
    assert "<script>" not in shown.text
    assert kim.get("/desk/look/frame?kind=notice").status_code == 400
