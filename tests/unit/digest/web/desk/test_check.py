"""Findings at the desk: beside their fields, waived with a reason by those who may."""

import pytest

from digest.accounts.models import Role
from digest.issues import store as issues
from digest.publish import dead_links
from digest.render.checks import Finding, Severity
from digest.runtime.db import session_scope
from digest.runtime.link_probe import Answer, LinkState
from digest.web.desk.check import MOST_OF_A_KIND, kinds_of
from digest.web.desk.state import Desk
from tests.support.desk_office import SignedOffice, posted, token_in

pytestmark = pytest.mark.one_database


def finding(number: int, name: str = "image-alt-name", where: str = "issue", **more: str) -> Finding:
    severity = Severity.BLOCK if name == "section-unknown" else Severity.ADVISE
    return Finding(name, severity, where, f"No. {number}", "Do this", **more)


def test_findings_stand_by_kind_and_lead_to_their_field(office: SignedOffice) -> None:
    content = Desk(office.app.publisher, None, office.clock).look().made.content
    slug, article = next(iter(content.by_slug.items()))
    many = [(place, finding(number)) for place in (1, 2) for number in range(MOST_OF_A_KIND + 3)]
    found = [
        *many,
        (None, finding(0, where=f"articles/{article.source_path}:7")),
        (1, finding(4, "link-words", f"HTML, under “{article.title}”")),
        (None, finding(1, "subject-long", "subject")),
        (None, finding(2, "section-unknown")),
        (None, finding(3, "title-repeated", slug, waived="it is meant so")),
    ]
    kinds = {kind.id: kind for kind in kinds_of(found, content)}
    assert list(kinds) == ["section-unknown", "image-alt-name", "link-words", "subject-long", "title-repeated"]
    assert kinds["link-words"].rows[0].href == f"/articles/{slug}#body"
    pictures = kinds["image-alt-name"]
    assert (len(pictures.rows), pictures.more, pictures.rows[0].editions) == (MOST_OF_A_KIND, 4, 2)
    assert kinds["title-repeated"].rows[0].href == f"/articles/{slug}#title"
    assert kinds["subject-long"].rows[0].href == "/issue#texts"
    assert [kind.waivable for kind in kinds.values()] == [False, True, True, True, False]


def test_an_editor_waives_with_a_reason_and_takes_it_back(office: SignedOffice) -> None:
    kim = office.signed_in("kim", Role.EDITOR)
    assert "consider" in kim.get("/desk/check").text
    name = "link-local"
    assert posted(kim, "/desk/check/waive", id=name, reason=" ") == 409
    assert posted(kim, "/desk/check/waive", id="no-such", reason="x") == 409
    assert posted(kim, "/desk/check/waive", id=name, reason="The pages are up by then") == 303
    page = kim.get("/desk/check").text
    assert "Accepted because: The pages are up by then" in page
    assert office.acts()[0] == ("kim", "waive", "desk")
    assert posted(kim, "/desk/check/undo", id=name) == 303
    assert "Accepted because" not in kim.get("/desk/check").text
    with session_scope(office.app.engine, read_only=True) as session:
        assert issues.find(session, None).waivers == []


def test_links_are_looked_up_on_demand(office: SignedOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    kim = office.signed_in("kim", Role.EDITOR)
    dead, unsure = Answer(LinkState.DEAD, "gone"), Answer(LinkState.UNSURE, "403")
    monkeypatch.setattr(
        dead_links, "probe_all", lambda all_of_them, **_: {all_of_them[0]: dead, all_of_them[1]: unsure}
    )
    page = kim.post("/desk/check/links", data={"form": token_in(kim.get("/desk/check").text)})
    assert page.status_code == 200
    assert "2 links were looked up: 1 dead, 1 unsure." in page.text
    assert "leads nowhere: gone" in page.text
    assert "#body" in page.text.partition("leads nowhere: gone")[2][:200]
    assert "leads nowhere" not in kim.get("/desk/check").text
