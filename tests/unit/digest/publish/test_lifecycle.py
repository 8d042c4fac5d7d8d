"""From the sample's articles to planned deliveries, on both databases: approval, freezing, withdrawal."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import Engine, func
from sqlmodel import Session, col, select

from digest.articles.importing import import_paths
from digest.articles.intake import KnownSlugs
from digest.articles.models import Article, Media
from digest.editions.models import Edition
from digest.issues import edit, store
from digest.issues.lifecycle import IssueState, MoveRefusedError
from digest.issues.models import Issue
from digest.issues.period import Period
from digest.outbox.models import Attempt, Delivery
from digest.outbox.states import State
from digest.publish import build, describe, freeze, lifecycle, waivers
from digest.publish.approval import Approver, NotApprovedError, approver_named
from digest.publish.publisher import FindingsBlockError, Publisher
from digest.render.loader import Templates
from digest.render.logo import logo_pictures
from digest.runtime.db import session_scope
from digest.runtime.errors import RefusedError
from digest.settings.root import load_settings
from subscribers.models import Subscriber, SubscriberState
from tests.support.frozen import Frozen

SAMPLE = Path(__file__).resolve().parents[4] / "digest" / "workspace" / "sample"
NOW = datetime(2021, 9, 30, tzinfo=UTC)
SECRETS = '[secrets]\nlink_keys = ["0123456789abcdef"]\nsuppression_key = "0123456789abcdef0123456789abcdef"\nmessage_key = "m"\n'
READERS = [("en", "*"), ("en", "mobility"), ("en", "mobility"), ("en", "safety"), ("en", ""), ("ko", "*")]


@pytest.fixture
def press(frozen: Frozen, database_kind: str, tmp_path: Path) -> Iterator[Publisher]:
    workspace = tmp_path / "workspace"
    with frozen.copy(database_kind, "to-plan", imported, workspace) as engine:
        yield Publisher(load_settings(workspace), engine, Templates(workspace / "templates"))


def imported(engine: Engine, workspace: Path) -> None:
    shutil.copy(SAMPLE / "digest.toml", workspace)
    (workspace / "secrets.toml").write_text(SECRETS)
    settings = load_settings(workspace)
    known = KnownSlugs([s.slug for s in settings.section], [i.slug for i in settings.interest], "en")
    with session_scope(engine) as session:
        report = import_paths(session, [SAMPLE / "articles"], known=known, now=NOW)
        assert report.problems == []
        session.add_all(reader(number, *reading) for number, reading in enumerate(READERS))
        session.add(reader(90, "en", "*", state=SubscriberState.PENDING))
        session.add(reader(91, "en", "*", paused_until=NOW + timedelta(days=1)))
        session.add(reader(92, "en", "*", frequency="second"))


def reader(number: int, language: str, interests: str, **fields: object) -> Subscriber:
    values = {"state": SubscriberState.CONFIRMED, "created_at": NOW, **fields}
    address = f"reader{number}@example.org"
    return Subscriber(
        ref=f"ref{number}", address=address, address_key=address, language=language, interests=interests, **values
    )


def assemble(press: Publisher, session: Session) -> Issue:
    period = Period(2021, 9)
    return lifecycle.assemble(press, session, period, number=21, issue_date=period.last, now=NOW)


def approve(press: Publisher) -> None:
    with session_scope(press.engine) as session:
        assert lifecycle.approve(press, session, assemble(press, session), Approver("Ada"), NOW)


def planned(session: Session) -> int:
    return session.exec(select(func.count()).select_from(Delivery)).one()


def test_freezing_plans_a_delivery_a_reader_and_counts_the_rest(press: Publisher) -> None:
    approve(press)
    with session_scope(press.engine) as session:
        issue = store.find(session, 21, lock=True)
        result = freeze.freeze(press, session, issue, NOW)
        assert result.planned == len(READERS)
        assert issue.excluded == {"unconfirmed": 1, "paused": 1, "frequency": 1}
        assert issue.state == IssueState.FROZEN
    with session_scope(press.engine, read_only=True) as session:
        assert planned(session) == len(READERS)
        mails = session.exec(select(Edition).where(col(Edition.archive).is_(False))).all()
        assert len(mails) == 5  # two of the six readers share an edition
        assert {e.language for e in session.exec(select(Edition).where(col(Edition.archive).is_(True)))} == {"en", "ko"}


def test_nothing_is_frozen_that_was_not_approved(press: Publisher) -> None:
    with session_scope(press.engine) as session:
        assemble(press, session)
    with session_scope(press.engine) as session, pytest.raises(NotApprovedError, match="draft, not approved"):
        freeze.freeze(press, session, store.find(session, 21, lock=True), NOW)
    with session_scope(press.engine, read_only=True) as session:
        assert planned(session) == 0


def test_any_change_to_what_is_read_voids_the_approval_by_name(press: Publisher) -> None:
    approve(press)
    with session_scope(press.engine) as session:
        article = session.exec(select(Article).where(Article.slug == "k-uam-operation-concept-ko")).one()
        article.title, article.content_hash = "다른 제목", "f" * 64
        session.add(article)
    with (
        session_scope(press.engine) as session,
        pytest.raises(NotApprovedError, match="k-uam-operation-concept-ko changed"),
    ):
        freeze.freeze(press, session, store.find(session, 21, lock=True), NOW)


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("path", "text", "named"),
    [("email/digest/subject.txt.j2", "x", "templates and theme changed"), ("theme.toml", "", None)],
)
def test_a_changed_template_voids_it_too(press: Publisher, path: str, text: str, named: str | None) -> None:
    approve(press)
    override = press.settings.workspace / "templates" / path
    override.parent.mkdir(parents=True)
    override.write_text(text)
    changed = Publisher(press.settings, press.engine, Templates(press.settings.workspace / "templates"))
    with (
        session_scope(press.engine) as session,
        pytest.raises(NotApprovedError, match=named or "templates and theme changed"),
    ):
        freeze.freeze(changed, session, store.find(session, 21, lock=True), NOW)


def with_table(press: Publisher, text: str) -> Publisher:
    """The press with one more table in its settings."""
    file = press.settings.workspace / "digest.toml"
    table, _, rest = text.partition("\n")
    before, found, after = file.read_text().partition(f"{table}\n")
    file.write_text(f"{before}\n{table}\n{rest}\n{after if found else ''}")
    return Publisher(load_settings(press.settings.workspace), press.engine, press.templates)


@pytest.mark.one_database
def test_a_new_logo_voids_it_and_is_kept_with_the_issue(press: Publisher) -> None:
    logo = press.settings.workspace / "logo.png"
    Image.new("RGB", (240, 60)).save(logo)
    press = with_table(press, '[publication.logo]\nsrc = "logo.png"')
    approve(press)
    Image.new("RGB", (240, 61)).save(logo)
    with session_scope(press.engine) as session, pytest.raises(NotApprovedError, match="logo changed"):
        freeze.freeze(press, session, store.find(session, 21, lock=True), NOW)
    approve(press)
    with session_scope(press.engine) as session:
        freeze.freeze(press, session, store.find(session, 21, lock=True), NOW)
        (picture,) = logo_pictures(press.settings)
        assert session.get(Media, picture.hash) is not None


@pytest.mark.one_database
def test_a_brief_edition_shows_three_articles_in_full(press: Publisher) -> None:
    press = with_table(press, '[editions]\nlength = "brief"')
    with session_scope(press.engine) as session:
        issue = assemble(press, session)
        made = build.build(press, session, issue, NOW)
        assert not made.blocking
        whole = next(one for one in made.editions if len(one.selection.shown) == 13)
        assert whole.rendered.html_bytes < 60_000
        assert whole.rendered.html.count("Read on at") >= 6
        assert "shown-as-summary" not in {found.id for found in whole.rendered.findings}


def test_a_reader_who_signs_up_after_the_approval_gets_the_issue(press: Publisher) -> None:
    approve(press)
    with session_scope(press.engine) as session:
        session.add(reader(50, "en", "certification;safety"))  # an edition that nobody had before
    with session_scope(press.engine) as session:
        result = freeze.freeze(press, session, store.find(session, 21, lock=True), NOW)
        assert result.planned == len(READERS) + 1


@pytest.mark.one_database
def test_two_people_have_to_approve_the_same_thing(press: Publisher) -> None:
    two = press.settings.model_copy(update={"approval": press.settings.approval.model_copy(update={"required": 2})})
    strict = Publisher(two, press.engine, press.templates)
    with session_scope(press.engine) as session:
        issue = assemble(strict, session)
        assert not lifecycle.approve(strict, session, issue, Approver("Ada"), NOW)
        assert not lifecycle.approve(strict, session, issue, Approver("Ada"), NOW)  # the same person twice is one
        edit.set_texts(issue, "*", subject="Changed in between")
        assert not lifecycle.approve(strict, session, issue, Approver("Ben"), NOW)  # Ada saw something else
        assert lifecycle.approve(strict, session, issue, Approver("Ada"), NOW)
        assert issue.state == IssueState.APPROVED


@pytest.mark.one_database
def test_a_blocking_finding_forbids_the_approval(press: Publisher) -> None:
    with session_scope(press.engine) as session:
        issue = assemble(press, session)
        for item, _ in store.items_of(session, issue):
            session.delete(item)
        session.flush()
        with pytest.raises(FindingsBlockError, match="no article"):
            lifecycle.approve(press, session, issue, Approver("Ada"), NOW)
        assert issue.state == IssueState.DRAFT


def test_a_withdrawn_issue_cancels_the_rest_and_frees_articles(press: Publisher) -> None:
    approve(press)
    with session_scope(press.engine) as session:
        issue = store.find(session, 21, lock=True)
        freeze.freeze(press, session, issue, NOW)
        lifecycle.start_sending(session, issue)
    with session_scope(press.engine) as session:
        assert lifecycle.withdraw(session, store.find(session, 21, lock=True), NOW) == len(READERS)
    with session_scope(press.engine) as session:
        assert {d.state for d in session.exec(select(Delivery))} == {State.CANCELLED}
        period = Period(2021, 9)
        again = lifecycle.assemble(press, session, period, number=None, issue_date=period.last, now=NOW)
        assert again.number == 22  # the number stays taken
        assert len(store.items_of(session, again)) == 13
    with session_scope(press.engine) as session, pytest.raises(MoveRefusedError):
        lifecycle.withdraw(session, store.find(session, 21, lock=True), NOW)


@pytest.mark.parametrize(
    ("outcome", "is_free"),
    [(None, False), ("accepted", False), ("uncertain", False), ("rejected", True), ("deferred", True)],
)
def test_articles_that_somebody_may_have_got_stay_taken(
    press: Publisher, outcome: str | None, *, is_free: bool
) -> None:
    approve(press)
    with session_scope(press.engine) as session:
        issue = store.find(session, 21, lock=True)
        freeze.freeze(press, session, issue, NOW)
        lifecycle.start_sending(session, issue)
        delivery = session.exec(select(Delivery).limit(1)).one()
        session.add(Attempt(id="a", delivery_id=delivery.id, worker_id="w", started_at=NOW, outcome=outcome))
    with session_scope(press.engine) as session:
        lifecycle.withdraw(session, store.find(session, 21, lock=True), NOW)
        period = Period(2021, 9)
        again = lifecycle.assemble(press, session, period, number=None, issue_date=period.last, now=NOW)
        assert bool(store.items_of(session, again)) is is_free


def test_freezing_is_one_transaction_that_leaves_nothing_behind(press: Publisher) -> None:
    approve(press)
    with session_scope(press.engine) as session:
        freeze.freeze(press, session, store.find(session, 21, lock=True), NOW)
        session.rollback()
    with session_scope(press.engine, read_only=True) as session:
        assert planned(session) == 0
        assert session.exec(select(func.count()).select_from(Edition)).one() == 0
        assert store.find(session, 21).state == IssueState.APPROVED


@pytest.mark.one_database
def test_the_same_issue_builds_the_same_bytes_twice(press: Publisher) -> None:
    with session_scope(press.engine) as session:
        issue = assemble(press, session)
        builds = [build.build(press, session, issue, NOW) for _ in range(2)]
    first, second = ([(e.rendered.html, e.rendered.text, e.rendered.subject) for e in b.editions] for b in builds)
    assert first == second


def test_an_issue_that_nobody_would_get_is_not_sent(press: Publisher) -> None:
    approve(press)
    with session_scope(press.engine) as session:
        for person in session.exec(select(Subscriber)):
            person.state = SubscriberState.UNSUBSCRIBED
            session.add(person)
    with session_scope(press.engine) as session, pytest.raises(RefusedError, match="no reader"):
        freeze.freeze(press, session, store.find(session, 21, lock=True), NOW)


def test_from_freezing_on_what_is_shown_is_what_was_frozen(press: Publisher) -> None:
    approve(press)
    with session_scope(press.engine) as session:
        freeze.freeze(press, session, store.find(session, 21, lock=True), NOW)
    with session_scope(press.engine) as session:
        lead = session.exec(select(Article).where(Article.slug == "wsce-2021")).one()
        lead.title, lead.content_hash = "Changed after freezing", "f" * 64
        session.add(lead)
    with session_scope(press.engine, read_only=True) as session:
        issue = store.find(session, 21)
        made = build.build(press, session, issue, NOW)
        assert len(made.editions) == 5
        assert all("Changed after freezing" not in edition.rendered.html for edition in made.editions)
        assert "Changed" not in describe.describe(press, session, issue).subject


@pytest.mark.one_database
def test_a_section_that_went_blocks_and_its_articles_are_listed(press: Publisher) -> None:
    with session_scope(press.engine) as session:
        assemble(press, session)
    fewer = press.settings.model_copy(update={"section": press.settings.section[:-1]})
    poorer = Publisher(fewer, press.engine, press.templates)
    with session_scope(press.engine, read_only=True) as session:
        issue = store.find(session, 21)
        assert "section-unknown" in {finding.id for finding in build.build(poorer, session, issue, NOW).blocking}
        listed = [a.slug for s in describe.describe(poorer, session, issue).sections for a in s.articles]
        assert len(listed) == 13


@pytest.mark.one_database
def test_a_semicolon_does_not_make_two_people_of_one(press: Publisher) -> None:
    two = press.settings.model_copy(update={"approval": press.settings.approval.model_copy(update={"required": 2})})
    strict = Publisher(two, press.engine, press.templates)
    with session_scope(press.engine) as session:
        issue = assemble(strict, session)
        assert not lifecycle.approve(strict, session, issue, approver_named(session, "Kim; editor"), NOW)
        assert not lifecycle.approve(strict, session, issue, approver_named(session, "Kim; editor"), NOW)


@pytest.mark.one_database
def test_an_operators_default_is_the_issue_on_its_way(press: Publisher) -> None:
    approve(press)
    with session_scope(press.engine) as session:
        freeze.freeze(press, session, store.find(session, 21, lock=True), NOW)
        october = Period(2021, 10)
        lifecycle.assemble(press, session, october, number=None, issue_date=october.last, now=NOW)
    with session_scope(press.engine, read_only=True) as session:
        assert store.find(session, None).number == 22
        assert store.find_delivered(session, None).number == 21


@pytest.mark.one_database
def test_a_finding_that_stands_is_a_part_of_the_approval(press: Publisher) -> None:
    with session_scope(press.engine) as session:
        issue = assemble(press, session)
        edit.set_texts(issue, "*", subject="Re: design")
        with pytest.raises(FindingsBlockError, match="looks like a reply"):
            lifecycle.approve(press, session, issue, Approver("Ada"), NOW)
        before = describe.describe(press, session, issue).hash
        waivers.waive(issue, build.build(press, session, issue, NOW).findings, "subject-reply", "It is its title")
        made = build.build(press, session, issue, NOW)
        assert {one.waived for one in made.findings if one.id == "subject-reply"} == {"It is its title"}
        described = describe.describe(press, session, issue)
        assert described.hash != before
        assert [one["id"] for one in described.waivers] == ["subject-reply"]
        assert lifecycle.approve(press, session, issue, Approver("Ada"), NOW)
        waivers.undo(issue, "subject-reply")
        with pytest.raises(NotApprovedError, match="findings that stand was removed"):
            freeze.freeze(press, session, issue, NOW)
