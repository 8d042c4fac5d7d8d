"""The issue board: acts on articles, what is refused, and what an approved or a sent issue says."""

import re

import pytest
from sqlmodel import Session, select
from starlette.testclient import TestClient

from digest.accounts.models import Role
from digest.articles.models import Article, ArticleHistory
from digest.issues import store
from digest.issues.lifecycle import IssueState
from digest.issues.models import Issue
from digest.runtime.db import session_scope
from tests.support.desk_office import SignedOffice, token_in


@pytest.fixture
def kim(office: SignedOffice) -> TestClient:
    return office.signed_in("kim", Role.EDITOR)


def order(office: SignedOffice, number: int = 21, section: str = "special") -> list[str]:
    with session_scope(office.app.engine, read_only=True) as session:
        return [slug for slug, at in store.order_of(session, store.find(session, number)) if at == section]


def act(browser: TestClient, what: str, *, page: str = "", **fields: str) -> tuple[int, str]:
    """Press a button of the board; return the status, and the page that follows."""
    page = page or browser.get("/desk/issue").text
    seen = re.search(r'name="seen" value="([^"]*)"', page)[1]  # type: ignore[index]
    data = {"form": token_in(page), "issue": "21", "seen": seen, "act": what, **fields}
    answer = browser.post("/desk/issue", data=data)
    shown = browser.get(answer.headers["location"]).text if answer.status_code == 303 else answer.text
    return answer.status_code, shown


def test_buttons_move_articles_and_keep_the_focus(office: SignedOffice, kim: TestClient) -> None:
    first, second, third = order(office)
    status, page = act(kim, f"down {first}")
    assert (status, order(office)) == (303, [second, first, third])
    assert re.search(rf'value="down {first}"\s+autofocus', page)
    act(kim, f"up {third}")
    act(kim, f"place {third}", section="special", position="1")
    assert order(office) == [third, second, first]
    act(kim, f"move {first}", **{f"section.{first}": "news"})
    assert order(office, section="news")[-1] == first
    assert [what for _, what, _ in office.acts()][:2] == ["move article", "place article"]


def test_an_order_that_somebody_else_changed_is_refused(office: SignedOffice, kim: TestClient) -> None:
    first, second, third = order(office)
    stale = kim.get("/desk/issue").text
    act(kim, f"down {first}")
    status, page = act(kim, f"down {second}", page=stale)
    assert (status, order(office)) == (409, [second, first, third])
    assert "Someone has changed the issue" in page
    assert act(kim, "drop nothing")[0] == 404
    assert act(kim, "explode it")[0] == 400
    assert act(kim, f"place {first}", section="gone", position="1")[0] == 400


def test_held_dropped_and_added_articles_are_named_with_reasons(office: SignedOffice, kim: TestClient) -> None:
    first, second, _ = order(office)
    assert "Goes into the next issue instead" in act(kim, f"hold {first}")[1]
    assert "Dropped by hand" in act(kim, f"drop {second}")[1]
    assert f'value="add {second}"' in kim.get("/desk/issue").text
    assert act(kim, f"add {second}")[0] == 303
    assert order(office)[-1] == second


def test_a_pin_belongs_to_the_article_with_its_history(office: SignedOffice, kim: TestClient) -> None:
    last = order(office)[-1]
    act(kim, f"pin {last}")
    assert order(office)[0] == last
    with session_scope(office.app.engine, read_only=True) as session:
        article = session.exec(select(Article).where(Article.slug == last)).one()
        assert article.pin
        assert len(session.exec(select(ArticleHistory).where(ArticleHistory.article_id == article.id)).all()) == 1
    assert "no longer pinned" in act(kim, f"unpin {last}")[1]


@pytest.mark.one_database
def test_an_edit_says_before_and_after_that_it_voids_an_approval(office: SignedOffice, kim: TestClient) -> None:
    edited(office, state=IssueState.APPROVED, approved_by="Lee Jiwoo")
    page = kim.get("/desk/issue").text
    assert "Approved by Lee Jiwoo. Any change here voids the approval." in page
    assert "The approval no longer holds" in act(kim, f"down {order(office)[0]}")[1]
    with session_scope(office.app.engine, read_only=True) as session:
        assert store.find(session, 21).state == IssueState.DRAFT


@pytest.mark.one_database
def test_a_sent_issue_is_shown_and_can_not_be_changed(office: SignedOffice, kim: TestClient) -> None:
    draft = kim.get("/desk/issue").text
    edited(office, state=IssueState.SENT, frozen_at=office.clock.now())
    page = kim.get("/desk/issue").text
    assert "has been sent" in page
    assert 'name="act"' not in page
    assert "Assemble the issue for October 2021" in page
    assert act(kim, f"down {order(office)[0]}", page=draft)[0] == 409


@pytest.mark.one_database
def test_assembling_again_says_first_what_it_would_change(office: SignedOffice, kim: TestClient) -> None:
    assert "It would change nothing now." in kim.get("/desk/issue").text
    with session_scope(office.app.engine) as session:
        row = session.exec(select(Article).where(Article.slug == order(office)[0])).one().model_dump(exclude={"id"})
        session.add(Article(**row | {"slug": "came-late", "group": "came-late", "title": "It came late"}))
    page = kim.get("/desk/issue").text
    assert "Would come in: It came late" in page
    data = {name: re.search(f'name="{name}" value="([^"]*)"', page)[1] for name in ("form", "issue", "seen")}  # type: ignore[index]
    assert kim.post("/desk/issue/assemble", data=data | {"seen": "x"}).status_code == 409
    assert kim.post("/desk/issue/assemble", data=data).status_code == 303
    assert "came-late" in order(office)


@pytest.mark.one_database
def test_without_an_issue_the_month_s_can_be_assembled(office: SignedOffice, kim: TestClient) -> None:
    with session_scope(office.app.engine) as session:
        remove_issue(session)
    page = kim.get("/desk/issue").text
    assert "Assemble the issue for September 2021" in page
    form = {"form": token_in(page)}
    assert kim.post("/desk/issue/assemble", data=form | {"period": "2031-01"}).status_code == 400
    assert kim.post("/desk/issue/assemble", data=form | {"period": "2021-09"}).status_code == 303
    assert len(order(office, 1)) == 3


@pytest.mark.one_database
def test_readers_are_counted_and_reasons_are_korean(office: SignedOffice, kim: TestClient) -> None:
    assert "Who gets what of issue 21" in kim.get("/desk/issue/readers").text
    page = kim.get("/desk/issue?lang=ko").text
    assert "이번 달" in page
    assert "in this month" not in page
    assert kim.get("/desk/issue?number=99").status_code == 404
    assert kim.get("/desk/issue?number=x").status_code == 400
    viewer = office.signed_in("lee", Role.APPROVER).get("/desk/issue").text
    assert 'name="act"' not in viewer, "an approver looks"


def edited(office: SignedOffice, **values: object) -> None:
    with session_scope(office.app.engine) as session:
        issue = store.find(session, 21)
        for name, value in values.items():
            setattr(issue, name, value)
        session.add(issue)


def remove_issue(session: Session) -> None:
    issue = session.exec(select(Issue)).one()
    for item, _ in store.items_of(session, issue):
        session.delete(item)
    session.flush()
    session.delete(issue)
