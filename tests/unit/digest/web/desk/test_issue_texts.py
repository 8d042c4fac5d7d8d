"""The issue's texts at the desk: by language, with defaults, and never over what somebody else wrote."""

import re

import pytest
from starlette.testclient import TestClient

from digest.accounts.models import Role
from digest.issues import store
from digest.runtime.db import session_scope
from tests.support.desk_office import SignedOffice

pytestmark = pytest.mark.one_database


@pytest.fixture
def kim(office: SignedOffice) -> TestClient:
    return office.signed_in("kim", Role.EDITOR)


def fields(page: str) -> dict[str, str]:
    shown = {
        name: re.search(f'name="{name}" (?:type="date" )?value="([^"]*)"', page)[1]
        for name in ("form", "issue", "seen", "date")
    }  # type: ignore[index]
    return shown | {f"{name}.{code}": "" for name in ("subject", "preheader", "intro") for code in ("en", "ko")}


def texts(office: SignedOffice) -> tuple[dict[str, str], dict[str, str], dict[str, str], str]:
    with session_scope(office.app.engine, read_only=True) as session:
        issue = store.find(session, 21)
        return issue.subject, issue.preheader, issue.intro, issue.date.isoformat()


def test_texts_are_kept_by_language_and_empty_ones_are_defaults(office: SignedOffice, kim: TestClient) -> None:
    page = kim.get("/desk/issue/texts").text
    assert 'placeholder="Smart City Newsletter No. 21: World Smart City Expo 2021 closes in Goyang"' in page
    typed = {"subject.en": "Drones", "intro.ko": "첫 문단\r\n둘째", "date": "2021-10-01"}
    answer = kim.post("/desk/issue/texts", data=fields(page) | typed)
    assert answer.headers["location"].endswith("?number=21&done=saved")
    assert texts(office) == ({"en": "Drones"}, {}, {"ko": "첫 문단\n둘째"}, "2021-10-01")
    assert office.acts()[0] == ("kim", "edit texts", "desk")


def test_a_text_for_every_language_is_kept_until_one_differs(office: SignedOffice, kim: TestClient) -> None:
    with session_scope(office.app.engine) as session:
        issue = store.find(session, 21)
        issue.subject, issue.preheader = {"*": "Both"}, {"*": "More"}
        session.add(issue)
    same = {f"subject.{code}": "Both" for code in ("en", "ko")} | {f"preheader.{code}": "More" for code in ("en", "ko")}
    kim.post("/desk/issue/texts", data=fields(kim.get("/desk/issue/texts").text) | same | {"preheader.ko": ""})
    assert texts(office)[:2] == ({"*": "Both"}, {"en": "More"})


def test_what_was_typed_is_shown_again_when_it_is_refused(office: SignedOffice, kim: TestClient) -> None:
    stale = fields(kim.get("/desk/issue/texts").text)
    assert kim.post("/desk/issue/texts", data=stale | {"subject.en": "First"}).status_code == 303
    refused = kim.post("/desk/issue/texts", data=stale | {"subject.en": "Second"})
    assert (refused.status_code, texts(office)[0]) == (409, {"en": "First"})
    assert 'value="Second"' in refused.text
    assert "Stored now" in refused.text
    again = fields(refused.text) | {"subject.en": "Second"}
    for bad in ({"date": "2021-02-31"}, {"subject.en": "two\nlines"}, {"intro.en": "x" * 70_000}):
        assert kim.post("/desk/issue/texts", data=again | bad).status_code == 400
    assert kim.post("/desk/issue/texts", data=again).status_code == 303
    assert texts(office)[0] == {"en": "Second"}


def test_a_preheader_that_repeats_the_subject_is_named(kim: TestClient) -> None:
    page = kim.get("/desk/issue/texts").text
    assert "repeats the subject" not in page
    kim.post("/desk/issue/texts", data=fields(page) | {"subject.en": "Drones", "preheader.en": "Drones!"})
    assert "repeats the subject" in kim.get("/desk/issue/texts").text
