"""Front matter of other programs, and faults of a file's head beside those of its text."""

import pytest

from digest.articles.intake import parse_markdown
from digest.articles.problems import Note
from tests.support.editor import KNOWN


def test_tags_authors_and_times_of_other_programs_are_read() -> None:
    text = "---\r\ntitle: A\r\nauthor: Kim\r\ntags: [safety]\r\ndate: 2024-03-17T10:00:00+09:00\r\napply_by: 2024-03-18 10:00\r\n---\r\nText\r\n"
    found, problems = parse_markdown(text.encode(), "a.md", KNOWN)
    assert problems == ()
    assert found is not None
    assert (found.topics, found.sources, found.date_text, str(found.apply_by)) == (
        ("safety",),
        ("Kim",),
        "2024-03-17",
        "2024-03-18",
    )


def test_a_key_of_another_program_beside_ours_is_a_problem() -> None:
    _, problems = parse_markdown(b"---\ntitle: A\ntags: [safety]\ntopics: [safety]\n---\nx", "a.md", KNOWN)
    assert [(one.line, one.message) for one in problems] == [(3, "tags and topics have the same meaning.")]


def test_a_draft_is_not_imported_and_said() -> None:
    found, (note,) = parse_markdown(b"---\ntitle: A\ntopics: [unknown]\ndraft: true\n---\nx", "a.md", KNOWN)
    assert found is None
    assert isinstance(note, Note)
    assert (note.line, note.message) == (4, "The article is a draft and was not imported.")
    assert parse_markdown(b"---\ntitle: A\ndraft: false\n---\nx", "a.md", KNOWN)[0] is not None


def test_a_broken_head_does_not_hide_faults_of_the_text() -> None:
    _, problems = parse_markdown(b"---\ntitle: 'A\n---\n\nsee [x](a b)\n", "a.md", KNOWN)
    assert [one.line for one in problems] == [3, 5]


def test_a_host_in_a_link_is_written_as_idna() -> None:
    found, _ = parse_markdown("---\ntitle: A\nlink: https://bücher.example/straße?q=ä\n---\n".encode(), "a.md", KNOWN)
    assert found is not None
    assert found.link == "https://xn--bcher-kva.example/stra%C3%9Fe?q=%C3%A4"


def test_markup_outside_of_the_text_is_noted() -> None:
    text = b"---\ntitle: A **b**\nsummary: c <b>d</b> &nbsp;\nimages:\n  - {src: a.png, alt: '[x](y)', caption: '{{ z }}'}\n---\n"
    found, notes = parse_markdown(text, "a.md", KNOWN)
    assert found is not None
    assert [(note.line, note.message.split(" in ")[0].removeprefix("Readers see ")) for note in notes] == [
        (2, "**b**"),
        (3, "<b>"),
        (3, "</b>"),
        (3, "&nbsp;"),
        (4, "[x](y)"),
        (4, "{{ z }}"),
    ]


@pytest.mark.parametrize(
    ("language", "summary"), [("ja", "文章を途中で a b"), ("ko", "文章を 途中で a b"), ("zh-Hant", "文章を途中で a b")]
)
def test_a_folded_summary_has_the_spaces_of_its_language(language: str, summary: str) -> None:
    text = f"---\ntitle: A\nlang: {language}\nsummary: >-\n  文章を\n  途中で\n  a\n  b\n---\n"
    found, _ = parse_markdown(text.encode(), "a.md", KNOWN)
    assert found is not None
    assert found.summary == summary
