"""Front matter: what an article may say, and what is said to the writer where it is wrong."""

from datetime import date
from typing import Any

import pytest

from digest.articles.draft import Draft, RawEntry
from digest.articles.embeds import ArticleImage
from digest.articles.intake import KEYS, KnownSlugs, parse_entry, parse_markdown
from digest.articles.problems import Note, Problem

KNOWN = KnownSlugs(sections=("special", "policy-trend"), topics=("mobility", "safety"), language="en")


def parse(front: str, body: str = "") -> tuple[Draft | None, tuple[Problem, ...]]:
    return parse_markdown(f"---\n{front}\n---\n{body}".encode(), "a.md", KNOWN)


def draft(front: str, body: str = "") -> Draft:
    found, problems = parse(front, body)
    assert problems == ()
    assert found is not None
    return found


def problem(front: str, body: str = "") -> Problem:
    found, problems = parse(front, body)
    assert found is None
    (one,) = problems
    assert one.path == "a.md"
    assert one.hint
    return one


def test_a_title_is_enough() -> None:
    assert draft("title: Hello, World!") == Draft("a.md", 1, slug="hello-world", title="Hello, World!", language="en")


def test_every_key_arrives() -> None:
    front = """\
title: Trucks in a row
slug: trucks
summary: >-
  Two
  lines
section: special
topics: [mobility, safety, mobility]
kind: videos
date: 2021-05-30/2021-05-31
sources: [MOLIT, "Smart City Association"]
link: https://example.org/trucks?a=1&b=2
image: {src: images/a.jpg, alt: A truck, caption: On the road, credit: MOLIT}
images:
  - {src: images/b.png, alt: ""}
videos:
  - {title: Film, summary: Short, url: "https://example.org/v", poster: images/v.jpg, alt: Play the film}
citation: {authors: [Kim, Lee], journal: J, volume: 24, number: 2, date: 2021-08, pages: 113–128, contact: 02-1}
pin: true
weight: -3
display: summary
lang: KO-kr
translation_of: original
apply_by: 2021-10-15
archive: true"""
    assert {line.split(":")[0] for line in front.splitlines() if line[0] != " "} == set(KEYS) - {"video", "body"}
    found = draft(front, "\n\nBody\n\n")
    assert (found.summary, found.body, found.section, found.topics) == (
        "Two lines",
        "Body",
        "special",
        ("mobility", "safety"),
    )
    assert (found.starts_on, found.ends_on, found.date_text) == (
        date(2021, 5, 30),
        date(2021, 5, 31),
        "2021-05-30/2021-05-31",
    )
    assert found.sources == ("MOLIT", "Smart City Association")
    assert found.link == "https://example.org/trucks?a=1&b=2"
    assert [image.src for image in found.images] == ["images/a.jpg", "images/b.png"]
    assert found.images[0] == ArticleImage("images/a.jpg", "A truck", "On the road", "MOLIT")
    assert found.videos[0].poster == "images/v.jpg"
    assert found.citation is not None
    assert (found.citation.authors, found.citation.volume) == (("Kim", "Lee"), "24")
    assert (found.pin, found.weight, found.display) == (True, -3, "summary")
    assert (found.language, found.translation_of, found.apply_by) == ("ko-KR", "original", date(2021, 10, 15))


@pytest.mark.parametrize(
    ("written", "starts_on", "ends_on"),
    [
        ("2021-09-17", date(2021, 9, 17), None),
        ("'2021-09-17'", date(2021, 9, 17), None),
        ("2021-09", date(2021, 9, 1), date(2021, 9, 30)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2021-05-30/2021-05-31", date(2021, 5, 30), date(2021, 5, 31)),
        ("2021-05-30 / 2021-06", date(2021, 5, 30), date(2021, 6, 30)),
    ],
)
def test_dates(written: str, starts_on: date, ends_on: date | None) -> None:
    found = draft(f"title: x\ndate: {written}")
    assert (found.starts_on, found.ends_on, found.date_text) == (starts_on, ends_on, written.strip("'"))


@pytest.mark.parametrize(
    "written",
    [
        "2021-02-30",
        "2021-13",
        "2021",
        "17.9.2021",
        "2021-05-31/2021-05-30",
        "2021-05-30/",
        "soon",
        "２０２１-09",
        "0000-01",
        "a/b/c",
    ],
)
def test_what_is_no_date_is_named(written: str) -> None:
    one = problem(f"title: x\ndate: {written}")
    assert (one.line, one.message) == (3, f"{written} is not a date.")


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Five cities: certified!", "five-cities-certified"),
        ("[화물차 군집주행] 스스로 달리는 화물차", "화물차-군집주행-스스로-달리는-화물차"),
        ("Été à Séoul", "été-à-séoul"),
        ("K-UAM 1.0", "k-uam-1-0"),
        ("no", "no"),
        ("2021", "2021"),
        ("word " * 40, "-".join(["word"] * 16)),
        ("가" * 200, "가" * 80),
    ],
)
def test_the_slug_comes_from_the_title(title: str, slug: str) -> None:
    assert draft(f"title: '{title}'").slug == slug


@pytest.mark.parametrize("word", ["no", "yes", "1:30", "2021-09-17", "0x1F", "1e3", "on", ".inf", "=", "<<"])
def test_plain_words_stay_text_whatever_yaml_takes_them_for(word: str) -> None:
    assert draft(f"title: {word} x\nsummary: {word}").summary == word


@pytest.mark.parametrize(
    ("front", "line", "words", "hint"),
    [
        ("slug: x", 1, "The article has no title", "title:"),
        ("title:", 2, "The article has no title", "title:"),
        ("title: '***'", 2, "The article has no title", "title:"),
        ("title: x\ntopcs: [a]", 3, "Unknown key topcs.", "Did you mean topics?"),
        ("title: x\nzzz: 1", 3, "Unknown key zzz.", "Valid values: apply_by"),
        ("title: x\nimage: {src: a, alt: b, cpation: c}", 3, "Unknown key image.cpation", "caption"),
        ("title: x\ntopics: [mobility, saftey]", 3, "Unknown topic saftey.", "Did you mean safety?"),
        ("title: x\ntopics: mobility, safety", 3, "Unknown topic mobility, safety.", ""),
        ("title: x\nsection: specal", 3, "Unknown section specal", "Did you mean special?"),
        ("title: x\nkind: vidio", 3, "Unknown kind vidio", "video"),
        ("title: x\ndisplay: short", 3, "Unknown display short", "full"),
        ("title: x\nslug: A B", 3, "A B is not a valid slug", "Write slug: a-b."),
        ("title: x\nslug: Abc", 3, "Abc is not a valid slug", "abc"),
        ("title: x\nslug: a--b", 3, "is not a valid slug", "a-b"),
        ("title: x\nslug: ../x", 3, "is not a valid slug", "x"),
        (f"title: x\nslug: {'a' * 121}", 3, "is not a valid slug", "Write slug"),
        ("title: [a]", 2, "title must be text", "title"),
        ("title: x\nsummary: {a: b}", 3, "summary must be text", "summary"),
        ("title: x\ntopics: {a: b}", 3, "topics.0 must be text", ""),
        ("title: x\nimage: a.png", 3, "image must be a group of keys", "image: {"),
        ("title: x\nimages: {src: a, alt: b}", 3, "images must be a list", "- "),
        ("title: x\nimage: {alt: b}", 3, "no src", "src"),
        ("title: x\nimage: {src: a.png}", 3, "The image a.png has no alt.", 'alt: ""'),
        ("title: x\nimage: {src: a.png, alt: }", 3, "has no alt", "decoration"),
        ("title: x\nvideo: {poster: a, alt: b}", 3, "no url", "url"),
        ("title: x\nvideo: {url: 'https://example.org/', title: y, poster: a}", 3, "The poster a has no alt", "alt"),
        ("title: x\nvideo: {url: 'https://example.org/'}", 3, "neither title nor alt", ""),
        ("title: x\nvideo: {url: 'javascript:alert(1)', title: y}", 3, "uses javascript:", "https://"),
        ("title: x\nlink: //evil.example/", 3, "is relative", "https://"),
        ("title: x\nlink: 'https://example.org/\"><mj-raw>'", 3, "percent-encoded", ""),
        ("title: x\ncitation: yes", 3, "citation must be a group", ""),
        ("title: x\npin: perhaps", 3, "pin must be true or false", "pin: true"),
        ("title: x\nweight: heavy", 3, "weight must be a whole number", "10"),
        ("title: x\nweight: 99999999999999999999", 3, "between -10000 and 10000", ""),
        ("title: x\nlang: Korean", 3, "Korean is not a language code", "ko"),
        ("title: x\napply_by: 2021-10", 3, "2021-10 is not a day", "2021-10-15"),
        (f"title: {'x' * 301}", 2, "301 characters; the limit is 300", "Shorten"),
        (f"title: x\nsummary: {'x' * 2001}", 3, "2,001 characters", "Shorten"),
        (f"title: x\nsources: [{', '.join(f's{n}' for n in range(51))}]", 3, "51 items", "Shorten"),
        ("title: x\nkind: gallery", 3, "needs images", ""),
        ("title: x\nkind: video", 3, "needs a video", ""),
        ("title: x\nkind: citation", 3, "needs a citation", ""),
        ("title: x\ndisplay: summary", 3, "needs a summary", ""),
    ],
)
def test_a_mistake_is_named_with_its_line_and_a_hint(front: str, line: int, words: str, hint: str) -> None:
    one = problem(front)
    assert one.line == line
    assert words in one.message
    assert hint in one.hint


def test_kind_video_shows_one_video() -> None:
    videos = "videos: [{url: 'https://example.org/1', title: a}, {url: 'https://example.org/2', title: b}]"
    assert "must have exactly one video" in problem(f"title: x\nkind: video\n{videos}").message
    assert len(draft(f"title: x\nkind: videos\n{videos}").videos) == 2


def test_all_mistakes_of_a_file_are_named_at_once_in_line_order() -> None:
    found, problems = parse("titel: x\ntopics: [nope]\nlang: Klingon", "![](b.png)")
    assert found is None
    assert [one.line for one in problems] == [1, 2, 3, 4, 6]
    assert str(problems[1]) == "a.md:2: Unknown key titel."


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("\n\nok\n\n![](b.png)", 8, "b.png has no alternative text"),
        ("one\n[x](page.html)", 5, "is relative"),
        ("a\n\n[^2]: lost", 6, "[^2] is defined but not used"),
        ("- " * 10_000 + "x", 4, "nested more than 40"),
        ("x" * 100_001, 4, "100,001 characters"),
    ],
)
def test_mistakes_in_the_body_carry_the_line_of_the_file(body: str, line: int, words: str) -> None:
    one = problem("title: x", body)
    assert one.line == line
    assert words in one.message


@pytest.mark.parametrize(
    "text",
    ['"><mj-raw>', "{{7*7}}", "@@R_0011223344556677_NAME@@", "<b>&amp;</b>", "</mj-text>", "'; DROP TABLE article; --"],
)
def test_markup_and_templates_are_plain_text_everywhere(text: str) -> None:
    entry = RawEntry("a.json", {"title": f"{text} x", "summary": text, "body": text, "sources": [text]})
    found, notes = parse_entry(entry, KNOWN)
    assert all(isinstance(note, Note) for note in notes)
    assert found is not None
    assert (found.title, found.summary, found.body, found.sources) == (f"{text} x", text, text, (text,))


def test_typographic_spaces_stay_and_blanks_collapse() -> None:
    assert draft('title: "100\u00a0%\u3000of \t cities  "').title == "100\u00a0%\u3000of cities"


@pytest.mark.parametrize("value", [True, 3.5, ["a"], {"a": "b"}, "\ud800", "a\x00b", "x" * 5000])
def test_json_values_of_any_type_make_problems_not_crashes(value: Any) -> None:
    for key in (*KEYS, "unknown\ud800"):
        draft, problems = parse_entry(RawEntry("a.json", {"title": "x", key: value}), KNOWN)
        assert (draft is None) == any(not isinstance(one, Note) for one in problems), key
        for one in problems:
            str(one).encode()
