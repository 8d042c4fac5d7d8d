"""Every text of templates and pages has Korean words, and the words fit the text."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from digest.render.locales import catalogue

KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "translate": None}
PLACEHOLDER = re.compile(r"%\(\w+\)s")


def texts(root: Path) -> Iterator[tuple[str, ...]]:
    """The texts in templates and code, one or singular and plural."""
    options = {"**.j2": {"extensions": "jinja2.ext.i18n", "trim_blocks": "true", "lstrip_blocks": "true"}}
    templates = extract_from_dir(root / "templates", [("**.j2", "jinja2.ext:babel_extract")], options, KEYWORDS)
    code = extract_from_dir(root / "digest", [("**.py", "python")], {}, KEYWORDS)
    for _, _, message, _, _ in [*templates, *code]:
        yield (message,) if isinstance(message, str) else tuple(message)


@pytest.fixture(scope="module")
def korean(repo_root: Path) -> Catalog:
    path = repo_root / "digest" / "locale" / "ko" / "LC_MESSAGES" / "messages.po"
    with path.open("rb") as source:
        return read_po(source, locale="ko", abort_invalid=True)


def words(catalog: Catalog, text: str) -> str:
    message = catalog.get(text)
    string = message.string if message else ""
    return string if isinstance(string, str) else string[0]


def test_no_text_lacks_its_korean_words(repo_root: Path, korean: Catalog) -> None:
    found = set(texts(repo_root))
    assert len(found) > 40
    assert sorted(text[0] for text in found if not words(korean, text[0])) == []


def test_no_words_are_left_over_or_doubtful(repo_root: Path, korean: Catalog) -> None:
    used = {text[0] for text in texts(repo_root)}
    known = {message.id if isinstance(message.id, str) else message.id[0] for message in korean if message.id}
    assert sorted(known - used) == []
    assert [message.id for message in korean if message.id and message.fuzzy] == []


def test_korean_words_have_the_placeholders_of_the_text(repo_root: Path, korean: Catalog) -> None:
    for text in texts(repo_root):
        expected = sorted(PLACEHOLDER.findall(text[-1]))
        assert sorted(PLACEHOLDER.findall(words(korean, text[0]))) == expected, text[0]


def test_the_catalogue_that_mails_use_is_that_file(korean: Catalog) -> None:
    assert catalogue("ko").gettext("Unsubscribe") == words(korean, "Unsubscribe") != "Unsubscribe"
    assert catalogue("ko-KR").gettext("Unsubscribe") == words(korean, "Unsubscribe")


def test_english_is_its_own_catalogue() -> None:
    english = catalogue("en")
    assert english.gettext("Unsubscribe") == "Unsubscribe"
    assert english.ngettext("%(num)s day", "%(num)s days", 1) == "%(num)s day"
    assert english.ngettext("%(num)s day", "%(num)s days", 2) == "%(num)s days"
