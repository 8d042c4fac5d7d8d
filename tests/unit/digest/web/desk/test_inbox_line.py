"""The line that a list of mails shows of an edition."""

from digest.web.desk.inbox_line import inbox_lines


def test_subject_and_preheader_share_the_line() -> None:
    narrow, middle, wide = inbox_lines("Subject " * 4, "p" * 200)
    assert (narrow.subject, narrow.preheader) == ("Subject " * 4, "pppp…"[:4] + "…")
    assert len(middle.subject + middle.preheader) + 3 == 70
    assert len(wide.subject + wide.preheader) + 3 == 100


def test_a_hangul_syllable_takes_two_columns() -> None:
    assert inbox_lines("가" * 30, "")[0].subject == "가" * 19 + "…"


def test_a_long_subject_leaves_no_room() -> None:
    line = inbox_lines("x" * 100_000, "p")[0]
    assert (line.subject, line.preheader) == ("x" * 39 + "…", "")
