"""Laws of articles: what is written is read back the same, and no bytes crash the reading."""

from hypothesis import example, given
from hypothesis import strategies as st

from digest.articles.characters import clean, one_line
from digest.articles.draft import RawEntry, content_hash, content_of
from digest.articles.exporting import as_markdown
from digest.articles.frontmatter import UnreadableError, read_markdown
from digest.articles.intake import KnownSlugs, parse_entry, parse_markdown
from digest.articles.problems import Note
from digest.articles.slugs import is_slug, slug_of

KNOWN = KnownSlugs(sections=("special",), topics=("mobility", "safety"), language="en")

CHARACTERS = st.characters(exclude_categories=["Cc", "Cs"], include_characters="\n\t")
ODD = ["no", "~", "null", "=", "<<", "- a", "# x", "a: b", "'", '"', "{{7*7}}", "2021-09-17", "---", "\ufeff", "\u2028"]
TEXT = st.text(CHARACTERS, max_size=40) | st.sampled_from(ODD)
TITLE = TEXT.map(lambda text: f"{text} x")
PICTURE = {"src": TEXT.map(lambda text: f"p{text}"), "alt": TEXT, "caption": TEXT, "credit": TEXT}
VIDEO = {"title": TITLE, "summary": TEXT, "url": st.just("https://example.org/v"), "poster": TEXT, "alt": TEXT}
DATES = st.dates().map(str) | st.sampled_from(["2021-09", "2021-05-30/2021-05-31", "2021-05 / 2021-06"])
VALUES = st.fixed_dictionaries(
    {"title": TITLE},
    optional={
        "summary": TEXT,
        "section": st.just("special"),
        "topics": st.lists(st.sampled_from(["mobility", "safety"])),
        "date": DATES,
        "sources": st.lists(TEXT, max_size=3),
        "link": st.sampled_from(["https://example.org/?a=1&b='2'#x", "mailto:a@example.org"]),
        "images": st.lists(st.fixed_dictionaries(PICTURE), max_size=3),
        "videos": st.lists(st.fixed_dictionaries(VIDEO), max_size=3),
        "citation": st.fixed_dictionaries({}, optional={"authors": st.lists(TEXT, max_size=2), "journal": TEXT, "date": DATES}),
        "pin": st.booleans(),
        "weight": st.integers(-10_000, 10_000),
        "display": st.just("full"),
        "lang": st.sampled_from(["ko", "pt-BR", "no", "zh-Hant-TW"]),
        "translation_of": st.just("original"),
        "apply_by": st.dates().map(str),
        "body": st.text(CHARACTERS, max_size=80) | st.sampled_from(["---\nx", "    code", "\n\n  \n- a", "※", "a\u0085b"]),
    },
)  # fmt: skip


@given(VALUES)
def test_an_article_written_as_markdown_is_read_back_the_same(values: dict[str, object]) -> None:
    first, problems = parse_entry(RawEntry("a.json", values), KNOWN)
    if first is None:  # a control character, an address or a footnote that is refused anyway
        assert problems
        return
    content = content_of(first, group=first.translation_of or first.slug)
    text = as_markdown(first.slug, content)
    second, problems = parse_markdown(text.encode(), "a.md", KNOWN)
    assert second is not None
    again = content_of(second, group=second.translation_of or second.slug)
    assert again == content
    assert content_hash(again) == content_hash(content)
    assert as_markdown(second.slug, again) == text


@given(st.text(max_size=200))
@example("İ")
@example("ǰ\u0323")
def test_a_slug_made_from_a_title_is_a_slug(title: str) -> None:
    slug = slug_of(title)
    assert slug == "" or is_slug(slug)
    assert slug_of(slug) == slug


@given(st.text(st.characters(), max_size=60) | st.text(max_size=60))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    assert one_line(one_line(text)) == one_line(text)
    clean(text).encode()


FRAGMENTS = st.sampled_from([b"---\n", b"title: x\n", b"a: &b *b\n", b"!!x ", b"- ", b"[", b"{", b'"', b": ", b"\xef\xbb\xbf", b"\xff", b"\x00", b"? ", b"|\n", b"\t"])  # fmt: skip


@given(st.lists(FRAGMENTS | st.binary(max_size=5), max_size=20).map(b"".join))
def test_any_bytes_are_read_or_refused_with_a_problem(content: bytes) -> None:
    try:
        entry = read_markdown(content, "a.md")
    except UnreadableError as error:
        str(error.problem).encode()
        return
    draft, problems = parse_entry(entry, KNOWN)
    assert (draft is None) == any(not isinstance(one, Note) for one in problems)
