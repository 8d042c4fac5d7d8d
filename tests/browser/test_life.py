"""A reader's whole life in a browser, with the real commands, a real sink and both databases, with and without script."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import MetaData, select

from digest.runtime.db import make_engine
from subscribers.pages.csrf import QUICKEST
from tests.acceptance.conftest import World, free_port, html_of, mails, text_of
from tests.acceptance.test_mails import check_parts, edition_of
from tests.acceptance.test_mission import configure
from tests.browser.forked_world import ForkedWorld
from tests.support.forked_commands import ForkedCommands

pytestmark = pytest.mark.browser

FIRST, SECOND = "nora.life@example.org", "nora.new@example.org"
NEWS = {
    "2021-10": ("Trams with a timetable of their own", "Smoke alarms that call for help"),
    "2021-11": ("Buses that wait for trains", "Lamps that see a fall"),
}


class Life:
    """A world with its servers, and what arrived in the sink."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.relay, self.web = free_port(), free_port()
        self.kept = world.folder / "kept"
        configure(world, self.relay, self.web)
        self.url = f"http://127.0.0.1:{self.web}"

    @contextmanager
    def day(self, now: str) -> Iterator[None]:
        """The servers, with their clocks on this day."""
        self.world.set_now(now)
        with (
            self.world.running("sink", "--port", str(self.relay), "--maildir", str(self.kept), port=self.relay),
            self.world.running("serve", "--port", str(self.web), port=self.web),
        ):
            yield

    def mail(self, address: str, subject: str) -> str:
        """The text of the one mail to an address with these words in its subject."""
        found = [m for m in mails(self.kept) if m["To"].addresses[0].addr_spec == address and subject in m["Subject"]]
        assert len(found) == 1, [m["Subject"] for m in mails(self.kept) if address in m["To"]]
        return text_of(found[0])

    def link(self, text: str, purpose: str) -> str:
        found = re.search(rf"http://\S+/{purpose}/[^\s>)]+", text)
        assert found is not None
        return found[0]

    def shown(self, address: str) -> dict[str, object]:
        return dict(self.world.json("subscribers", "show", address))

    def send(self, number: int, period: str) -> set[str]:
        """Assemble, approve and send an issue; return to whom it went."""
        if period in NEWS:
            for title, topic in zip(NEWS[period], ("mobility", "safety"), strict=True):
                path = self.world.folder / "articles" / f"{topic}-{period}.md"
                head = f"title: {title}\ntopics: [{topic}]\ndate: {period}-12\nsummary: News."
                path.write_text(f"---\n{head}\n---\n\nBody.\n")
            self.world.digest("articles", "import", "articles")
        self.world.digest("issue", "assemble", "--period", period, "--number", str(number))
        self.world.digest("issue", "approve", str(number), "--by", "Ada")
        self.world.digest("send", str(number), "--yes")
        return {row["address"] for row in self.world.json("outbox", "list", str(number))}


def dump(url: str, folder: Path) -> str:
    """Every row of every table, and every file that is no mail, as text."""
    engine = make_engine(url)
    metadata = MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        rows = [repr(tuple(row)) for table in metadata.tables.values() for row in connection.execute(select(table))]
    engine.dispose()
    files = [p.read_text(errors="replace") for p in (folder / ".state").rglob("*") if p.is_file()]
    return "\n".join([*rows, *files])


@pytest.fixture
def page(browser: Browser, script: bool) -> Iterator[Page]:
    context = browser.new_context(java_script_enabled=script, viewport={"width": 375, "height": 800}, locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()


@pytest.fixture
def life(tmp_path: Path, database_url: str, commands: ForkedCommands) -> Iterator[Life]:
    world = ForkedWorld(tmp_path / "workspace", database_url, commands)
    world.digest("init", str(world.folder), "--sample", cwd=tmp_path)
    yield Life(world)
    world.end()


@pytest.fixture
def slow_pair(request: pytest.FixtureRequest, database_kind: str, script: bool) -> None:
    """The short form has scripts with SQLite and none with PostgreSQL; a page knows nothing of its database."""
    if script is (database_kind == "postgresql") and not request.config.getoption("--slow"):
        pytest.skip("a long run; add --slow")


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("slow_pair")
@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_readers_whole_life(life: Life, page: Page, database_url: str) -> None:
    with life.day("2021-09-20T10:00:00+09:00"):
        sign_up(life, page)
        change_interests(life, page)
    with life.day("2021-09-30T10:00:00+09:00"):
        read_the_next_issue(life)
        leave_one_interest(life, page)
        pause(life, page)
    with life.day("2021-10-31T10:00:00+09:00"):
        assert FIRST not in life.send(22, "2021-10")
        resume(life, page)
        move(life, page)
    with life.day("2021-11-30T10:00:00+09:00"):
        to = life.send(23, "2021-11")
        assert SECOND in to
        assert FIRST not in to
        assert NEWS["2021-11"][1] in life.mail(SECOND, "No. 23")
        leave, preferences = (
            life.link(life.mail(SECOND, "No. 23"), purpose) for purpose in ("unsubscribe", "preferences")
        )
        take_data(life, page, preferences)
        erase(page, preferences)
        for link in (leave, preferences):
            answer = page.goto(link)
            assert answer is not None
            assert answer.status == 404
    held = dump(database_url, life.world.folder).lower()
    for personal in (FIRST, SECOND, "nora"):
        assert personal not in held


def sign_up(life: Life, page: Page) -> None:
    page.goto(life.url + "/subscribe")
    page.get_by_label("Email address").fill(FIRST)
    page.get_by_label("Only these topics").check()
    page.get_by_label("Mobility").check()
    page.wait_for_timeout(1000 * (QUICKEST.total_seconds() + 1))  # only a program would be quicker
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your email")
    life.world.digest("worker")
    page.goto(life.link(life.mail(FIRST, "Confirm"), "confirm"))
    assert life.shown(FIRST)["state"] == "pending"
    page.get_by_role("button", name="Confirm subscription").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You’re subscribed")
    assert life.shown(FIRST)["state"] == "confirmed"
    life.world.digest("worker")
    assert "Mobility" in life.mail(FIRST, "Welcome")


def change_interests(life: Life, page: Page) -> None:
    page.get_by_role("link", name="Choose topics, language and how often you hear from us").click()
    page.get_by_label("Safety").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Your preferences have been saved.")
    assert life.shown(FIRST)["interests"] == ["mobility", "safety"]


def read_the_next_issue(life: Life) -> None:
    assert FIRST in life.send(21, "2021-09")
    promised = edition_of(life.world)
    every = {title for titles in promised.values() for title in titles}
    [mail] = [m for m in mails(life.kept) if FIRST in m["To"] and "No. 21" in m["Subject"]]
    check_parts(mail, promised[FIRST], every)
    assert html_of(mail)


def leave_one_interest(life: Life, page: Page) -> None:
    page.goto(life.link(life.mail(FIRST, "No. 21"), "unsubscribe"))
    page.get_by_label("Mobility").uncheck()
    page.get_by_role("button", name="Keep only these topics").click()
    expect(page.get_by_role("status")).to_have_text("Your topics have been saved.")
    assert life.shown(FIRST)["interests"] == ["safety"]
    assert life.shown(FIRST)["state"] == "confirmed"


def pause(life: Life, page: Page) -> None:
    page.goto(life.link(life.mail(FIRST, "No. 21"), "preferences"))
    page.get_by_label("Pause until").fill("2022-03-01")
    page.get_by_role("button", name="Save").click()
    expect(
        page.get_by_text("Paused until 1 March 2022.").or_(page.get_by_text("Paused until March 1, 2022."))
    ).to_be_visible()
    assert str(life.shown(FIRST)["paused_until"]).startswith("2022-02-28")


def resume(life: Life, page: Page) -> None:
    page.goto(life.link(life.mail(FIRST, "No. 21"), "preferences"))
    page.get_by_role("button", name="Resume now").click()
    expect(page.get_by_role("status")).to_contain_text("Your subscription has resumed")
    assert life.shown(FIRST)["paused_until"] is None


def move(life: Life, page: Page) -> None:
    page.get_by_label("New email address").fill(SECOND)
    page.get_by_role("button", name="Change address").click()
    expect(page.get_by_role("status")).to_contain_text("We’ve sent an email to that address, if we can.")
    life.world.digest("worker")
    page.goto(life.link(life.mail(SECOND, "Confirm your new address"), "address"))
    assert life.shown(FIRST)["state"] == "confirmed"
    page.get_by_role("button", name="Use this address").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your address has been changed")
    life.world.digest("worker")
    assert SECOND not in life.mail(FIRST, "your address was changed")
    assert life.shown(SECOND)["interests"] == ["safety"]


def take_data(life: Life, page: Page, preferences: str) -> None:
    page.goto(preferences)
    page.get_by_role("button", name="Email me a link to my data").click()
    expect(page.get_by_role("status")).to_contain_text("We’ve emailed a link to n•••@example.org.")
    life.world.digest("worker")
    page.goto(life.link(life.mail(SECOND, "Your data"), "data"))
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download your data").click()
    data = Path(downloading.value.path()).read_text()
    assert downloading.value.suggested_filename == "digest-data.json"
    assert f'"address": "{SECOND}"' in data
    assert '"number": 21' in data
    assert life.shown(SECOND)["address"] == SECOND


def erase(page: Page, preferences: str) -> None:
    page.goto(preferences)
    page.get_by_role("link", name="Erase my data").click()
    page.get_by_role("button", name="Erase my data permanently").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your data has been erased")
