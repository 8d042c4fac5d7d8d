"""What the checks find on a stored page: a count for each subject, and what passed."""

import pytest

from digest.render.checks.page import SUBJECTS, access_report

WELL = '<html lang="en"><body><h1>News</h1><h2>Roads</h2><p>{}</p></body></html>'


@pytest.mark.parametrize(
    ("inside", "pictures", "faults"),
    [
        ('<img src="a.jpg" alt="A tram"> <a href="https://example.org/">Timetable</a>', 1, {}),
        ('<img src="a.jpg"><img src="b.jpg" alt="">', 2, {"pictures": 1}),
        ('<a href="https://example.org/"><img src="b.jpg" alt=" "></a>', 1, {"pictures": 1, "links": 1}),
        ('<a href="https://example.org/1">here</a> <a href="https://example.org/2">more</a>', 0, {"links": 2}),
        ("</p><h4>Too deep</h4><h4></h4><p>", 0, {"headings": 2}),
        ("</p><table><tr><td>1</td></tr></table><p>", 0, {"tables": 1}),
        ('<span style="color: #777777; background-color: #888888">faint</span>', 0, {"contrast": 2}),
    ],
)
def test_faults_are_counted_by_subject(inside: str, pictures: int, faults: dict[str, int]) -> None:
    report = access_report(WELL.format(inside))
    assert (report.pictures, report.faults) == (pictures, faults)
    assert report.passed == tuple(subject for subject in SUBJECTS if subject not in faults)


def test_a_page_without_language_is_noticed() -> None:
    assert access_report("<html><body><h1>News</h1></body></html>").faults == {"language": 1}
