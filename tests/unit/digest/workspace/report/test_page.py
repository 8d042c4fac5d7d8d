"""The report's pages: one file in the publication's language, with names, numbers and remedies, and nothing from elsewhere."""

import random
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from digest.outbox.states import State
from digest.outbox.tables import SUBSCRIBER
from digest.runtime.db import session_scope
from digest.workspace.report import account, page
from digest.workspace.report.figures import TimeSlot
from digest.workspace.report.page import ReportPages
from tests.support.busy_issue import BusyIssues


def pages(busy: BusyIssues) -> ReportPages:
    return ReportPages(busy.app.settings, busy.app.templates, busy.clock.now())


def made(engine: Engine, folder: Path, now: datetime, readers: int = 150, language: str = "en") -> BusyIssues:
    busy = BusyIssues(engine, folder / "workspace", now, random.Random(8), language=language)
    busy.readers(readers)
    busy.come_back(busy.issue(1, window=20), 1, share=0.3)
    return busy


@pytest.mark.one_database
def test_a_page_is_one_file_with_names_and_reasons(engine: Engine, now: datetime, tmp_path: Path) -> None:
    busy = made(engine, tmp_path, now)
    with session_scope(engine) as session:
        session.execute(update(SUBSCRIBER).values(name="<b>Ann & Ben</b>"))
    report = account.of_issue(busy.app, 1)
    file = tmp_path / "report.html"
    pages(busy).write(file, report)
    html = file.read_text("utf-8")
    assert file.stat().st_mode & 0o777 == 0o600
    assert re.findall(r"(?:src|href|action)=\"(?!#|data:,)[^\"]*\"", html) == []
    assert "<script" not in html
    assert "<b>Ann" not in html
    assert "&lt;b&gt;Ann &amp; Ben" in html
    assert {one.address for one in report.missed() if one.state == "rejected"} & set(
        re.findall(r"[^<>\s]+@[^<>\s]+", html)
    )
    assert "The email passed neither SPF nor DKIM" in html
    assert html.count('role="img" aria-label="Emails accepted over time') == 1
    accepted = report.account.states[State.ACCEPTED]
    lead = html.partition('class="lead">')[2].partition("</p>")[0]
    assert lead.startswith(f"{accepted} of {report.account.planned} readers got it. Why others didn’t: ")
    plotted = re.findall(r"<title>[^<]+: (\d+)</title>", html.partition('class="plot"')[2].partition("</svg>")[0])
    assert sum(map(int, plotted)) == accepted, "late mails too"
    assert re.search(r"English: (everything|Mobility|Safety)[^<(]*\(articles: \d+\)", html)


@pytest.mark.one_database
def test_the_page_speaks_the_language_of_the_publication(engine: Engine, now: datetime, tmp_path: Path) -> None:
    busy = made(engine, tmp_path, now, language="ko")
    html = pages(busy).issue(account.of_issue(busy.app, 1)) + pages(busy).overview(account.overview(busy.app))
    assert '<html lang="ko"' in html
    text = re.sub(r"<style>.*?</style>|<[^>]+>|\S+@\S+|digest \S+ \S+ --csv FILE", " ", html, flags=re.DOTALL)
    known = {"naver", "google", "microsoft", "nate", "kakao", "Ada", "Smart", "City", "SPF", "DKIM", "DMARC", "digest"}
    english = set(re.findall(r"[A-Za-z]{3,}", text)) - known
    assert english <= {"doctor", "relay", "limits", "per_second", "per", "second", "hour", "Outlook", "com", "From"}


@pytest.mark.one_database
def test_a_rare_reason_is_named_beside_a_frequent_one(
    engine: Engine, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "NAMED", 12)
    busy = made(engine, tmp_path, now, 300)
    report = account.of_issue(busy.app, 1)
    rows = pages(busy)._reasons(report)
    assert sum(row.count for row in rows) == report.account.missed_count
    assert all(row.readers for row in rows)
    assert sum(len(row.readers) for row in rows) <= max(12, len(rows))


@pytest.mark.one_database
def test_pages_without_anything_to_show_say_so(engine: Engine, now: datetime, tmp_path: Path) -> None:
    busy = BusyIssues(engine, tmp_path / "workspace", now, random.Random(8))
    assert "No issue has been sent yet." in pages(busy).overview(account.overview(busy.app))
    busy.issue(1, finish=False)  # nobody is on the list
    html = pages(busy).issue(account.of_issue(busy.app, 1))
    assert "Nothing has been planned yet." in html
    assert "not finished yet" in html
    assert "nobody left" in html
    assert "No issue has been sent yet." not in pages(busy).overview(account.overview(busy.app))


@pytest.mark.parametrize(
    ("some", "of", "share"), [(0, 0, "–"), (9999, 10_000, "99.9%"), (3, 3, "100.0%"), (0, 3, "0.0%")]
)
def test_a_share_is_rounded_down(engine: Engine, now: datetime, tmp_path: Path, some: int, of: int, share: str) -> None:
    busy = BusyIssues(engine, tmp_path / "workspace", now, random.Random(8))
    assert pages(busy)._share(some, of) == share


@pytest.mark.one_database
def test_a_late_mail_shows_beside_many(engine: Engine, now: datetime, tmp_path: Path) -> None:
    busy = BusyIssues(engine, tmp_path / "workspace", now, random.Random(8))
    slots = [TimeSlot(now, 60, {State.ACCEPTED: 900}), TimeSlot(now + timedelta(days=2), 86400, {State.ACCEPTED: 1})]
    column = pages(busy)._columns(slots)[-1]
    assert (column.text, column.height) == ("later: 1", 3)
