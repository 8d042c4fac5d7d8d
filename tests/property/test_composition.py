"""The law of composition: an edition joined from fragments is, byte for byte, what its direct rendering is.

Findings are equal, too. Issues, selections, languages, themes and templates are random.
"""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from digest.articles.models import Article, Kind
from digest.editions.segment import Selection
from digest.editions.skipped_issues import EarlierIssue, EarlierTitle
from digest.issues.models import Issue
from digest.publish import renderer as renderer_module
from digest.publish.fragment_cache import FragmentCache
from digest.publish.publisher import Publisher
from digest.publish.renderer import IssueRenderer
from digest.render import composer
from digest.render.checks import HTML_WARNING
from digest.render.content import IssueContent
from digest.render.edition import render_edition
from digest.render.loader import Templates, packaged_directory
from digest.settings.publication import Publication
from digest.settings.root import Settings

NOW = datetime(2021, 9, 30, tzinfo=UTC)
SECTIONS = ("news", "policy", "papers")
FILE = {"hash": "a" * 64, "extension": "png", "width": 1200, "height": 675}
TITLE = st.sampled_from(
    ["Plain", "<b> & \"quoted\" 'both'", "제목이 긴 기사", "عنوان", "&amp; &nbsp;", "T\u00a0x", "-- > --", "{{ x }}", "@@R_0_X@@"]
)  # fmt: skip
BODY = st.sampled_from(
    [
        "Words, [a link](https://example.org/a?b=1&c=2) and *more*.",
        "A note.[^1]\n\n[^1]: The note, [there](https://example.org/n).",
        "| a | b |\n|---|---|\n| c | d |\n\n- one\n- two\n\n> said",
        "\n\n".join(["A paragraph that is long, as they are in the middle of a month. " * 12] * 12),
        "한국어 문장입니다. " * 40,
        "",
    ]
)


@st.composite
def an_article(draw: Any, number: int) -> tuple[str, dict[str, Article]]:
    """A group of one or two translations."""
    group = f"g{number}{draw(st.sampled_from(['', '--x', '-long-name']))}"
    kind = draw(st.sampled_from([*Kind]))
    shared: dict[str, Any] = {
        "kind": kind,
        "group": group,
        "topics": [],
        "sources": draw(st.lists(st.sampled_from(["MOLIT", "A & B"]), max_size=2)),
        "link": draw(st.sampled_from([None, "https://www.example.org/page"])),
        "images": draw(st.lists(st.just({"src": "p.png", "alt": "A hall", "file": FILE}), max_size=3)),
        "videos": draw(st.lists(st.just({"url": "https://v.example/1", "title": "1. Film", "alt": "A film", "path": "p.png", "file": FILE, "shown": FILE}), max_size=3)),
        "citation": {"authors": ["Kim"], "journal": "J", "date": "2021"} if kind == Kind.CITATION else None,
        "display": draw(st.sampled_from([None, None, None, "full", "summary"])),
        "apply_by": draw(st.sampled_from([None, date(2021, 10, 9)])),
        "date_text": draw(st.sampled_from(["", "2021-09-17", "2021-09"])),
        "content_hash": "", "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    languages = draw(st.sampled_from([["en"], ["ko"], ["ar"], ["en", "ko"], ["en", "ko", "ar"]]))
    texts = {
        code: {
            "title": draw(TITLE) or "T",
            "summary": draw(st.sampled_from(["", "A summary. <i>"])),
            "body": draw(BODY),
        }
        for code in languages
    }
    return group, {
        code: Article(slug=group if code == languages[0] else f"{group}-{code}", language=code, **shared, **text)
        for code, text in texts.items()
    }


class World(NamedTuple):
    content: IssueContent
    selections: list[Selection]
    languages: tuple[str, ...]
    length: str = "full"

    def __repr__(self) -> str:
        return f"{len(self.content.articles)} articles, {self.selections}"


@st.composite
def worlds(draw: Any) -> World:
    count = draw(st.integers(1, 13))
    articles = dict(draw(an_article(number)) for number in range(count))
    sections = {group: SECTIONS[number * len(SECTIONS) // count] for number, group in enumerate(articles)}
    lacking = (EarlierIssue(20, date(2021, 8, 31), {"en": (EarlierTitle("Old & older", "g", "en"),)}),)
    issue = Issue(
        number=21, period="2021-09", date=date(2021, 9, 30), state="draft",
        subject=draw(st.sampled_from([{}, {"*": 'Own <subject> & "more"'}])),
        preheader=draw(st.sampled_from([{}, {"*": "Own 'preheader' <"}])),
        intro=draw(st.sampled_from([{}, {"*": "Welcome, *all*."}])),
        waivers=[], left_out=[], created_at=NOW,
    )  # fmt: skip
    content = IssueContent(issue, sections, articles, {"second": lacking})
    languages = draw(st.sampled_from([("en",), ("en", "ko"), ("ar", "en")]))
    chosen = st.sets(st.sampled_from([*articles]), min_size=1)
    selections = [
        selection(content, draw(chosen), draw(st.sampled_from(languages)), draw(st.sampled_from(["every", "second"])))
        for _ in range(draw(st.integers(1, 3)))
    ]
    return World(content, list(dict.fromkeys(selections)), languages, draw(st.sampled_from(["full", "brief"])))


def selection(content: IssueContent, groups: set[str], language: str, frequency: str) -> Selection:
    shown = tuple((content.titled(g, language).slug, content.sections[g]) for g in content.articles if g in groups)
    return Selection(language, shown, tuple(g for g in content.articles if g not in groups), frequency)


def publisher(world: World, templates: Templates) -> Publisher:
    texts = dict.fromkeys(world.languages, "Newsletter & more")
    publication = Publication(
        name="Newsletter & more",
        tagline="Once & again",
        sender_name="Centre",
        sender_address="news@example.org",
        list_id="news.example.org",
        postal_address="Centre, 21 Sample-daero",
        base_url="https://digest.example.org",
        language="en",
    ).model_copy(update={"name": texts, "language": world.languages[0]})  # Arabic, too, whose words are English
    sections = [{"slug": slug, "title": f"The {slug} & co"} for slug in SECTIONS]
    secrets = {"link_keys": ["k"], "suppression_key": "s", "message_key": "m"}
    made = Settings(publication=publication, section=sections, secrets=secrets, editions={"length": world.length})
    return Publisher(made.model_copy(update={"publication": publication}), None, templates)  # type: ignore[arg-type]


HEADS = """<mj-section>
{% if article.title == "Title 1" %}<mj-column width="40%"><mj-text>Beside</mj-text></mj-column>{% endif %}
{% if article.display == "summary" %}<mj-column><mj-text>Short</mj-text></mj-column>{% endif %}
{% if article.lead %}<mj-column width="120px"><mj-text>First</mj-text></mj-column>{% endif %}
<mj-column><mj-text>{{ article_card(article) }}</mj-text>
{% if article.title == "Title 2" %}<mj-accordion><mj-accordion-element><mj-accordion-title>Notes</mj-accordion-title>
<mj-accordion-text>More</mj-accordion-text></mj-accordion-element></mj-accordion>{% endif %}
</mj-column></mj-section>"""


def in_sections_of_their_own(folder: Path, article: str) -> Templates:
    """Templates that show each article in MJML of its own."""
    path = folder / "email/components/section.mjml.j2"
    path.parent.mkdir(parents=True)
    path.write_text(
        """{% from "email/components/article.mjml.j2" import article_card with context %}
{% macro digest_section(section) %}
<mj-raw>{{ cut("sections.section", section.slug) }}</mj-raw>
<mj-section><mj-column><mj-text><h2 class="sec s">{{ section.title }}</h2></mj-text></mj-column></mj-section>
{% for article in section.articles %}
<mj-raw>{{ cut("sections.article", article.slug) }}</mj-raw>
"""
        + article
        + """
{% endfor %}
<mj-raw>{{ cut("sections.end", section.slug) }}</mj-raw>
{% endmacro %}
""",
        encoding="utf-8",
    )
    return Templates(folder)


def check(world: World, templates: Templates, *, composed: bool = True) -> IssueRenderer:
    renderer = IssueRenderer(publisher(world, templates), world.content)
    renderer.prepare(world.selections)
    assert bool(renderer.whole_because) != composed, renderer.whole_because
    for selection in world.selections:
        joined = renderer.rendered(selection)
        context = renderer.views(selection.language).context(selection)
        rules = renderer.head_rules(selection.language)
        direct = render_edition(context, templates, renderer.nonce, head_rules=rules)
        assert joined.html == direct.html
        assert joined.text == direct.text
        assert joined.findings == direct.findings
        assert joined.pictures == direct.pictures
        sizes = (direct.html_bytes, direct.text_bytes, direct.longest_html)
        assert (joined.html_bytes, joined.text_bytes, joined.longest_html) == sizes
    return renderer


@pytest.fixture(scope="module")
def packaged() -> Templates:
    return Templates()


LAW = settings(
    phases=[Phase.explicit, Phase.generate],  # shrinking takes minutes
    max_examples=int(os.environ.get("DIGEST_LAW_EXAMPLES", "6")),
    deadline=timedelta(seconds=60),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@LAW
@given(st.data())
def test_joined_is_direct(packaged: Templates, data: st.DataObject) -> None:
    check(data.draw(worlds()), packaged)


NOT_LOCAL = {
    "arithmetic": ("email/components/story.mjml.j2", "article_card(article)", "article_card(article) }}{{ article.number|int + 1"),
    "last": ("email/components/section.mjml.j2", "{{ story(", "{% if loop.last %}<mj-text>The end</mj-text>{% endif %}{{ story("),
    "lead apart in one part": ("email/digest/body.txt.j2", "edition.others", "edition.sections"),
    "count": ("email/digest/body.txt.j2", "{{ section.title }}", "{{ section.title }} ({{ section.articles|length }})"),
    "unmarked": ("email/digest/body.mjml.j2", "{{ digest_section(section) }}", "{{ digest_section(section) }}<mj-section><mj-column><mj-text>{{ section.articles[0].title }}</mj-text></mj-column></mj-section>"),
    "no marks": ("email/digest/body.txt.j2", '{{ cut("sections.article", article.slug) }}\n', ""),
}  # fmt: skip
LOCAL = {
    "subject in the text": ("email/digest/body.txt.j2", "{{ publication.name }}", "{{ edition.subject }} {{ publication.name }}"),
    "the articles are not in the issue's order, or lack their marks": ("email/digest/body.mjml.j2", "{{ contents(edition) }}\n", ""),
    "more contents": ("email/components/contents.mjml.j2", "in edition.contents", "in edition.articles"),
    "numbers in the HTML": ("email/components/article.mjml.j2", "{% else %}{{ article.title }}", "{% else %}{{ article.number }}. {{ article.title }}"),
    "a slot in articles": ("email/components/article.mjml.j2", "{{ line }}", '{{ line }}<p class="p"><a class="a" href="{{ slots.view_url }}">View it in a browser</a></p>'),
}  # fmt: skip


def overridden(folder: Path, change: tuple[str, str, str]) -> Templates:
    name, old, new = change
    source = (packaged_directory() / name).read_text("utf-8")
    assert old in source
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text(source.replace(old, new), encoding="utf-8")
    return Templates(folder)


@pytest.mark.parametrize("count", [60, 120])
def test_the_longest_brief_issue_is_joined_and_fits(packaged: Templates, count: int) -> None:
    made = small_world(count, images=[{"src": "p.png", "alt": "A hall", "file": FILE}], body="Words of it. " * 99)
    world = made._replace(selections=made.selections[-1:], length="brief")
    renderer = check(world, packaged) if count == 120 else IssueRenderer(publisher(world, packaged), world.content)
    found = renderer.rendered(world.selections[0])
    assert found.longest_html < HTML_WARNING
    advice = {finding.id: finding.message for finding in found.findings}
    assert [*advice] == ["shown-as-summary", "shown-as-title"]
    assert "“Title 0”" not in advice["shown-as-summary"]  # the lead
    assert found.html.count('"entry one"') == int(advice["shown-as-title"].split(", ")[1].split()[0]) > 10


def small_world(count: int = 12, **fields: Any) -> World:
    values = {"images": [], "body": "Words."} | fields
    articles = {
        f"g{n}": {
            "en": Article(
                slug=f"g{n}", group=f"g{n}", language="en", title=f"Title {n}", kind="story",
                topics=[], sources=[], videos=[], **values, content_hash="", created_at=NOW, updated_at=NOW,
            )
        }
        for n in range(count)
    }  # fmt: skip
    issue = Issue(
        number=21,
        period="2021-09",
        date=date(2021, 9, 30),
        created_at=NOW,
        subject={},
        preheader={},
        intro={},
        waivers=[],
    )
    content = IssueContent(
        issue, {group: SECTIONS[int(group[1:]) * len(SECTIONS) // count] for group in articles}, articles
    )
    chosen = [{"g0", "g5"}, {"g1", "g2", "g6"}, set(articles)]
    return World(content, [selection(content, groups, "en", "every") for groups in chosen], ("en",))


@pytest.mark.parametrize("change", LOCAL.values(), ids=LOCAL)
def test_templates_that_change_articles_are_joined(tmp_path: Path, change: tuple[str, str, str]) -> None:
    check(small_world(), overridden(tmp_path, change))


def test_articles_with_columns_and_accordions_are_joined(tmp_path: Path) -> None:
    world, templates = small_world(), in_sections_of_their_own(tmp_path, HEADS)
    for group in ("g3", "g7"):
        world.content.articles[group]["en"].display = "summary"
    together = check(world, templates)
    first = world.selections[0]
    alone = IssueRenderer(publisher(world, templates), world.content).rendered(first)
    assert alone == together.rendered(first)  # a preview has the head of the whole issue
    assert all(rule in alone.html for rule in (".mj-column-per-40 {", ".mj-column-per-50 {", "noinput.mj-accordion"))


def test_columns_of_the_frame_are_joined(tmp_path: Path) -> None:
    columns = '<mj-section><mj-column width="30%"><mj-text>See</mj-text></mj-column><mj-column width="70%"></mj-column></mj-section>'
    change = f"{{% if edition.left_out %}}{columns}{{% endif %}}{{{{ left_out(edition) }}}}"
    check(small_world(), overridden(tmp_path, ("email/digest/body.mjml.j2", "{{ left_out(edition) }}", change)))


@pytest.mark.parametrize("change", NOT_LOCAL.values(), ids=NOT_LOCAL)
def test_what_depends_on_the_edition_is_rendered_whole(tmp_path: Path, change: tuple[str, str, str]) -> None:
    renderer = check(small_world(), overridden(tmp_path, change), composed=False)
    (found,) = renderer.findings
    assert (found.id, found.where) == ("rendered-whole", change[0])


def test_templates_that_keep_the_lead_in_its_section_are_joined(tmp_path: Path) -> None:
    for name in ("email/digest/body.mjml.j2", "email/digest/body.txt.j2"):
        source = (packaged_directory() / name).read_text("utf-8")
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        before = source.partition("{% for section in edition.leads %}")[0]
        after = source[source.index("{% if edition.contents %}" if ".txt" in name else "{{ contents(edition) }}") :]
        (tmp_path / name).write_text(before + after.replace("edition.others", "edition.sections"), encoding="utf-8")
    check(small_world(), Templates(tmp_path))


def test_a_declared_form_is_joined(tmp_path: Path) -> None:
    templates = overridden(tmp_path, NOT_LOCAL["last"])
    (tmp_path / "theme.toml").write_text('[forms]\narticle = ["display", "lead", "first", "last"]\n')
    check(small_world(), templates)


def test_only_a_changed_article_is_rendered_again(packaged: Templates, monkeypatch: pytest.MonkeyPatch) -> None:
    cache: dict[str, Any] = {}
    world = small_world()
    renderings: list[int] = []
    real = composer.render_html

    def counted(folder: str, language: str, variables: Any, *rest: Any) -> Any:
        articles = [one for one in variables["edition"].articles if one.slug in world.content.by_slug]
        renderings.append(len(articles))
        return real(folder, language, variables, *rest)

    monkeypatch.setattr(composer, "render_html", counted)

    def build() -> list[str]:
        renderings.clear()
        renderer = IssueRenderer(publisher(world, packaged), world.content, cache)
        renderer.prepare(world.selections)
        return [renderer.rendered(one).html for one in world.selections]

    first = build()
    assert sum(renderings) >= 12
    assert (build(), renderings) == (first, [])
    world.content.articles["g0"]["en"].body = "Other words."
    changed = build()
    assert sum(renderings) == 1
    assert [one != other for one, other in zip(first, changed, strict=True)] == [True, False, True]


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many articles each edition has that was rendered directly, to be compared."""
    found: list[int] = []
    real = renderer_module.parts_of

    def counted(context: Any, *rest: Any) -> Any:
        found.append(len(context.articles))
        return real(context, *rest)

    monkeypatch.setattr(renderer_module, "parts_of", counted)
    return found


def eight_selections(world: World) -> list[Selection]:
    chosen = [{f"g{n}" for n in range(count)} for count in (1, 2, 3, 5, 7, 9, 11, 12)]
    return [selection(world.content, groups, "en", "every") for groups in chosen]


def test_each_build_compares_five_editions(packaged: Templates, compared: list[int]) -> None:
    cache: dict[str, Any] = {}
    world = small_world()
    every = eight_selections(world)

    def build(*chosen: Selection) -> list[int]:
        compared.clear()
        renderer = IssueRenderer(publisher(world, packaged), world.content, cache)
        renderer.prepare(chosen)
        assert not renderer.whole_because
        return [*compared]

    first = build(*every)
    assert (first[:2], len(first)) == ([12, 1], 5)
    assert build(*every) == []  # every piece of the five was in an edition that was compared
    world.content.articles["g0"]["en"].body = "Other words."
    assert build(*every) == first
    world.content.articles["g11"]["en"].body = "Other words."
    assert build(*every) == [12]  # the others of the five do not have it, and its line in them is the same
    world.content.articles["g11"]["en"].title = "Another title"
    assert build(*every) == first
    assert build(*every[1:3]) == []


def test_a_preview_is_compared_until_a_build_was(packaged: Templates, compared: list[int]) -> None:
    cache: dict[str, Any] = {}
    world = small_world()
    every = eight_selections(world)

    def opened() -> IssueRenderer:
        compared.clear()
        return IssueRenderer(publisher(world, packaged), world.content, cache)

    for count, one in ((3, every[2]), (5, every[3])):
        opened().rendered(one)
        assert compared == [count]
    opened().prepare(every)
    world.content.articles["g0"]["en"].body = "Other words."
    opened().rendered(every[3])
    assert compared == []
    opened().rendered(every[7], archive=True)
    assert compared == [12]


def test_a_difference_stays_until_a_build_has_none(packaged: Templates, monkeypatch: pytest.MonkeyPatch) -> None:
    cache: dict[str, Any] = {}
    world = small_world()
    every = eight_selections(world)

    def opened() -> IssueRenderer:
        return IssueRenderer(publisher(world, packaged), world.content, cache)

    opened().prepare(every)
    world.content.articles["g0"]["en"].body = "Other words."
    with monkeypatch.context() as other:
        other.setattr(renderer_module, "parts_of", lambda *_: ("", ""))
        for _ in range(2):
            renderer = opened()
            renderer.prepare(every)
            assert renderer.whole_because
        renderer = opened()
        assert renderer.rendered(every[3]).html
        assert renderer.whole_because
    renderer = opened()
    renderer.prepare(every)
    assert not renderer.whole_because


@pytest.mark.parametrize("damage", [b"", b"x", b'{"a": 1}', b"\xff\xfe", b"0\n[]"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, packaged: Templates, damage: bytes) -> None:
    path, world = tmp_path / ".state" / "fragments.json", small_world()

    def build() -> str:
        renderer = IssueRenderer(publisher(world, packaged), world.content, FragmentCache(path))
        html = renderer.rendered(world.selections[0]).html
        renderer.save()
        return html

    first, whole = build(), path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(damage)
    assert (build(), path.read_bytes()) == (first, whole)
