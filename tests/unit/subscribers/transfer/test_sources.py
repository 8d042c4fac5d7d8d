"""Files of other programs, as those write them: recognised, nothing lost without a word, and nobody mailed who said no."""

import io
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from subscribers import store
from subscribers.errors import ImportFileError
from subscribers.transfer.importer import Importer, SubscriberImportReport
from subscribers.transfer.lines import MAX_LINE
from subscribers.transfer.mapping import parse_mapping, read_mapping
from subscribers.transfer.reading import ImportOptions, read_file
from subscribers.transfer.rows import ReaderRow, RowProblem, RowRules
from tests.support.site import CATALOGUE, SECRET, SEOUL, Site

TITLES = {"mobility": "mobility", "safety": "safety", "모빌리티": "mobility"}
FOLDER = Path(__file__).resolve().parents[3] / "cases" / "moving"


def bring(site: Site, name: str, **asked: Any) -> SubscriberImportReport:
    importer = Importer(site.write, RowRules(CATALOGUE, "en", SEOUL), SECRET, site.new_ref)
    add = asked.pop("add_interests", False)
    with (FOLDER / name).open("rb") as stream:
        return importer.run(
            stream, site.now, asked=ImportOptions(file_name=name, titles=TITLES, **asked), add_interests=add
        )


def read(content: bytes, **asked: Any) -> Any:
    return read_file(io.BytesIO(content), RowRules(CATALOGUE, "en", SEOUL), ImportOptions(titles=TITLES, **asked))


def detail(site: Site, address: str) -> dict[str, Any]:
    person = site.person(address)
    with site.write() as session:
        return dict(store.events(session, person)[-1].detail)


def test_listmonk(site: Site) -> None:
    report = bring(site, "listmonk.csv", mapping=parse_mapping("interests=attributes.topics"))
    assert (report.source, report.created, report.problem_count) == ("listmonk", 3, 1)
    ada = site.person("ada.lovelace@example.net")
    assert (ada.address, ada.name, ada.state, ada.interests) == (
        "Ada.Lovelace@example.net",
        "Ada Lovelace",
        "pending",
        "mobility;safety",
    )
    assert detail(site, "ada.lovelace@example.net")["opted_in_at"] == "2021-03-04T10:11:12.345678+00:00"
    assert site.suppressed("blocked@example.net") == "unsubscribed"
    assert site.suppressed("disabled@example.net") == "manual"
    assert report.left.columns == {"uuid": 4, "updated_at": 4, "attributes.city": 1}
    (problem,) = report.problems
    assert (problem.line, problem.column) == (5, "email")


def test_one_file_for_each_list_adds_up(site: Site) -> None:
    bring(site, "listmonk.csv", interests="mobility")
    assert site.person("ada.lovelace@example.net").interests == "mobility"
    bring(site, "listmonk.csv", interests="safety", add_interests=True)
    assert site.person("ada.lovelace@example.net").interests == "mobility;safety"


def test_mailchimp_with_all_its_files(site: Site) -> None:
    rest = "email_audience_export_1a2b3c4d5e.csv"
    names = parse_mapping("interests=TAGS+Groups")
    subscribed = bring(site, f"subscribed_{rest}", mapping=names)
    assert (subscribed.source, dict(subscribed.states)) == ("Mailchimp", {"confirmed": 1, "pending": 1})
    ada = site.person("ada@example.net")
    assert (ada.name, ada.interests, ada.confirmed_at) == (
        "Ada Lovelace",
        "mobility;safety",
        datetime(2018, 3, 15, 17, 55, tzinfo=UTC),
    )
    assert detail(site, "ada@example.net")["opted_in_at"] == "2018-03-15T17:51:42+00:00"
    assert "no opt-in" in detail(site, "added@example.net")["source"], "added by the publisher is no consent"
    assert subscribed.left.interests == {"VIP": 1, "Road safety": 1}
    for column in ("OPTIN_IP", "CONFIRM_IP", "Address", "Phone Number", "MEMBER_RATING"):
        assert subscribed.left.columns[column] >= 1
    assert "203.0.113" not in str(site.dump()), "no address of a machine is kept"

    assert dict(bring(site, f"unsubscribed_{rest}").never_send) == {"unsubscribed": 1}
    left = site.person("left@example.net")
    assert (left.state, left.unsubscribed_at) == ("unsubscribed", datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC))
    assert detail(site, "left@example.net")["source"] == "Mailchimp: NORMAL"

    assert dict(bring(site, f"cleaned_{rest}").never_send) == {"hard_bounce": 1}
    assert site.suppressed("bounced@example.net") == "hard_bounce"

    nobody = bring(site, f"nonsubscribed_{rest}")
    assert (nobody.created, nobody.skipped) == (0, 1)
    assert "buyer" not in str(site.dump())


def test_mailman_2(site: Site) -> None:
    report = bring(site, "mailman2.xml")
    assert (report.source, dict(report.states)) == ("Mailman 2 (export.py)", {"pending": 3, "unsubscribed": 1})
    ada = site.person("ada@example.net")
    assert (ada.address, ada.name, ada.language, ada.interests) == ("Ada@example.net", "Ada Lovelace", "ko", "mobility")
    assert site.person("plain@example.net").format == "text"
    assert site.suppressed("holiday@example.net") == "unsubscribed", "their own wish: only they may undo it"
    assert site.suppressed("bounced@example.net") == "hard_bounce"
    assert report.left.interests == {"Chess": 1}
    assert report.left.columns["hide"] == 1
    assert "password" not in report.left.columns


def test_members_one_a_line(site: Site) -> None:
    report = bring(site, "mailman_members.txt", confirmed_by="Mailman list news, confirmed by mail since 2012")
    assert (report.source, dict(report.states), report.problem_count) == ("Mailman", {"confirmed": 4}, 0)
    assert site.person("charles@example.net").name == "Babbage, Charles"
    assert site.person("kim@example.net").name == "김민준", "formataddr writes other scripts encoded (RFC 2047)"
    assert detail(site, "plain@example.net")["source"].startswith("Mailman list news")


def test_a_roster_of_mailman_3(site: Site) -> None:
    mapping = read_mapping(b'[interests]\n"safety.example.org" = "safety"')
    report = bring(site, "mailman3_roster.jsonl", mapping=None)
    assert report.left.interests == {"safety.example.org": 4}
    report = bring(site, "mailman3_roster.jsonl", mapping=mapping)
    assert (report.source, report.skipped) == ("Mailman 3 (roster)", 1)
    assert site.person("ada@example.net").interests == "safety"
    assert site.suppressed("bounced@example.net") == "hard_bounce"
    assert site.suppressed("holiday@example.net") == "unsubscribed"


def test_any_other_file_with_a_mapping(site: Site) -> None:
    report = bring(site, "crm.csv", mapping=read_mapping((FOLDER / "crm.toml").read_bytes()))
    assert (report.problem_count, dict(report.states)) == (0, {"confirmed": 1, "unsubscribed": 1})
    ada = site.person("ada@example.net")
    assert (ada.name, ada.interests) == ("Ada Lovelace", "mobility;safety")
    assert report.left.columns == {"Company": 1}


def test_json_lines_with_names_of_ours_or_a_mapping(site: Site) -> None:
    lines = b'{"email": "a@example.net", "interests": ["safety"], "status": "confirmed"}\n\n{"email": "b@example.net"}'
    first, second = read(lines).rows
    assert (first.interests, first.status, second.interests, second.line) == ("safety", "pending", None, 3)
    (row,) = read(b'{"who": {"mail": "a@example.net"}, "n": 1}', mapping=parse_mapping("email=who.mail")).rows
    assert row.email.key == "a@example.net"


def test_what_a_person_says_does_not_overrule_a_no() -> None:
    content = b"email,status\na@example.net,unsubscribed\nb@example.net,\nc@example.net,pending\n"
    rows = list(read(content, confirmed_by="paper", interests="safety").rows)
    assert [(row.status, row.interests) for row in rows] == [
        ("unsubscribed", "safety"),
        ("confirmed", "safety"),
        ("pending", "safety"),
    ]
    assert [row.status for row in read(content, status="bounced").rows] == ["unsubscribed", "bounced", "bounced"]


MAILCHIMP = b"Email Address,First Name,LEID\n"


@pytest.mark.parametrize(
    ("lines", "good", "message"),
    [
        (b'a@example.net,"never closed\nb@example.net,B,2\n', ["b@example.net"], "not closed"),
        (b'a@example.net,"' + b"x" * 300 + b"\n" * 150 + b"b@example.net,B,2\n", ["b@example.net"], "not closed"),
        (b'a@example.net,"two\nlines",1\nb@example.net,B,2\n', ["a@example.net", "b@example.net"], ""),
        (b'a@example.net,"two\r\nlines",1\r\n', ["a@example.net"], ""),
        (b"a@example.net," + b"x" * (10 << 20) + b",1\nb@example.net,B,2\n", ["b@example.net"], "longer than"),
        (b"a@example.net" + b"," * 1000 + b"\nb@example.net,B,2\n", ["b@example.net"], "1001 cells"),
        (b"a@example.net,A\0A,1\nb@example.net,B,2\n", ["b@example.net"], "NUL"),
        (b"a@example.net,\xb1\xe8,1\nb@example.net,B,2\n", ["b@example.net"], "not UTF-8"),
        (b"a" * 320 + b"@example.net,A,1\nb@example.net,B,2\n", ["b@example.net"], "longer than 254"),
        ("аda@example.net,A,1\nb@example.net,B,2\n".encode(), ["b@example.net"], "ASCII"),
        (b'a@example.net,"A\rBcc: x@y",1\n', ["a@example.net"], ""),
        (b"", [], ""),
    ],
)  # fmt: skip
def test_hostile_lines_of_other_programs_cost_themselves_only(lines: bytes, good: list[str], message: str) -> None:
    rows = list(read(MAILCHIMP + lines).rows)
    assert [row.email.key for row in rows if isinstance(row, ReaderRow)] == good
    problems = [row for row in rows if isinstance(row, RowProblem)]
    assert bool(problems) is bool(message)
    assert message in " ".join(map(str, problems))
    assert all(
        "\n" not in (row.name or "") and "\r" not in (row.name or "") for row in rows if isinstance(row, ReaderRow)
    )


@pytest.mark.parametrize(
    "content",
    [
        b"{broken",
        b"[1, 2]",
        b'{"a": 1}\n' + b'{"email": ' * 50_000,
        b'{"email": "a@example.net\\u0000"}',
        b'{"email": {"a": ["b"]}}',
        b'{"": 1}',
        b'{"email": "a@example.net", "consent": [{"kind": "confirmed"}]}',
        b'{"email": "a@example.net", "consent": {"kind": 1}}',
    ],
)
def test_broken_json_is_told_and_never_raises(content: bytes) -> None:
    try:
        rows = list(read(content).rows)
    except ImportFileError:
        return
    assert all(isinstance(row, RowProblem) for row in rows)


@pytest.mark.parametrize(
    "content",
    [
        b"<?xml version='1.0'?><mailman><list><roster><member id='a@example.net'><realname>A",
        (
            b"<?xml version='1.0'?><!DOCTYPE m [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>"
            b"<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;'>]>"
            b"<mailman><member id='a@example.net'><realname>&d;&d;&d;&d;</realname></member></mailman>"
        ),
        (
            b"<?xml version='1.0'?><!DOCTYPE m [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
            b"<mailman><member id='a@example.net'><realname>&x;</realname></member></mailman>"
        ),
    ],
)
def test_broken_and_hostile_xml_is_told_and_reads_no_other_file(content: bytes) -> None:
    rows = list(read(content).rows)
    for row in rows:
        assert isinstance(row, RowProblem) or row.name == ""


@pytest.mark.parametrize(
    ("mapping", "told"), [("email", "not valid"), ("phone=Phone", "Unknown field 'phone'"), ("email=", "not valid")]
)
def test_a_mapping_that_cannot_be_meant_is_refused(mapping: str, told: str) -> None:
    with pytest.raises(ImportFileError, match=told):
        parse_mapping(mapping)


def test_a_mapping_without_address_or_with_a_double_is_refused() -> None:
    with pytest.raises(ImportFileError, match="name the address"):
        read(b"a,b\n1,2\n", mapping=parse_mapping("name=a"))
    with pytest.raises(ImportFileError, match="twice"):
        read(b"mail,x,x\n", mapping=parse_mapping("email=mail"))


def test_memory_does_not_grow_with_a_file_of_open_quotes() -> None:
    content = MAILCHIMP + (b'a@example.net,"' + b"x" * 1000 + b"\n") * 5_000
    tracemalloc.start()
    count = sum(1 for _ in read(content).rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count
    assert peak < 4 * MAX_LINE
