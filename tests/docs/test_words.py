"""Texts for people are plain English: phrases that were rewritten stay away from help, messages, templates and docs."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# One entry a kind of translated English; the better form stands behind it.
NOT_OURS = {
    r"for ever\b": "forever; without expiry",
    r"\bthe most of\b": "the maximum for",
    r"\bis to go\b": "is removed",
    r"\bare to be told\b|\bis told\b|\bare told\b": "is notified",
    r"\b(look|looks) at the clock\b": "tick; runs what is due",
    r"\bnobody (gets|can know|is there|looked|goes on)\b": "no reader gets; is unknown; no process",
    r"\bwho (has|have) (left|confirmed)\b": "readers who have unsubscribed; confirmed readers",
    r"\bwhoever\b": "anyone who; readers who",
    r"\bthe others? goes? on\b|\bgoes on (by itself|where)\b": "continues; resumes",
    r"\bby itself\b": "automatically",
    r"\bput off\b": "deferred",
    r"\ba person's hand\b|\bby hand of\b": "by an operator",
    r"(?<!there )\bis no (?!longer\b)[a-z]": "is not a",
    r"\bleave the house\b": "leave this machine",
    r"\btaken? for what it is\b": "discard duplicates",
    r"\bstands? twice\b": "occurs twice",
    r"\bdoes as well\b": "also works",
    r"\bfares?\b": "results",
    r"\bthere are none\b": "there are no",
    r"\bis not understood\b": "is not valid",
    r"\bhold(s)? the control character\b": "contains",
    r"\bthan people are\b": "too many requests",
    r"\b(every|some|any)body\b": "everyone, someone, anyone; or who it is: the reader, the operator",
    r"\b(suppress(es)?|rejects?|reached) nobody\b": "no reader",
    r"\bmend(ed|s)?\b": "fix; repair",
    r"\bmade anew\b": "rebuilt; renewed",
    r"\bkept out of\b": "hidden from",
    r"\b(is|are) to be\b": "must be; or the imperative",
    r"\bbroken off\b": "interrupted",
    r"\bmeanwhile\b": "in the meantime; or what happens then",
    r"\b(it|which|file|log|message) tells\b": "shows; says",
    r"\b(are|is) known by\b": "is recognized by",
    r"\btaken? for (dead|met|deceit)\b": "presumed dead; regarded as",
    r"\bon the wire\b": "being sent",
    r"\bwhat becomes of it \|": "result",
    r"(?<![=\"'])\be-mail\b": "email",
    r"\barticles stand\b|\bgo on after\b": "a heading for articles; continue after",
}
REWRITTEN = (
    "*.md",
    "templates/*.md",
    "docs/*.md",
    "docs/tutorial/*.md",
    "docs/how-to/*.md",
    "docs/reference/*.md",
    "docs/explanation/*.md",
)


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and text of every string of a module that is not a docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


@cache
def texts() -> tuple[tuple[str, str], ...]:
    return tuple(_texts())


def _texts() -> Iterator[tuple[str, str]]:
    for top in ("digest", "subscribers"):
        for path in sorted((ROOT / top).rglob("*.py")):
            if "migrations" not in path.parts:
                yield from ((f"{path.relative_to(ROOT)}:{line}", text) for line, text in messages(path) if " " in text)
    for pattern in REWRITTEN:
        for path in sorted(ROOT.glob(pattern)):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                yield f"{path.relative_to(ROOT)}:{number}", line


@pytest.mark.parametrize("phrase", NOT_OURS)
def test_a_rewritten_phrase_has_not_come_back(phrase: str) -> None:
    found = [f"{place}: {text.strip()}" for place, text in texts() if re.search(phrase, text, re.IGNORECASE)]
    assert not found, f"write {NOT_OURS[phrase]!r} instead:\n" + "\n".join(found)
