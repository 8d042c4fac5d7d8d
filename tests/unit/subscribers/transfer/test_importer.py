"""Readers in and out: nothing is lost, nothing is overruled, and the second time changes nothing."""

import gc
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from digest.runtime.db import session_scope
from subscribers import consent, preferences, store, suppression
from subscribers.consent import ConsentKind, ConsentMethod
from subscribers.errors import ImportFileError
from subscribers.preferences import Choices
from subscribers.suppression import SuppressionReason
from subscribers.transfer import exporter, importer
from subscribers.transfer.exporter import show_person
from subscribers.transfer.importer import Importer, SubscriberImportReport
from subscribers.transfer.reading import ImportOptions
from subscribers.transfer.rows import RowRules
from tests.support.site import CATALOGUE, SECRET, SEOUL, Site

ADDRESS = "kim.minjun@example.org"
FILE = """\
email,name,interests,language,format,frequency,status,confirmed_at,consent_source,paused_until
Kim.Minjun@Example.org,김민준,safety;mobility,ko,html,every,confirmed,2020-03-02T10:15:00+09:00,sign-up page,
reader@bücher.example,Jörg,,,,,confirmed,2020-11-17,paper form,
paused@example.org,"O'Brien & <b>Sons</b> ""Q"" ",*,en,text,third,confirmed,2020-11-17,,2099-12-31
new@example.org,=HYPERLINK(1),;,en,html,every,pending,,,
left@example.org,Peter,certification,en,html,every,unsubscribed,2020-05-05,sign-up page,
never@example.org,David,*,en,html,every,suppressed,2020-06-18,sign-up page,
"""


def bring(site: Site, content: str | bytes = FILE, **options: Any) -> SubscriberImportReport:
    stream = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    importer = Importer(site.write, RowRules(CATALOGUE, "en", SEOUL), SECRET, site.new_ref)
    return importer.run(stream, site.now, **options)


def counts(report: SubscriberImportReport) -> tuple[int, int, int, int, int]:
    return (report.created, report.updated, report.unchanged, report.kept_count, report.problem_count)


def line(**fields: str) -> str:
    values = {"email": ADDRESS} | fields
    return f"{','.join(values)}\n{','.join(values.values())}\n"


def exported(engine: Engine) -> str:
    with session_scope(engine) as session:
        return "".join(exporter.export_csv(session, SECRET))


def test_readers_come_in_as_the_file_says(site: Site) -> None:
    assert counts(bring(site)) == (6, 0, 0, 0, 0)
    kim = site.person()
    assert (kim.address, kim.name, kim.interests, kim.language) == (
        "Kim.Minjun@example.org",
        "김민준",
        "mobility;safety",
        "ko",
    )
    assert kim.confirmed_at == datetime(2020, 3, 2, 1, 15, tzinfo=UTC)
    blank = site.person("reader@xn--bcher-kva.example")
    assert (blank.interests, blank.language, blank.format, blank.frequency) == ("*", "en", "html", "every")
    paused = site.person("paused@example.org")
    assert (paused.paused_until, paused.frequency) == (datetime(2099, 12, 30, 15, tzinfo=UTC), "third")
    assert site.person("new@example.org").interests == ""
    assert site.person("left@example.org").state == "unsubscribed"
    assert [site.suppressed(f"{who}@example.org") for who in ("left", "never", "paused")] == [
        "unsubscribed",
        "manual",
        None,
    ]


def test_every_import_leaves_its_proof(site: Site) -> None:
    bring(site)
    with site.write() as session:
        person = store.by_key(session, ADDRESS)
        assert person is not None
        (consent,) = show_person(session, person)["consent"]
    assert (consent["kind"], consent["method"]) == ("imported", "import")
    assert consent["detail"] == {
        "source": "sign-up page",
        "status": "confirmed",
        "confirmed_at": "2020-03-02T01:15:00+00:00",
    }


def test_the_second_import_changes_nothing(site: Site) -> None:
    bring(site)
    before = site.dump()
    site.later(days=1)
    assert counts(bring(site)) == (0, 0, 6, 0, 0)
    assert site.dump() == before


def test_a_dry_run_says_the_same_and_writes_nothing(site: Site) -> None:
    told = bring(site, dry_run=True)
    assert site.dump() == []
    assert told == bring(site)


def test_many_chunks_are_one_import(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "CHUNK", 2)
    assert counts(bring(site, FILE + "paused@example.org,Again\n")) == (6, 0, 0, 0, 1)
    assert len(site.dump()) == 6 + 6 + 2


@pytest.mark.one_database
def test_no_chunk_leaves_garbage_behind(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "CHUNK", 2)
    alive: list[int] = []
    lines = "".join(f"reader{number}@example.org\n" for number in range(80))
    bring(site, f"email\n{lines}", progress=lambda _line: alive.append(len(gc.get_objects())))
    assert len(alive) == 40
    assert alive[-1] - alive[9] < 300


def test_bad_lines_do_not_stop_good_ones(site: Site) -> None:
    report = bring(site, FILE.encode() + b"broken\nkim\0@example.org\n\xff\nlast@example.org,Last\n")
    assert counts(report) == (7, 0, 0, 0, 3)
    assert [problem.line for problem in report.problems] == [8, 9, 10]


def test_the_same_address_twice_counts_once_and_is_named(site: Site) -> None:
    report = bring(site, "email,name\nkim.minjun@example.org,First\nKIM.Minjun@EXAMPLE.org,Second\n")
    assert counts(report) == (1, 0, 0, 0, 1)
    assert str(report.problems[0]) == "line 3, email: the same address as on line 2, which is used"
    assert site.person().name == "First"


@pytest.mark.one_database
def test_another_readers_reference_is_refused_and_its_line_named(site: Site) -> None:
    known, twice = site.add().ref, "f" * 32
    report = bring(site, f"email,ref\na@example.org,{known}\nb@example.org,{twice}\nc@example.org,{twice}\n")
    assert counts(report) == (1, 0, 0, 0, 2)
    message = "ref: this reference belongs to another reader"
    assert [str(problem) for problem in report.problems] == [f"line 2, {message}", f"line 4, {message}"]


def test_a_useless_file_is_refused_before_anything_is_written(site: Site) -> None:
    with pytest.raises(ImportFileError):
        bring(site, b"")
    assert site.dump() == []


def test_a_list_of_what_is_wrong_stays_short_and_its_count_true(site: Site) -> None:
    report = bring(site, "email\n" + "broken\n" * 1500)
    assert (report.problem_count, len(report.problems)) == (1500, 1000)


def test_a_newer_file_updates_what_nobody_chose_themselves(site: Site) -> None:
    proof = {"status": "confirmed", "confirmed_at": "2020-03-02", "consent_source": "fair"}
    bring(site, line(name="Kim", interests="safety", **proof))
    assert counts(bring(site, line(name="Kim Minjun", interests="mobility", **proof))) == (0, 1, 0, 0, 0)
    person = site.person()
    assert (person.name, person.interests) == ("Kim Minjun", "mobility")
    assert site.events(person) == ["imported", "imported"]


def test_a_file_without_a_column_changes_nothing_in_it(site: Site) -> None:
    site.add(interests="safety", language="ko", frequency="third")
    assert counts(bring(site, line(name="Kim Minjun", status="confirmed"))) == (0, 0, 1, 0, 0)
    assert site.person().interests == "safety"


def test_what_a_reader_chose_themselves_no_file_changes(site: Site) -> None:
    person = site.add()
    with site.write() as session:
        preferences.change(session, person, Choices(interests="safety"), method=ConsentMethod.PAGE, now=site.now)
    report = bring(site, line(interests="*", status="confirmed"))
    assert counts(report) == (0, 0, 0, 1, 0)
    assert report.kept[0].line == 2
    assert site.person().interests == "safety"


@pytest.mark.parametrize("status", ["confirmed", "pending", "suppressed", "unsubscribed"])
def test_who_has_left_stays_away_whatever_the_file_says(site: Site, status: str) -> None:
    person = site.add()
    with site.write() as session:
        preferences.unsubscribe(session, person, method=ConsentMethod.ONE_CLICK, now=site.now, secret=SECRET)
    bring(site, line(name="Changed", status=status, confirmed_at="2030-01-01"))
    assert (site.person().state, site.person().name) == ("unsubscribed", "Kim Minjun")
    assert site.suppressed() is not None


@pytest.mark.parametrize("status", ["confirmed", "pending", "suppressed", "unsubscribed"])
def test_an_erased_person_is_not_brought_back(site: Site, status: str) -> None:
    person = site.add()
    with site.write() as session:
        preferences.erase(session, person, method=ConsentMethod.COMMAND, now=site.now, secret=SECRET)
    before = site.dump()
    report = bring(site, line(name="Kim", status=status))
    assert counts(report) == (0, 0, 0, 1, 0)
    assert "erased" in report.kept[0].reason
    assert site.dump() == before


@pytest.mark.parametrize("reason", list(SuppressionReason))
def test_a_suppressed_address_is_not_made_a_reader(site: Site, reason: SuppressionReason) -> None:
    with site.write() as session:
        suppression.add(session, suppression.key_of(ADDRESS, SECRET), reason, site.now)
    before = site.dump()
    assert counts(bring(site, line(status="confirmed"))) == (0, 0, 0, 1, 0)
    assert site.dump() == before


def test_a_file_ends_what_no_old_confirmation_brings_back(site: Site) -> None:
    person = site.add()
    assert counts(bring(site, line(status="unsubscribed"))) == (0, 1, 0, 0, 0)
    assert site.person().state == "unsubscribed"
    assert site.suppressed() == "unsubscribed"
    assert site.events(person) == ["unsubscribed"]


def test_a_file_confirms_who_was_pending_and_never_the_other_way(site: Site) -> None:
    site.add(state="pending", confirmed_at=None)
    bring(site, line(status="confirmed", confirmed_at="2020-01-01T00:00:00Z"))
    assert (site.person().state, site.person().confirmed_at) == ("confirmed", datetime(2020, 1, 1, tzinfo=UTC))
    assert counts(bring(site, line(status="pending"))) == (0, 0, 1, 0, 0)
    assert site.person().state == "confirmed"


def test_a_strangers_request_does_not_stand_against_the_file(site: Site) -> None:
    person = site.add(state="pending", confirmed_at=None)
    with site.write() as session:
        consent.record(session, person, ConsentKind.REQUESTED, ConsentMethod.PAGE, site.now)
    bring(site, line(interests="safety", status="confirmed", confirmed_at="2020-03-02"))
    assert (site.person().state, site.person().interests) == ("confirmed", "safety")


@pytest.mark.one_database
def test_confirmed_without_a_date_is_pending_and_said(site: Site) -> None:
    site.add(address="known@example.org", key="known@example.org", state="pending", confirmed_at=None)
    content = "email,status\nknown@example.org,confirmed\nnew@example.org,confirmed\n"
    report = bring(site, content)
    assert [(kept.line, kept.reason) for kept in report.kept] == [
        (line, "the file says confirmed but has no date; the reader is pending") for line in (2, 3)
    ]
    assert [site.person(f"{who}@example.org").state for who in ("known", "new")] == ["pending", "pending"]
    asked = ImportOptions(file_name="list.csv", confirmed_by="letter of 2019")
    Importer(site.write, RowRules(CATALOGUE, "en", SEOUL), SECRET, site.new_ref).run(
        io.BytesIO(content.encode()), site.now, asked=asked
    )
    assert [site.person(f"{who}@example.org").state for who in ("known", "new")] == ["confirmed", "confirmed"]


@pytest.mark.one_database
def test_the_file_is_the_source_of_a_consent_without_one(site: Site) -> None:
    Importer(site.write, RowRules(CATALOGUE, "en", SEOUL), SECRET, site.new_ref).run(
        io.BytesIO(line(confirmed_at="2020-03-02").encode()), site.now, asked=ImportOptions(file_name="fair.csv")
    )
    with site.write() as session:
        (consent,) = show_person(session, site.person())["consent"]
    assert consent["detail"]["source"] == "fair.csv"


def test_who_left_by_a_file_is_not_written_about_any_more(site: Site) -> None:
    bring(site, line(name="Kim", status="unsubscribed"))
    assert counts(bring(site, line(name="Another", status="suppressed"))) == (0, 0, 1, 0, 0)
    assert site.person().name == "Kim"


def test_an_export_is_an_import(site: Site, sqlite_engine: Engine) -> None:
    bring(site)
    site.add("+plus@example.org", name="'=1+1", interests="mobility")
    site.later(days=3)
    other = Site(sqlite_engine, site.now)
    content = exported(site.engine)
    report = bring(other, content)
    assert (report.problem_count, report.kept_count, report.created) == (0, 0, 7)
    assert exported(sqlite_engine) == content
    assert other.person("+plus@example.org").name == "'=1+1"
    assert other.suppressed("never@example.org") == "manual"


def test_an_export_holds_no_formula_and_nobody_erased(site: Site) -> None:
    bring(site)
    person = site.add("gone@example.org")
    with site.write() as session:
        preferences.erase(session, person, method=ConsentMethod.COMMAND, now=site.now, secret=SECRET)
    content = exported(site.engine)
    assert "'=HYPERLINK(1)" in content
    assert ",=HYPERLINK" not in content
    assert "gone@example.org" not in content
    assert content.startswith("\ufeffemail,")
    lines = content.splitlines()
    assert len(lines) == 1 + 6 + 1
    assert "erased" in lines[-1], "of who was erased there is the hash"


def test_one_person_gets_everything_we_know(site: Site) -> None:
    person = site.add(interests="mobility;safety", paused_until=site.now + timedelta(days=1))
    with site.write() as session:
        preferences.unsubscribe(session, person, method=ConsentMethod.ONE_CLICK, now=site.now, secret=SECRET)
        shown: dict[str, Any] = show_person(session, store.lock(session, person))
    assert shown["interests"] == ["mobility", "safety"]
    assert (shown["address"], shown["state"]) == (ADDRESS, "unsubscribed")
    assert shown["suppression"] == {"reason": "unsubscribed", "since": "2021-09-30T00:00:00+00:00"}
    assert [event["kind"] for event in shown["consent"]] == ["unsubscribed"]


def test_doubtful_addresses_are_named_and_kept_as_given(site: Site) -> None:
    file = "email\nkim@gmial.com\nlee@mail.com\npostmaster@example.org\nnot an address\n"
    for dry_run in (True, False, False):
        report = bring(site, file, dry_run=dry_run)
        assert [(one.line, one.doubt.kind, one.doubt.message) for one in report.doubtful] == [
            (2, "mistyped", "gmial.com looks like a typo of gmail.com"),
            (4, "role", "postmaster@ is a role mailbox or belongs to a program"),
        ]
        assert (report.doubts, report.problem_count) == ({"mistyped": 1, "role": 1}, 1)
    assert site.person("kim@gmial.com").address == "kim@gmial.com"
