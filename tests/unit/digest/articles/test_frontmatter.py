"""Bytes of a file to keys and lines: broken, hostile, huge and empty input included."""

import tracemalloc

import pytest

from digest.articles.frontmatter import MAX_BYTES, UnreadableError, read_markdown
from digest.articles.problems import Problem


def refusal(content: bytes) -> Problem:
    with pytest.raises(UnreadableError) as refused:
        read_markdown(content, "a.md")
    assert refused.value.problem.path == "a.md"
    assert refused.value.problem.hint
    return refused.value.problem


def test_values_are_text_and_have_lines() -> None:
    entry = read_markdown(
        b"---\ntitle: 5G\nimages:\n  - src: a\n    alt: ''\n  - {src: b}\nlang:\n---\n\n\n    code\nend\n \n", "a.md"
    )
    assert entry.values == {
        "title": "5G",
        "images": [{"src": "a", "alt": ""}, {"src": "b"}],
        "lang": None,
        "body": "    code\nend",
    }
    lines = {"title": 2, "images": 3, "images.0.src": 4, "images.0.alt": 5, "images.1": 6, "lang": 7, "body": 11}
    assert {key: entry.lines[key] for key in lines} == lines


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    plain = read_markdown(b"---\ntitle: x\n---\na\nb\n", "a.md")
    assert read_markdown(b"\xef\xbb\xbf---\r\ntitle: x\r\n---\r\na\r\nb\r\n", "a.md") == plain


def test_lines_are_counted_after_blank_lines_at_the_top() -> None:
    assert read_markdown(b"\n\n---\n\n\ntitle: x\n---\n\nbody", "a.md").lines == {"": 6, "title": 6, "body": 9}


def test_a_rule_in_the_body_is_body() -> None:
    assert read_markdown(b"---\ntitle: x\n---\n---\nrest\n---\n", "a.md").values["body"] == "---\nrest\n---"


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", None, "The file is empty."),
        (b"\xef\xbb\xbf \n\n", None, "The file is empty."),
        (b"# Title\n\nText", 1, "no front matter"),
        (b"text\n---\ntitle: x\n---\n", 1, "no front matter"),
        (b"---\ntitle: x\n\nText", 1, "no closing line"),
        (b"---\ntitle: a: b\n---\n", 2, "malformed"),
        (b'---\ntitle: "x\nlang: en\n---\n', 4, "malformed"),
        (b"---\n\ttitle: x\n---\n", 2, "malformed"),
        (b"---\ntitle: {{7*7}}\n---\n", 2, "one word"),
        (b"---\n- a\n- b\n---\n", 2, "not a list of `key: value`"),
        (b"---\njust text\n---\n", 2, "not a list of `key: value`"),
        (b"---\ntitle: a\ntitle: b\n---\n", 3, "title occurs twice"),
        (b"---\ntitle: x\nbody: y\n---\nz", 3, "body is not allowed"),
        (b"---\ntitle: &a [x]\n---\n", 2, "anchor &a"),
        (b"---\ntitle: *a\n---\n", 2, "alias *a"),
        (b'---\ntitle: !!python/object/apply:os.system ["true"]\n---\n', 2, "python/object/apply:os.system is not allowed"),
        (b"---\ntitle: !!binary aGk=\n---\n", 2, "is not allowed"),
        (b"---\ntitle: x\n--- a\nb: c\n---\n", 3, "two documents"),
        (b"---\n? [a, b]\n: c\n---\n", 2, "one word"),
        (b"---\n" + b"a: " + b"[" * 20_000 + b"\n---\n", 2, "nested more than"),
        (b"---\n" + b"k: v\n" * 11_000 + b"---\n", 1, "front matter has"),
        ("---\ntitle: 제목\n---\n".encode("cp949"), 2, "not UTF-8: byte 0xc1 at offset 11"),
        ("---\ntitle: x\n---\n".encode("utf-16"), 1, "not UTF-8: byte 0xff at offset 0"),
        (b"---\ntitle: x\n---\nok\nbad \xe2\x82 x", 5, "not UTF-8: byte 0xe2 at offset 24"),
        (b"---\ntitle: x\n---\na\x00b", 4, "control character U+0000"),
        (b"---\ntitle: \x1b[31mred\n---\n", 2, "control character U+001B"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(content: bytes, line: int | None, words: str) -> None:
    problem = refusal(content)
    assert problem.line == line
    assert words in problem.message


def test_the_hint_names_the_encoding() -> None:
    assert "UTF-16" in refusal("---\ntitle: x".encode("utf-16")).hint
    assert "CP949" in refusal("---\ntitle: 제목".encode("cp949")).hint


def test_a_body_of_twenty_megabytes_is_refused_by_the_limit() -> None:
    problem = refusal(b"---\ntitle: x\n---\n" + b"word " * 4_000_000)
    assert problem.message == f"The file has 20,000,017 bytes; the limit is {MAX_BYTES:,}."


def test_a_bomb_of_aliases_is_refused_before_it_grows() -> None:
    bomb = b"---\na0: &a0 [x,x,x,x,x,x,x,x,x]\n" + b"".join(
        b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)
    )
    tracemalloc.start()
    assert "anchor" in refusal(bomb + b"---\n").message
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000
