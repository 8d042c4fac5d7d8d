"""A fault in an issue that was sent: exactly the readers who got the article get its correction."""

from pathlib import Path

import pytest
from sqlalchemy import update

from digest.outbox.states import State
from digest.outbox.tables import DELIVERY, ISSUE
from digest.runtime.db import make_engine, session_scope
from tests.support.world import World, mails, text_of

FAULTY = "daejeon-fire-prevention"
ITS_WORDS = ("distribution boards", "분전반")


def mailed(folder: Path) -> dict[str, str]:
    """The text of each mail by its address."""
    found = {}
    for mail in mails(folder):
        found[str(mail["To"]).rpartition("<")[2].rstrip(">").casefold()] = " ".join(text_of(mail).split())
    return found


def change(world: World, address: str, state: State) -> None:
    """Give a reader's delivery of issue 21 another fate; everybody's without an address."""
    rows = world.json("outbox", "list", "21")
    own = [row["id"] for row in rows if row["address"].casefold() == address or not address]
    engine = make_engine(world.database_url)
    with session_scope(engine) as session:
        session.execute(update(DELIVERY).where(DELIVERY.c.id.in_(own)).values(state=state.value))
    engine.dispose()


def state_of_21(world: World, state: str) -> None:
    engine = make_engine(world.database_url)
    with session_scope(engine) as session:
        session.execute(update(ISSUE).where(ISSUE.c.number == 21).values(state=state))
    engine.dispose()


def write(world: World, slugs: list[str]) -> None:
    world.digest("articles", "export")
    for slug in slugs:
        file = world.folder / "articles" / f"{slug}.md"
        file.write_text(f"{file.read_text()}\nThe award was given in July.\n")
    world.digest("articles", "import", "articles")


def test_exactly_the_readers_of_an_article_get_its_correction(sent: World, tmp_path: Path) -> None:
    sent.set_now("2021-10-04T08:00:00+09:00")  # making the world took its time, and all of that lies before
    first = mailed(sent.folder / "outbox")
    had_it = {address for address, text in first.items() if any(words in text for words in ITS_WORDS)}
    lost, unsure, left, *_ = sorted(had_it)
    assert 6 < len(had_it) < len(first)
    change(sent, lost, State.REJECTED)
    change(sent, unsure, State.UNCERTAIN)

    planned = sent.json("issue", "correct", "21", "--article", FAULTY, "--dry-run")
    made = sent.json("issue", "correct", "21", "--article", f"{FAULTY}-ko")
    assert {**planned, "issue": 22, "articles": made["articles"], "dry_run": False} == made
    assert made["articles"] == [f"correction-{FAULTY}", f"correction-{FAULTY}-ko"]
    assert (made["reached"], made["readers"]) == (len(had_it) - 1, len(had_it) - 1)
    assert {edition["language"] for edition in made["editions"]} == {"en", "ko"}
    assert "does not say yet" in sent.call("issue", "approve", "22", "--by", "Ada").stderr
    write(sent, made["articles"])
    sent.digest("suppress", "add", left)
    sent.digest("issue", "approve", "22", "--by", "Ada")
    state_of_21(sent, "sending")
    assert "being sent again" in sent.call("send", "22", "--yes").stderr
    state_of_21(sent, "sent")
    done = sent.json("send", "22", "--yes", "--relay", f"maildir:{tmp_path / 'new'}")

    new = mailed(tmp_path / "new")
    assert set(new) == had_it - {lost, left}
    assert unsure in new
    why = ("who got the article in issue No. 21", "제21호에서 그 기사를 받은")
    assert all(any(words in text for words in why) and "given in July" in text for text in new.values())
    everybody = sum(sent.json("subscribers", "stats")["state"].values())
    assert done["planned"] + sum(done["excluded"].values()) == everybody
    assert done["excluded"]["suppressed"] == 1
    assert [row["address"] for row in sent.json("outbox", "list", "22", "--state", "excluded")] == [left]

    sent.digest("archive", "export", str(tmp_path / "site"))
    page = next((tmp_path / "site").rglob("archive/21/index.html")).read_text()
    assert "Corrected in No. 22" in page
    assert sent.json("issue", "verify", "21")["equal"]
    sent.digest("issue", "correct", "21", "--article", FAULTY)  # wrong again


@pytest.mark.one_database
def test_a_correction_that_would_correct_nothing_is_refused(sent: World) -> None:
    def refused(expect: int, words: str, *, number: int = 21, slug: str = FAULTY) -> None:
        done = sent.call("issue", "correct", str(number), "--article", slug)
        assert (done.returncode, words in done.stderr) == (expect, True), done.stderr

    (sent.folder / "articles" / "later.md").write_text("---\ntitle: Later\nslug: later\n---\nText.\n")
    sent.digest("articles", "import", "articles")
    refused(2, "no article nothing", slug="nothing")
    refused(2, "Issue 21 has no article later", slug="later")
    refused(2, "no issue 22", number=22)
    sent.digest("issue", "correct", "21", "--article", FAULTY)
    refused(3, f"Issue 22 already corrects {FAULTY}")
    refused(3, "Issue 22 is draft, not sent", number=22, slug=f"correction-{FAULTY}")
    for edit in (["--add", "later"], ["--drop", f"correction-{FAULTY}"]):
        assert sent.call("issue", "edit", "22", *edit).returncode == 3
    sent.digest("issue", "withdraw", "22", "--yes")
    assert sent.json("issue", "correct", "21", "--article", FAULTY)["articles"][0] == f"correction-2-{FAULTY}"
    sent.digest("issue", "withdraw", "23", "--yes")
    change(sent, "", State.REJECTED)
    refused(3, f"No reader got {FAULTY}")
    state_of_21(sent, "withdrawn")
    refused(3, "Issue 21 is withdrawn")
