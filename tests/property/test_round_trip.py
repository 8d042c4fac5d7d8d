"""An export is an import: into an empty workspace, everything comes back and is exported again as the same bytes."""

import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from digest.runtime.db import make_engine, session_scope
from subscribers.errors import NameUnusableError
from subscribers.models import ConsentEvent, Subscriber, Suppression
from subscribers.names import parse_name
from subscribers.suppression import SuppressionReason, key_of
from subscribers.transfer.exporter import export_csv, export_json_lines
from subscribers.transfer.importer import Importer, SubscriberImportReport
from subscribers.transfer.lines import MAX_LINE
from subscribers.transfer.rows import RowRules
from tests.support.site import CATALOGUE, SECRET, SEOUL

INSTANT = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20)
LOCAL = st.text("abcXYZ09.+-_'=", min_size=1, max_size=12).filter(
    lambda t: t[0] != "." and t[-1] != "." and ".." not in t
)
EVENT = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["requested", "imported", "confirmed", "changed", "paused", "unsubscribed", "asked"]),
        "method": st.sampled_from(["page", "one-click", "import", "command", "retention"]),
        "wording": st.sampled_from(["", "signup-1"]),
        "detail": st.dictionaries(st.sampled_from(["source", "request", "until"]), TEXT, max_size=2),
        "happened_at": INSTANT,
    }
)


def _usable(text: str) -> bool:
    try:
        return parse_name(text) == text
    except NameUnusableError:
        return False


NAME = (TEXT | st.sampled_from(["=1+1", "'=x", "''-1", "@sum", '"', "a;b", 'a,b"c', "김민준", ""])).filter(_usable)
PERSON = st.fixed_dictionaries(
    {
        "name": NAME,
        "interests": st.sampled_from(["*", "", "mobility", "mobility;safety"]),
        "language": st.sampled_from(["en", "ko", "pt-BR"]),
        "format": st.sampled_from(["html", "text"]),
        "frequency": st.sampled_from(["every", "second", "third"]),
        "state": st.sampled_from(["pending", "confirmed", "unsubscribed"]),
        "confirmed_at": st.none() | INSTANT,
        "paused_until": st.none() | INSTANT,
        "created_at": INSTANT,
        "events": st.lists(EVENT, max_size=3),
        "suppressed": st.none() | st.sampled_from(list(SuppressionReason)),
    }
).map(
    lambda person: (
        person
        | ({"confirmed_at": person["confirmed_at"] or person["created_at"]} if person["state"] == "confirmed" else {})
    )
)


@contextmanager
def empty(template: Path) -> Iterator[Engine]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.db"
        shutil.copyfile(template, path)
        engine = make_engine(f"sqlite:///{path}")
        yield engine
        engine.dispose()


def stock(engine: Engine, people: dict[str, Any], lone: dict[str, SuppressionReason], now: datetime) -> None:
    with session_scope(engine) as session:
        for number, (local, fields) in enumerate(people.items()):
            values = {name: value for name, value in fields.items() if name not in {"events", "suppressed"}}
            key = f"{local.lower()}@example.org"
            hashed = key_of(key, SECRET)
            left = now if values["state"] == "unsubscribed" else None
            person = Subscriber(
                ref=f"{number:032x}", address=f"{local}@example.org", address_key=key, suppression_key=hashed,
                unsubscribed_at=left, **values,
            )  # fmt: skip
            session.add(person)
            session.flush()
            for event in fields["events"]:
                session.add(ConsentEvent(subscriber_id=person.id, **event))
                session.flush()
            if fields["suppressed"]:
                reason = fields["suppressed"]
                session.add(Suppression(key=hashed, reason=reason, source="page", created_at=now))
        for name, reason in lone.items():
            session.add(Suppression(key=key_of(name, SECRET), reason=reason, source="", created_at=now))


def exported(engine: Engine, form: str) -> str:
    write = export_csv if form == "csv" else export_json_lines
    with session_scope(engine, read_only=True) as session:
        return "".join(write(session, SECRET))


def bring(engine: Engine, content: str, now: datetime) -> SubscriberImportReport:
    importer = Importer(lambda: session_scope(engine), RowRules(CATALOGUE, "en", SEOUL), SECRET, lambda: "f" * 32)
    return importer.run(io.BytesIO(content.encode()), now)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=st.dictionaries(LOCAL, PERSON, max_size=4).filter(lambda d: len({k.lower() for k in d}) == len(d)),
    lone=st.dictionaries(
        st.sampled_from(["x@example.net", "y@example.net"]), st.sampled_from(list(SuppressionReason)), max_size=2
    ),
)
def test_an_export_comes_back_as_it_was(
    sqlite_template: Path, now: datetime, form: str, people: dict[str, Any], lone: dict[str, SuppressionReason]
) -> None:
    with empty(sqlite_template) as one, empty(sqlite_template) as other:
        stock(one, people, lone, now)
        content = exported(one, form)
        assume(content)  # of nobody there is no line of JSON, and an empty file is refused
        report = bring(other, content, now + timedelta(days=9))
        assert (report.problems, report.kept, report.created) == ([], [], len(people))
        assert exported(other, form) == content
        again = bring(other, content, now + timedelta(days=10))
        assert again.created == again.hashes == 0
        assert exported(other, form) == content


def test_hashes_of_another_suppression_key_are_refused_alone(sqlite_template: Path, now: datetime) -> None:
    with empty(sqlite_template) as one, empty(sqlite_template) as other:
        stock(one, {}, {"x@example.net": SuppressionReason.ERASED}, now)
        content = exported(one, "csv")
        rules = RowRules(CATALOGUE, "en", SEOUL)
        stranger = Importer(lambda: session_scope(other), rules, b"another key of enough bytes", lambda: "f" * 32)
        report = stranger.run(io.BytesIO(content.encode()), now)
        assert (report.hashes, report.problem_count) == (0, 1)
        assert "another suppression key" in report.problems[0].message


def test_a_line_of_an_export_is_never_too_long_to_be_read(sqlite_template: Path, now: datetime) -> None:
    with empty(sqlite_template) as one:
        event = {"kind": "changed", "method": "page", "wording": "", "happened_at": now}
        many = [{**event, "detail": {"interests": ["x" * 60, "y" * 60]}} for _ in range(1_500)]
        person = {
            "name": "n", "interests": "*", "language": "en", "format": "html", "frequency": "every",
            "state": "confirmed", "confirmed_at": None, "paused_until": None, "created_at": now, "events": many,
            "suppressed": None,
        }  # fmt: skip
        stock(one, {"a": person}, {}, now)
        assert max(map(len, exported(one, "csv").splitlines())) < MAX_LINE
