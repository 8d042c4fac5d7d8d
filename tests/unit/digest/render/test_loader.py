"""Templates: where they come from, how they speak, and how they fail."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from digest.render.loader import Templates, merge, packaged_directory, renderer_versions
from digest.render.locales import article_date, locale_of
from digest.runtime.errors import ContentError

Write = Callable[[str, str], Templates]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Put a file into a workspace's templates and return what then takes effect."""

    def put(name: str, text: str) -> Templates:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return Templates(tmp_path)

    return put


def test_a_file_of_the_workspace_takes_the_place_of_ours(write: Write) -> None:
    templates = write("email/welcome/subject.txt.j2", "Ours")
    assert templates.render("email/welcome/subject.txt.j2", "en", {}) == "Ours"
    assert Templates().render("email/components/footer.mjml.j2", "en", {}).strip() == ""


def test_a_workspace_without_templates_uses_ours(tmp_path: Path) -> None:
    assert Templates(tmp_path / "missing").directories == (packaged_directory(),)


def test_the_theme_is_laid_over_key_by_key(write: Write) -> None:
    theme = write("theme.toml", '[light]\naccent = "#7a1f3d"\n').theme
    assert theme["light"]["accent"] == "#7a1f3d"
    assert theme["light"]["ink"] == Templates().theme["light"]["ink"]
    assert merge({"a": {"b": 1}}, {"a": 2}) == {"a": 2}


def test_a_broken_theme_is_named(write: Write) -> None:
    with pytest.raises(ContentError, match=r"theme\.toml .*line 1"):
        _ = write("theme.toml", "[light\n").theme


@pytest.mark.parametrize("name", ["x.mjml.j2", "x.html.j2", "x.mjml", "x", "sub/x.TXT.j2"])
def test_everything_is_escaped_but_plain_text(write: Write, name: str) -> None:
    assert write(name, "{{ value }}").render(name, "en", {"value": "<b>"}) == "&lt;b&gt;"


@pytest.mark.parametrize("name", ["x.txt.j2", "x.css.j2"])
def test_plain_text_is_not_escaped(write: Write, name: str) -> None:
    assert write(name, "{{ value }}").render(name, "en", {"value": "<b> & 'c'"}) == "<b> & 'c'"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("\n{{ nothing }}", r"^x\.mjml\.j2, line 2: 'nothing' is undefined"),
        ("\n\n{{ value.missing }}", r"^x\.mjml\.j2, line 3: .*missing"),
        ("{% if %}", r"^x\.mjml\.j2, line 1: "),
        ("\n{{ value|nofilter }}", r"^x\.mjml\.j2, line 2: No filter named 'nofilter'"),
        ("\n{{ 1 / 0 }}", r"^x\.mjml\.j2, line 2: division by zero"),
        ("{{ value.__class__.__mro__ }}", r"^x\.mjml\.j2, line 1: .*unsafe"),
        ("{% include 'missing.j2' %}", r"There is no template missing\.j2"),
        ("{{ _('Hello %(name)s') }}", r"^x\.mjml\.j2, line 1: 'name'"),
        ("{{ values.append(1) }}", r"^x\.mjml\.j2, line 1: .*unsafe"),
        ("{{ value|long_date }}", r"^x\.mjml\.j2, line 1: long_date needs a date"),
    ],
)
def test_errors_name_template_and_line(write: Write, source: str, message: str) -> None:
    with pytest.raises(ContentError, match=message):
        write("x.mjml.j2", source).render("x.mjml.j2", "en", {"value": "text", "values": [1]})


def test_an_error_in_an_included_file_names_that_file(write: Write) -> None:
    write("part.mjml.j2", "\n\n{{ nothing }}")
    with pytest.raises(ContentError, match=r"^part\.mjml\.j2, line 3"):
        write("x.mjml.j2", "{% include 'part.mjml.j2' %}").render("x.mjml.j2", "en", {})


def test_a_template_cannot_read_files_outside_of_its_folders(write: Write, tmp_path: Path) -> None:
    (tmp_path.parent / "secret.txt").write_text("secret")
    with pytest.raises(ContentError, match="There is no template"):
        write("x.mjml.j2", "{% include '../secret.txt' %}").render("x.mjml.j2", "en", {})


def test_templates_that_changed_on_disk_take_effect(write: Write) -> None:
    templates = write("x.txt.j2", "one")
    assert templates.render("x.txt.j2", "en", {}) == "one"
    write("x.txt.j2", "another")
    assert templates.render("x.txt.j2", "en", {}) == "another"


def test_the_hash_covers_names_and_bytes_of_templates_and_theme(write: Write) -> None:
    plain = Templates().templates_hash()
    assert plain == Templates().templates_hash()
    seen = {plain}
    for name, text in (
        ("theme.toml", "[light]\n"),
        ("theme.toml", "[light]\n# another\n"),
        ("email/welcome/subject.txt.j2", "x"),
        ("email/components/new.mjml.j2", ""),
    ):
        changed = write(name, text).templates_hash()
        assert changed not in seen
        seen.add(changed)


def test_the_hash_does_not_depend_on_pages(write: Write) -> None:
    assert write("web/start.html.j2", "x").templates_hash() == Templates().templates_hash()


def test_the_versions_name_every_renderer() -> None:
    assert {"digestpress", "mjml-python", "premailer", "jinja2", "lxml"} <= renderer_versions().keys()


@pytest.mark.parametrize(
    ("text", "english", "korean"),
    [
        ("2021-09-17", "September 17, 2021", "2021년 9월 17일"),
        ("2021-09", "September 2021", "2021년 9월"),
        ("2021", "2021", "2021"),
        ("Spring 2021", "Spring 2021", "Spring 2021"),
        ("2021-13", "2021-13", "2021-13"),
        ("2021-02-30", "2021-02-30", "2021-02-30"),
        ("2021-05/2021-06", "May 2021 – June 2021", "2021년 5월 – 2021년 6월"),
        ("", "", ""),
        ("<b>", "<b>", "<b>"),
    ],
)
def test_dates_of_articles_are_said_in_the_reader_s_language(text: str, english: str, korean: str) -> None:
    assert article_date(text, locale_of("en")) == english
    assert article_date(text, locale_of("ko")) == korean


def test_a_range_of_days_is_said_as_one(write: Write) -> None:
    templates = write("x.txt.j2", "{{ '2021-05-30/2021-06-02'|article_date }} {{ day|long_date }} {{ 1234567|number }}")
    rendered = templates.render("x.txt.j2", "ko", {"day": date(2021, 9, 30)})
    assert rendered.split() == ["2021년", "5월", "30일", "~", "6월", "2일", "2021년", "9월", "30일", "1,234,567"]


@pytest.mark.parametrize(("code", "name"), [("ko", "Korean"), ("xx-unknown", "xx-unknown"), ("", "")])
def test_languages_have_names(write: Write, code: str, name: str) -> None:
    assert write("x.txt.j2", "{{ code|language_name }}").render("x.txt.j2", "en", {"code": code}) == name


def test_an_unknown_language_speaks_english(write: Write) -> None:
    templates = write("x.txt.j2", "{{ _('Unsubscribe') }}, {{ day|long_date }}")
    assert templates.render("x.txt.j2", "tlh", {"day": date(2021, 9, 30)}) == "Unsubscribe, September 30, 2021"


def test_values_in_translations_are_escaped(write: Write) -> None:
    templates = write("x.mjml.j2", "{{ _('No. %(number)s', number=value) }}")
    assert templates.render("x.mjml.j2", "ko", {"value": "<b>"}) == "제&lt;b&gt;호"
