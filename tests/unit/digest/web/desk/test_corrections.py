"""Corrections at the desk: who has the article, a draft for them, and refusals that say why."""

import pytest
from sqlalchemy import update

from digest.accounts.models import Role
from digest.issues import store
from digest.outbox.tables import DELIVERY
from digest.runtime.db import session_scope
from tests.support.desk_office import SignedOffice, posted
from tests.support.web_sample import send_out

pytestmark = pytest.mark.one_database
NEW = "/desk/corrections/new"


def test_an_editor_makes_a_correction_for_the_readers_shown(office: SignedOffice) -> None:
    kim = office.signed_in("kim", Role.EDITOR)
    assert "No issue has been sent yet" in kim.get("/desk/corrections").text
    at = f"{NEW}?issue=21&article=certified-cities"
    assert kim.get(at).status_code == 409
    send_out(office.app.publisher, office.clock.now())
    assert kim.get(at).status_code == 409, "nobody has it"
    with session_scope(office.app.engine) as session:
        session.execute(update(DELIVERY).values(state="accepted"))
    listed = kim.get("/desk/corrections").text
    assert "article=certified-cities" in listed
    page = kim.get(at).text
    assert "Create a correction for 3 readers" in page
    assert "Correct “Five Korean cities certified as excellent smart cities”" in page
    given = {"issue": "21", "article": "certified-cities"}
    assert posted(kim, NEW, at=at, **given, reached="4") == 409, "not what the page said"
    assert posted(kim, NEW, at=at, **{**given, "issue": "x"}, reached="3") == 400
    assert posted(kim, NEW, at=at, **given, reached="3") == 303
    assert kim.get(at).status_code == 409, "one is unfinished"
    drafted = kim.get("/desk/corrections?issue=21&made=22").text
    assert 'href="/desk/articles/correction-certified-cities"' in drafted
    with session_scope(office.app.engine, read_only=True) as session:
        issue = store.find(session, 22)
        assert (issue.corrects, issue.corrected_article, issue.special) == (21, "certified-cities", True)
    assert office.acts() == [("kim", "correct", "desk")]
    for bad in ("issue=0&article=x", f"issue={'9' * 30}&article=x", "issue=21&article=nothing"):
        assert kim.get(f"{NEW}?{bad}").status_code == 404
