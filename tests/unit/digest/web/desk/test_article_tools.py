"""What the editor asks while somebody types: preview, unsaved text, paste, pictures."""

import base64
from typing import Any

import pytest
from starlette.testclient import TestClient

from digest.accounts.models import Role
from digest.articles import store, unsaved
from digest.runtime.db import session_scope
from tests.support.desk_office import SignedOffice, token_in
from tests.support.editor import picture

pytestmark = pytest.mark.one_database

NEW = {"title": "New trams", "lang": "en", "body": "Trams **run** again.", "slug_opened": ""}


@pytest.fixture
def kim(office: SignedOffice) -> TestClient:
    return office.signed_in("kim", Role.EDITOR)


def ask(browser: TestClient, tool: str, files: Any = None, **fields: str) -> Any:
    form = token_in(browser.get("/desk/account").text)
    return browser.post(f"/desk/articles/tools/{tool}", data={"form": form, **fields}, files=files)


def test_a_text_is_shown_as_in_the_mail_and_stored_nowhere(office: SignedOffice, kim: TestClient) -> None:
    answer = ask(kim, "preview", **NEW)
    assert "<strong>run</strong>" in answer.text
    assert "No. 21" in answer.text
    assert "@@" not in answer.text, "no slot is left"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert "has no title" in ask(kim, "preview", **{**NEW, "title": ""}).text
    hostile = ask(kim, "preview", **{**NEW, "title": "<script>alert(1)</script>", "body": "<img src=x onerror=x()>"})
    assert "<script>alert" not in hostile.text
    assert "onerror" not in hostile.text
    dark = ask(kim, "preview", **{**NEW, "scheme": "dark", "lang": "ko"})
    assert dark.status_code == 200
    with session_scope(office.app.engine, read_only=True) as session:
        assert store.find(session, "new-trams") is None


def test_what_is_typed_and_not_saved_comes_back(office: SignedOffice, kim: TestClient) -> None:
    lee = office.signed_in("lee", Role.EDITOR)
    assert ask(kim, "keep", **NEW).json()["kept"]
    assert ask(kim, "keep", **{**NEW, "body": "Later words."}).status_code == 200
    assert "You typed something here" in kim.get("/desk/articles/new").text
    assert "Later words." in kim.get("/desk/articles/new?unsaved=yes").text
    assert "You typed something here" not in lee.get("/desk/articles/new").text, "it is kim's"
    assert ask(kim, "discard", slug_opened="").status_code == 303
    assert "You typed something here" not in kim.get("/desk/articles/new").text
    ask(kim, "keep", **NEW)
    form = token_in(kim.get("/desk/account").text)
    assert kim.post("/desk/articles/new", data={"form": form, **NEW}).status_code == 303
    with session_scope(office.app.engine, read_only=True) as session:
        assert unsaved.find(session, "kim", "") is None, "saved is not unsaved"


def test_a_pasted_text_brings_its_pictures(kim: TestClient) -> None:
    image = base64.b64encode(picture("red", (40, 30))).decode()
    html = (
        f"<p>One</p><p><img src='data:image/png;base64,{image}' alt='A tram'></p><img src='data:image/png;base64,aGk='>"
    )
    found = ask(kim, "paste", html=html).json()
    assert found["markdown"].startswith("One\n\n![A tram](images/")
    assert found["lost"] == 1
    assert "pasted-2" not in found["markdown"]
    assert ask(kim, "paste", html="x" * 700_000).status_code == 422


def test_a_picture_is_stored_by_its_content(kim: TestClient) -> None:
    (path,) = ask(kim, "upload", files={"upload": ("a.png", picture())}).json()["paths"]
    assert path.startswith("images/")
    assert path.endswith(".png")
    refused = ask(kim, "upload", files={"upload": ("a.png", b"GIF89a but not really")})
    assert (refused.status_code, refused.json()["hint"] != "") == (422, True)
    assert ask(kim, "upload").json() == {"paths": []}
