"""Each finding has words for editors: the desk never shows an id alone."""

import re
from pathlib import Path

from digest.web.desk.finding_words import finding_words


def test_each_finding_of_the_docs_has_a_title_and_advice(repo_root: Path) -> None:
    described = re.findall(r"^### `([a-z-]+)`$", (repo_root / "docs/reference/findings.md").read_text(), re.MULTILINE)
    words = finding_words(str.upper)
    assert sorted(words) == sorted(described)
    assert all(title.isupper() and advice.isupper() for title, advice in words.values())
