"""Test mails from the desk: chosen editions to chosen addresses; wrong ones are named and nothing is lost."""

from pathlib import Path

import pytest

from digest.accounts.models import Role
from tests.support.desk_office import SignedOffice, token_in

pytestmark = pytest.mark.one_database


@pytest.fixture
def maildir(office: SignedOffice) -> Path:
    return office.app.settings.workspace / office.app.settings.delivery.maildir


def test_chosen_editions_go_to_chosen_addresses(office: SignedOffice, maildir: Path) -> None:
    kim = office.signed_in("kim", Role.EDITOR)
    page = kim.get("/desk/test").text
    answer = kim.post(
        "/desk/test",
        data={"form": token_in(page), "addresses": "kim@example.org, lee@example.org", "edition": ["en 1", "ko 1"]},
    )
    assert answer.status_code == 200
    assert answer.text.count("badge fine") == 4
    assert len(list((maildir / "new").iterdir())) == 4
    assert office.acts()[0] == ("kim", "test mail", "desk")


@pytest.mark.parametrize(
    ("addresses", "editions", "why"),
    [
        ("", ["en 1"], "An address is missing"),
        ("kim", ["en 1"], "kim"),
        ("kim@example.org", [], "No edition is selected"),
        ("kim@example.org", ["xx 9"], "No edition is selected"),
        (" ".join(f"k{number}@example.org" for number in range(21)), ["en 1"], "That would be 21 mails"),
    ],
)
def test_what_cannot_be_sent_is_said_and_kept(
    office: SignedOffice, maildir: Path, addresses: str, editions: list[str], why: str
) -> None:
    kim = office.signed_in("kim", Role.EDITOR)
    data = {"form": token_in(kim.get("/desk/test").text), "addresses": addresses, "edition": editions}
    answer = kim.post("/desk/test", data=data)
    assert answer.status_code == 400
    assert why in answer.text
    assert f'value="{addresses}"' in answer.text
    assert not (maildir / "new").exists()
