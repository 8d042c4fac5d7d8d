"""Placeholders that nothing fills: merge tags of other programs, notes of authors to themselves, the starter. Pure."""

import re

from digest.articles.characters import clean

STARTER_ARTICLE = """\
---
title: Your first article
summary: Articles are Markdown files; this one shows the form.
section: news
topics: []
---

Write here. **Only the title is required**; `topics: []` means that everyone gets it.
"""
"""The file that `digest init` writes."""

_NAMES = (
    r"(?:(?:first|last|full)[ _]?|[fl])?name|e-?mail|(?:un)?subscrib\w*|preferences\w*|이름|성명|고객명|제목|내용|날짜"
)
MERGE_TAG = re.compile(
    r"\*\|[^|\n]+\|\*"  # Mailchimp
    r"|\$%[^%\n]+%\$|%%[^%\n]+%%|%[A-Z][A-Z_]{2,}%|%\(\w+\)s"
    r"|\{\{[^{}\n]*\}\}|\{[%#.:][^{}\n]*\}|\[/[a-z_-]+\]|\{\$[\w.]+\}|\{[A-Z][A-Z_]{2,}\}|[$#]\{[^{}\n]+\}"
    r"|\[\[[^\[\]\n]+\]\]|<<\S(?:[^<>\n]*\S)?>>|<%[^<>\n]*%>|«\w+_\w+»"
    rf"|(?<![\]\\!])\[(?:(?i:{_NAMES})|[\w ]+,\s*fallback=[^\[\]\n]*|subscriber:\w+)\](?![(\[:])"
)
"""A tag that another program would fill."""
_OWN_NOTE = re.compile(
    r"\b(?:TODO|FIXME|TBD|TBC|XXXX+)\b|(?i:lorem ipsum)"
    r"|(?<![\]\\!])\[(?i:your|insert|enter|add|tbd|to be)\b[^\[\]\n]*\](?![(\[:])"
    r"|\[?(?:추후 작성|작성 예정|내용을? 입력)\w*\]?"
)
# As typed on purpose, or in no part of the mail.
_LITERAL = re.compile(
    r"<!--.*?(?:-->|\Z)|^(`{3,}|~{3,}).*?(?:^\1|\Z)|(`+)(?!`).+?(?<!`)\2(?!`)", re.DOTALL | re.MULTILINE
)
_STARTER_BODY = STARTER_ARTICLE.rpartition("---\n")[2].strip()
_STARTER_SUMMARY = re.search(r"^summary: (.*)$", STARTER_ARTICLE, re.MULTILINE)


def placeholders(markdown: str) -> list[str]:
    """Return each placeholder of a text once, as written; code and comments are left alone."""
    text = _LITERAL.sub(" ", clean(markdown))
    found = sorted((m.start(), m[0]) for rule in (MERGE_TAG, _OWN_NOTE) for m in rule.finditer(text))
    return list(dict.fromkeys(quote for _, quote in found))


def is_starter(summary: str, body: str) -> bool:
    """Return whether a text of the starter is still there."""
    return _STARTER_BODY in body or (_STARTER_SUMMARY is not None and summary.strip() == _STARTER_SUMMARY[1])
