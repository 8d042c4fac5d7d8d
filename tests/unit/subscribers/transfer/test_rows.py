"""Lines of a readers' file: every broken one is named, none of them costs another."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.errors import ImportFileError
from subscribers.transfer.lines import MAX_LINE
from subscribers.transfer.reading import read_file
from subscribers.transfer.rows import COLUMNS, ReaderRow, RowProblem, RowRules, guarded
from tests.support.site import CATALOGUE, SEOUL

RULES = RowRules(CATALOGUE, "en", SEOUL)
HEADER = ",".join(COLUMNS).encode()
GOOD = b"good@example.org,Good,*,en,html,every,confirmed,2020-03-02,page,"


def read(*lines: bytes, header: bytes = HEADER) -> list[ReaderRow | RowProblem]:
    return list(read_file(io.BytesIO(b"\n".join([header, *lines])), RULES).rows)


def one(line: bytes, header: bytes = HEADER) -> Any:
    (row,) = read(line, header=header)
    return row


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        (b"kim,Kim", "email", "@ sign"),
        (b",Kim", "email", "empty"),
        ("김@example.org,Kim".encode(), "email", "ASCII"),
        (b"kim@example.org,Kim,mobilty", "interests", "did you mean 'mobility'"),
        (b"kim@example.org,Kim,,<b>", "language", "not a language tag"),
        (b"kim@example.org,Kim,,en,pdf", "format", "not one of html, text"),
        (b"kim@example.org,Kim,,en,html,daily", "frequency", "not one of every, second, third"),
        (b"kim@example.org,Kim,,en,html,every,subscribed", "status", "not one of confirmed"),
        (b"kim@example.org,Kim,,en,html,every,,yesterday", "confirmed_at", "not a date"),
        (b"kim@example.org,Kim,,en,html,every,,0001-01-01", "confirmed_at", "not a date"),
        (b"kim@example.org,Kim,,en,html,every,,,page,2021-13-01", "paused_until", "not a date"),
        (b"kim@example.org,Kim\x00Min", "", "NUL"),
        (b'kim@example.org,"Kim\rBcc: x@example.org"', "", "carriage return"),
        (b"kim@example.org,Kim\x0bMin", "name", "control character"),
        ("kim@example.org,Kim\u202egpj".encode(), "name", "control character"),
        (b"kim@example.org," + b"K" * 201, "name", "longer than 200"),
        (b'kim@example.org,"Kim', "", "not closed"),
        (b'kim@example.org,"Kim" Min,', "", "not closed"),
        (b"kim@example.org,\xb1\xe8", "", "not UTF-8"),
        (b"kim@example.org" + b"," * 10, "", "11 cells"),
        (b"kim@example.org," + b"K" * (MAX_LINE * 3), "", "longer than"),
    ],
)  # fmt: skip
def test_a_broken_line_is_named_and_its_neighbours_are_read(line: bytes, column: str, message: str) -> None:
    before, problem, after = read(GOOD, line, GOOD)
    assert isinstance(problem, RowProblem)
    assert (problem.line, problem.column) == (3, column)
    assert message in str(problem)
    assert isinstance(before, ReaderRow)
    assert isinstance(after, ReaderRow)
    assert after.line == 4


def test_a_name_over_two_lines_is_two_problems_and_no_reader() -> None:
    rows = read(b'kim@example.org,"Kim', b'evil@example.org"', GOOD)
    assert [type(row) for row in rows] == [RowProblem, RowProblem, ReaderRow]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", "email"),
        (b"\xff\xfee\x00m\x00a\x00i\x00l\x00", "UTF-16"),
        (b"\xb8\xde\xc0\xcf", "UTF-8"),
        (b"email;nam", "Unknown column"),
        (b"email,nam", "Unknown column"),
        (b"name", "email"),
        (b"email,email", "twice"),
        (b'email,"name', "cannot be read"),
        (b"email," + b"x" * MAX_LINE, "email"),
    ],
)
def test_a_file_without_a_usable_first_line_is_refused_whole(header: bytes, message: str) -> None:
    with pytest.raises(ImportFileError, match=message):
        read(GOOD, header=header)


def test_an_unknown_column_is_answered_with_the_nearest_known() -> None:
    with pytest.raises(ImportFileError) as caught:
        read(header=b"email,frequncy")
    assert "'frequency'" in caught.value.hint


def test_a_line_is_read_into_all_its_values() -> None:
    row = one(
        b"Kim@Example.ORG,O'Brien,safety;mobility,ko,TEXT,third,confirmed,2020-03-02T10:15:00+09:00,paper,2021-10-15"
    )
    assert row.email.address == "Kim@example.org"
    assert (row.name, row.interests, row.language) == ("O'Brien", "mobility;safety", "ko")
    assert (row.format, row.frequency, row.status, row.consent_source) == ("text", "third", "confirmed", "paper")
    assert row.confirmed_at == datetime(2020, 3, 2, 1, 15, tzinfo=UTC)
    assert row.paused_until == datetime(2021, 10, 14, 15, 0, tzinfo=UTC), "a day begins in the publication's zone"


def test_blank_cells_are_defaults_and_missing_columns_nothing() -> None:
    row = one(b"kim@example.org")
    assert (row.interests, row.language, row.format, row.frequency) == ("*", "en", "html", "every")
    row = one(b"kim@example.org", header=b"email")
    assert (row.interests, row.language, row.format, row.frequency, row.has_pause) == (None, None, None, None, False)


@pytest.mark.parametrize(("date", "status"), [("", "pending"), ("2020-03-02", "confirmed")])
def test_without_a_status_only_a_dated_confirmation_counts(date: str, status: str) -> None:
    assert one(f"kim@example.org,{date}".encode(), header=b"email,confirmed_at").status == status


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_byte_order_mark_line_ends_and_blank_lines_do_not_matter(ending: bytes) -> None:
    content = ending.join(
        [b"\xef\xbb\xbfEmail, NAME", b"kim@example.org,Kim", b"", b"   ", b"lee@example.org,Lee", b""]
    )
    rows = list(read_file(io.BytesIO(content), RULES).rows)
    assert [row.line for row in rows] == [2, 5]


@given(st.binary(max_size=400))
def test_no_bytes_make_reading_fail(noise: bytes) -> None:
    rows = read(noise, b"", GOOD)
    assert isinstance(rows[-1], ReaderRow)


@given(
    st.text("=+-@'", max_size=4), st.text(st.characters(categories=["Lu", "Nd"], codec="ascii"), min_size=1, max_size=9)
)
def test_a_guarded_cell_is_no_formula_and_comes_back(start: str, rest: str) -> None:
    cell = guarded(start + rest)
    assert not cell.startswith(("=", "+", "-", "@"))
    assert one(f"kim@example.org,{cell}".encode()).name == start + rest
