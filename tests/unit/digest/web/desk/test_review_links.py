"""Review links at the desk: shown once, listed, revoked, and audited."""

import re

import pytest
from starlette.testclient import TestClient

from digest.accounts import store
from digest.accounts.models import Role
from digest.runtime.db import session_scope
from tests.support.desk_office import SignedOffice, posted, token_in

pytestmark = pytest.mark.one_database


def review_link(browser: TestClient) -> str:
    """Have a link made, and return its path."""
    made = browser.post("/desk/review", data={"form": token_in(browser.get("/desk/review").text)}).text
    return re.search(r'value="[^"]*(/desk/copy/[\w-]{43})"', made)[1]  # type: ignore[index]


def test_a_link_is_shown_once_and_opens_until_it_is_revoked(office: SignedOffice) -> None:
    kim, guest = office.signed_in("kim", Role.EDITOR), office.browser()
    path = review_link(kim)
    assert guest.get(path).status_code == 200
    listed = kim.get("/desk/review").text
    assert path not in listed
    number = re.search(r'name="link" value="(\d+)"', listed)[1]  # type: ignore[index]
    guest_of_park = review_link(office.signed_in("park", Role.EDITOR))
    assert guest.get(guest_of_park).status_code == 200
    with session_scope(office.app.engine) as session:
        store.disable(session, "park", office.clock.now())
    assert guest.get(guest_of_park).status_code == 404
    lee = office.signed_in("lee", Role.APPROVER)
    assert posted(lee, "/desk/review/revoke", at="/desk/review", link=number) == 303
    for link in (number, "x", "9" * 30):
        assert posted(lee, "/desk/review/revoke", at="/desk/review", link=link) == 404
    assert guest.get(path).status_code == 404
    assert [act for act, *_ in office.acts()] == ["lee", "park", "kim"]
    assert {act for _, act, _ in office.acts()} == {"made review link", "revoked review link"}
