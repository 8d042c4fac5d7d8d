"""Placeholders are found as they were written; what is typed on purpose is left alone."""

import pytest

from digest.articles.placeholders import STARTER_ARTICLE, is_starter, placeholders


@pytest.mark.parametrize(
    "quote",
    [
        "*|FNAME|*", "*|IF:NAME|*", "%%unsubscribe%%", "%%First Name%%", "{{ .Subscriber.FirstName }}", "{{x}}", "{% if x %}",
        "%FIRSTNAME%", "%(real_name)s", "$%name%$", "${name}", "#{고객명}", "{$name}", "{FIRST_NAME}", "<<First Name>>",
        "<%= name %>", "«First_Name»", "[[data:name]]", "[FNAME]", "[이름]", "[firstname,fallback=there]",
        "[subscriber:firstname]", "TODO", "FIXME", "TBD", "Lorem ipsum", "lorem Ipsum", "[Your name]", "[insert date]",
        "작성 예정",
    ],
)  # fmt: skip
def test_what_another_program_or_the_author_would_fill(quote: str) -> None:
    assert placeholders(f"Dear {quote}, welcome to *our* news.") == [quote]


@pytest.mark.parametrize(
    "text",
    [
        "Write `{{ name }}` or ``*|FNAME|*``.", "```\n{{ x }} TODO\n```", "<!-- TODO: ask Kim -->Done.",
        "50% of 30% and 100%.", "[Name](https://example.org)", "[email]: https://example.org", "a [name][1] b",
        "A mastodon, todos, «mot», {a, b}, [1], [UNESCO], 3 << 4 and 5 >> 2",
    ],
)  # fmt: skip
def test_what_was_meant_is_left_alone(text: str) -> None:
    assert placeholders(text) == []


def test_each_placeholder_is_named_once_in_order() -> None:
    assert placeholders("TODO {{ b }} *|A|* TODO {{ b }}") == ["TODO", "{{ b }}", "*|A|*"]


def test_the_starter_is_known_by_its_summary_or_its_text() -> None:
    summary, body = "Articles are Markdown files; this one shows the form.", STARTER_ARTICLE.partition("\n\n")[2]
    assert is_starter(summary, "Own words.")
    assert is_starter("Own words.", f"{body}\nAnd more.")
    assert not is_starter("", "Own words.")
