"""Which language a page is shown in."""

import pytest

from digest.web.public.languages import choose


@pytest.mark.parametrize(
    ("asked", "accept", "expected"),
    [
        ("ko", "en", "ko"),
        ("", "ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        ("", "en;q=0.5, ko;q=0.8", "ko"),
        ("", "fr, de;q=0.9", "en"),
        ("", "", "en"),
        ("xx", "KO", "ko"),
        ("", "ko;q=0", "en"),
        ("", "ko;q=often", "en"),
        ("", ";;,,;q=,", "en"),
        ("../../etc", "*", "en"),
        ("", "a," * 100_000 + "ko", "en"),
    ],
)
def test_the_address_beats_the_browser_and_nonsense_is_ignored(asked: str, accept: str, expected: str) -> None:
    assert choose(asked, accept, ("en", "ko")) == expected


def test_a_variety_is_served_by_its_language() -> None:
    assert choose("pt", "", ("en", "pt-BR")) == "pt-BR"
