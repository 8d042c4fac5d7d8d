"""The month's run by a clock of the test: when it waits, for whom, what it tells, and what it never does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import pytest
from sqlmodel import Session, col, select

from digest.app import App
from digest.articles.models import Article
from digest.delivery.worker.progress import DeliveryProgress
from digest.issues import store as issue_store
from digest.issues.lifecycle import IssueState
from digest.issues.models import Issue
from digest.issues.period import Period
from digest.notify import Event, EventKind
from digest.notify.notifier import Notifier
from digest.outbox import breaker, operations
from digest.outbox.settle import Settlement, settle
from digest.outbox.states import Outcome, State
from digest.outbox.take import Taken, Taker, take
from digest.outbox.workers import register
from digest.publish import lifecycle
from digest.publish.approval import Approver
from digest.runtime.clock import ShiftedClock
from digest.runtime.db import session_scope
from digest.runtime.errors import RefusedError, UsageError
from digest.schedule import runs, skips
from digest.schedule.run import STEPS
from digest.schedule.tick import TickResult, tick
from digest.send import start
from digest.settings.operators import Operators
from subscribers.audience import exclusion_reason
from tests.proof.months import FIRST, Months

READERS = 4
SECOND = FIRST.next
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@dataclass(frozen=True)
class HearingNotifier(Notifier):
    """Keeps events for the test instead of telling anybody."""

    events: list[Event] = field(default_factory=list)

    def tell(self, session: Session, event: Event) -> bool:
        """Keep it for the test."""
        self.events.append(event)
        return True


@dataclass(frozen=True)
class Heard(App):
    """The workspace's parts, with somebody who listens."""

    events: list[Event] = field(default_factory=list)

    @cached_property
    def notifier(self) -> Notifier:
        return HearingNotifier(self.settings, self.engine, self.clock, self.dispatcher, self.events)


@dataclass
class Desk:
    """Looks at the clock, and what was heard."""

    months: Months
    events: list[Event] = field(default_factory=list)

    def works(self, moment: datetime) -> Heard:
        works = self.months.works_at(moment)
        return Heard(works.settings, works.engine, ShiftedClock(moment), events=self.events)

    def look(self, moment: datetime, period: Period = FIRST) -> TickResult | None:
        told = [entry for entry in tick(self.works(moment)) if entry.period == str(period)]
        return told[0] if told else None

    def approve(self, moment: datetime) -> None:
        works = self.works(moment)
        with session_scope(works.engine) as session:
            issue = issue_store.find(session, None, lock=True)
            assert lifecycle.approve(works.publisher, session, issue, Approver("Ada"), moment)

    def heard(self, period: Period = FIRST) -> list[str]:
        """What operators hear: whoever sends tells, too, and an event of the same key is the same one."""
        kinds = {event.key: event.kind.value for event in self.events if event.period == str(period)}
        return list(kinds.values())

    def states(self) -> dict[str, str]:
        return {period: run.state for period, run in self.months.runs().items()}

    def mails(self) -> int:
        return sum(row.state == "accepted" for row in self.months.deliveries())


class Hearing:
    """Who watches, and keeps what was heard."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, str]] = []
        self.expected: list[int] = []
        self.most = 0

    def step(self, period: str, name: str) -> None:
        self.steps.append((period, name))

    def expect(self, total: int) -> None:
        self.expected.append(total)

    def __call__(self, tally: DeliveryProgress) -> None:
        self.most = max(self.most, tally.settled)


MakeDesk = Callable[..., Desk]


@pytest.fixture
def desk(tmp_path: Path, database_url: str) -> Iterator[MakeDesk]:
    made: list[Months] = []

    def make(schedule: str = "", *, required: int = 0, months: int = 3, installed: timedelta = 20 * DAY) -> Desk:
        made.append(
            Months(tmp_path, database_url, months=months, readers=READERS, schedule=schedule, required=required)
        )
        desk = Desk(made[0])
        assert desk.look(made[0].due(FIRST) - installed) is None
        return desk

    yield make
    for one in made:
        one.close()


def test_a_month_that_waits_for_people_tells_each_thing_once(desk: MakeDesk) -> None:
    world = desk(required=1)
    due = world.months.due(FIRST)
    assert world.look(due - 7 * DAY - MINUTE) is None
    for before in (7 * DAY, 5 * DAY, 3 * DAY, 3 * DAY - MINUTE, 2 * DAY, DAY, MINUTE):
        told = world.look(due - before)
        assert told is not None
        assert (told.state, told.step, told.person) == ("waiting", "approve", False)
    assert world.heard() == ["assembled", "needs_approval", "needs_approval"]
    for after in (timedelta(0), 2 * DAY, 10 * DAY):  # held for as long as it takes, and a person is asked each time
        told = world.look(due + after)
        assert told is not None
        assert told.person
    assert world.heard() == ["assembled", *["needs_approval"] * 3]
    world.approve(due + 10 * DAY)
    told = world.look(due + 10 * DAY + MINUTE)
    assert told is not None
    assert (told.state, told.step, told.person) == ("done", "report", False)
    assert world.heard()[4:] == ["started", "finished"]
    run = world.months.runs()[str(FIRST)]
    assert run.detail["approved_by"] == "Ada"
    assert list(run.detail["steps"]) == ["assemble", "check", "approve", "freeze", "canary", "deliver", "report"]
    assert all(step["ended"] and step["by"] for step in run.detail["steps"].values())


@pytest.mark.one_database
def test_whoever_watches_hears_of_each_step_and_the_delivery(desk: MakeDesk) -> None:
    world, heard = desk(), Hearing()
    tick(world.works(world.months.due(FIRST)), listener=heard)
    assert heard.steps == [*((str(FIRST), name) for name, _ in STEPS), ("outbox", "deliver")]
    assert heard.expected == [READERS, 0]
    assert heard.most == READERS


def test_what_another_worker_has_on_the_way_is_waited_for(desk: MakeDesk) -> None:
    world, other = desk(), "another-machine"
    due = world.months.due(FIRST)
    works, taken = world.works(due), list[Taken]()

    class TakesOne(Hearing):
        def step(self, period: str, name: str) -> None:
            if name != "deliver" or taken:
                return
            now = works.clock.now()  # it runs on: what was just frozen is due a moment after `due`
            with session_scope(works.engine) as session:
                register(session, other, other, now)
                issue = issue_store.find(session, None).id
                assert issue is not None
                taken.extend(take(session, Taker(other, "maildir"), issue, exclusion_reason, limit=1, now=now).started)

    (told,) = [entry for entry in tick(works, listener=TakesOne()) if entry.period == str(FIRST)]
    assert (told.state, told.step, told.person) == ("waiting", "deliver", False)
    assert told.why == f"issue 1: 1 started, {READERS - 1} accepted"
    assert "finished" not in world.heard()
    (one,) = taken
    with session_scope(works.engine) as session:
        settle(
            session,
            [Settlement(one.promised, one.id, one.attempt_id, State.ACCEPTED, Outcome.ACCEPTED, works.clock.now())],
        )
    told_later = world.look(due + MINUTE)
    assert told_later is not None
    assert (told_later.state, told_later.step) == ("done", "report")
    assert world.heard().count("finished") == 1
    assert world.mails() == READERS


@pytest.mark.one_database
def test_approved_in_time_it_waits_for_its_time(desk: MakeDesk) -> None:
    world = desk(required=1)
    due = world.months.due(FIRST)
    world.look(due - 6 * DAY)
    world.approve(due - 5 * DAY)
    for before in (3 * DAY, DAY, MINUTE):
        told = world.look(due - before)
        assert told is not None
        assert "is approved" in told.why
    assert world.mails() == 0
    assert "needs_approval" not in world.heard()
    world.look(due)
    assert world.mails() == READERS


@pytest.mark.one_database
@pytest.mark.one_database
@pytest.mark.parametrize("required", [0, 1])
def test_an_approval_that_a_change_voids_is_waited_for(desk: MakeDesk, required: int) -> None:
    world = desk(required=required)
    due = world.months.due(FIRST)
    world.look(due - 6 * DAY)
    world.approve(due - 5 * DAY)
    with session_scope(world.works(due).engine) as session:
        _, article = issue_store.items_of(session, issue_store.find(session, None))[0]
        article.content_hash, changed = "other", article.slug
    for before in (4 * DAY, 3 * DAY):
        told = world.look(due - before)
        assert told is not None
        assert f"approved, but its approval is no longer valid: article {changed} changed; it was due at" in told.why
    assert "needs_approval" in world.heard()
    world.approve(due - DAY)
    again = world.look(due - DAY + MINUTE)
    assert again is not None
    assert "is approved and is due at" in again.why


def test_with_no_approval_it_approves_itself_on_time_and_says_so(desk: MakeDesk) -> None:
    world = desk()
    due = world.months.due(FIRST)
    world.look(due - DAY)
    assert world.mails() == 0
    world.look(due)
    assert world.mails() == READERS
    assert world.months.runs()[str(FIRST)].detail["approved_by"].startswith("no approval needed")


@pytest.mark.one_database
def test_a_check_that_blocks_is_told_and_nothing_approves_itself(desk: MakeDesk) -> None:
    world = desk()
    due = world.months.due(FIRST)
    with session_scope(world.months.engine) as session:
        for article in session.exec(select(Article)):
            session.delete(article)
    world.look(due - 3 * DAY)
    told = world.look(due)
    assert told is not None
    assert (told.state, told.person) == ("waiting", True)
    assert "no article" in told.why
    assert world.heard().count("needs_approval") == 2
    assert world.mails() == 0


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("late", "state", "mails"), [("skip", "missed", 0), ("send", "done", READERS), ("ask", "waiting", 0)]
)
def test_later_than_allowed(desk: MakeDesk, late: str, state: str, mails: int) -> None:
    world = desk(f'late = "{late}"\nmax_lateness = "2d"')
    told = world.look(world.months.due(FIRST) + 3 * DAY)
    assert told is not None
    assert told.state == state
    assert told.person == (late != "send")
    assert world.mails() == mails
    if late == "skip":
        assert world.heard() == ["missed"]
        assert world.months.issues() == []
        assert world.look(world.months.due(FIRST) + 4 * DAY) is None


@pytest.mark.one_database
def test_a_late_run_that_asks_goes_when_released_or_is_left_out(desk: MakeDesk) -> None:
    world = desk('late = "ask"\nmax_lateness = "2d"')
    late = world.months.due(FIRST) + 3 * DAY
    world.look(late)
    assert world.heard() == ["halted"]
    world.look(late + DAY)
    skips.release(world.works(late + DAY), str(FIRST))
    world.look(late + DAY + MINUTE)
    assert world.mails() == READERS
    with pytest.raises(RefusedError):
        skips.release(world.works(late + 2 * DAY), str(FIRST))
    late = world.months.due(SECOND) + 3 * DAY
    world.look(late, SECOND)
    skips.skip(world.works(late), str(SECOND))
    assert world.look(late + DAY, SECOND) is None
    assert world.mails() == READERS
    assert world.states() == {str(FIRST): "done", str(SECOND): "skipped"}


@pytest.mark.one_database
@pytest.mark.parametrize(("catch_up", "second"), [("latest", "done"), ("none", "missed")])
def test_of_several_missed_only_the_latest_is_made_up_for(desk: MakeDesk, catch_up: str, second: str) -> None:
    world = desk(f'catch_up = "{catch_up}"\nmax_lateness = "60d"')
    world.look(world.months.due(SECOND) + DAY)
    assert world.states() == {str(FIRST): "missed", str(SECOND): second}


@pytest.mark.one_database
def test_a_fresh_install_never_mails_last_month(desk: MakeDesk) -> None:
    world = desk('max_lateness = "300d"', installed=-1 * MINUTE)
    world.look(world.months.due(FIRST) + 2 * DAY)
    assert world.states() == {}
    world.look(world.months.due(SECOND), SECOND)
    assert world.states() == {str(SECOND): "done"}


def test_two_hosts_ten_minutes_apart_give_one_run(desk: MakeDesk) -> None:
    world = desk()
    due = world.months.due(FIRST)
    for minutes in (-10, 0, -5, 5, 0, 10):
        world.look(due + minutes * MINUTE)
    assert world.mails() == READERS
    assert len(world.months.issues()) == 1


def test_a_clock_that_jumps_gives_no_second_run_and_loses_none(desk: MakeDesk) -> None:
    world = desk(required=1)
    due = world.months.due(FIRST)
    world.look(due - 15 * DAY)
    world.look(due + 20 * DAY)  # a month ahead: this month counts as missed
    assert world.states()[str(FIRST)] == "missed"
    told = world.look(due - 14 * DAY)  # and right again
    assert told is not None
    assert told.state == "waiting"
    world.look(due - 6 * DAY)
    world.approve(due - DAY)
    world.look(due)
    assert world.states()[str(FIRST)] == "done"
    world.look(due - DAY)
    world.look(due)
    assert world.mails() == READERS


def test_what_was_sent_by_hand_is_not_sent_again(desk: MakeDesk) -> None:
    world = desk(required=1)
    due = world.months.due(FIRST)
    world.look(due - 6 * DAY)
    world.approve(due - 5 * DAY)
    start.prepare_send(world.works(due - 4 * DAY), None).run(lambda _tally: None)
    told = world.look(due - 3 * DAY)
    assert told is not None
    assert told.state == "done"
    assert world.look(due) is None
    assert world.mails() == READERS


@pytest.mark.one_database
def test_an_edit_of_the_calendar_moves_a_run_that_has_not_begun(desk: MakeDesk) -> None:
    world = desk()
    due = world.months.due(FIRST)
    world.look(due - 2 * DAY)
    path = world.months.folder / "digest.toml"
    path.write_text(path.read_text().replace('time = "09:00"', 'time = "15:00"'))
    world.months.__dict__.pop("_works").engine.dispose()
    world.look(due)
    assert world.mails() == 0
    world.look(due + timedelta(hours=6))
    assert world.mails() == READERS
    assert world.months.runs()[str(FIRST)].due_at == due + timedelta(hours=6)


@pytest.mark.one_database
def test_a_held_issue_is_told_and_goes_on_when_it_is_released(desk: MakeDesk) -> None:
    world = desk()
    due = world.months.due(FIRST)
    world.look(due - DAY)
    with session_scope(world.months.engine) as session:
        operations.hold(session, issue_store.find(session, None).id or 0, operations.BY_OPERATOR)
    told = world.look(due)
    assert told is not None
    assert (told.state, told.step, told.person) == ("waiting", "deliver", True)
    assert EventKind.HALTED in {event.kind for event in world.events}
    with session_scope(world.months.engine) as session:
        breaker.release(session, issue_store.find(session, None).id or 0, due)
    world.look(due + 5 * MINUTE)
    assert world.mails() == READERS


@pytest.mark.one_database
def test_a_special_issue_stands_outside_the_calendar(desk: MakeDesk) -> None:
    world = desk(required=1)
    due = world.months.due(FIRST)
    moment, slug = due - 10 * DAY, f"news-of-{FIRST}"
    at = (moment + DAY).isoformat()
    with session_scope(world.months.engine, read_only=True) as session:
        slug = session.exec(select(Article.slug).where(col(Article.title).contains(str(FIRST)))).one()
    with pytest.raises(UsageError):
        skips.special(world.works(moment), (moment - DAY).isoformat(), [slug], number=None, subject="")
    run = skips.special(world.works(moment), at, [slug], number=None, subject="Storm")
    assert (run.schedule, run.period) == ("special", "no-1")
    world.look(moment + timedelta(hours=1))
    world.approve(moment + timedelta(hours=2))
    assert world.mails() == 0
    world.look(moment + DAY)
    assert world.mails() == READERS
    world.look(due - 6 * DAY)
    with Session(world.months.engine) as session:
        issues = session.exec(select(Issue).order_by(col(Issue.number))).all()
        assert [(issue.special, issue.period) for issue in issues] == [(True, str(FIRST)), (False, str(FIRST))]
        assert issue_store.items_of(session, issues[1]) == []  # its article was published
    assert {run.period for run in world.months.runs().values()} == {"no-1", str(FIRST)}


@pytest.mark.one_database
def test_days_after_an_issue_has_ended_its_report_is_told(desk: MakeDesk) -> None:
    world = desk(required=1)
    due = world.months.due(FIRST)
    world.look(due - 5 * DAY)
    world.approve(due - DAY)
    world.look(due)
    for days, is_told in ((2, False), (4, True)):
        works = world.works(due + days * DAY)
        operators = Operators(addresses=("ada.operator@example.org",))
        settings = works.settings.model_copy(update={"operators": operators})
        tick(Heard(settings, works.engine, works.clock, events=world.events))
        assert ("report" in world.heard()) is is_told


@pytest.mark.one_database
def test_a_run_whose_issue_is_withdrawn_ends(desk: MakeDesk) -> None:
    world = desk(required=1)
    due = world.months.due(FIRST)
    world.look(due - 6 * DAY)
    with session_scope(world.months.engine) as session:
        lifecycle.withdraw(session, issue_store.find(session, None, lock=True), due)
    told = world.look(due)
    assert told is not None
    assert told.state == runs.RunState.DONE
    assert "withdrawn" in told.why
    assert world.mails() == 0


def test_what_is_being_sent_cannot_be_skipped(desk: MakeDesk) -> None:
    world = desk()
    due = world.months.due(FIRST)
    world.look(due)
    with pytest.raises(RefusedError, match="already has a run"):
        skips.skip(world.works(due), str(FIRST))


@pytest.mark.one_database
def test_each_tick_says_that_an_issue_is_held_once(desk: MakeDesk) -> None:
    world = desk()
    due = world.months.due(FIRST)
    world.look(due - DAY)
    with session_scope(world.months.engine) as session:
        issue = issue_store.find(session, None)
        issue.state, issue.held, issue.held_reason = IssueState.SENDING, True, "the relay refuses us"
    for moment in (due - DAY, due):
        told = [one for one in tick(world.works(moment)) if "is held: the relay refuses us" in one.why]
        assert [one.person for one in told] == [True]
