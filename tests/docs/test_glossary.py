"""The glossary and the code use the same words: every state, reason and kind is defined, and no other is."""

import re
from enum import StrEnum
from pathlib import Path

import pytest

from digest.articles.models import Kind
from digest.delivery.outcome import Outcome, Reason
from digest.issues.lifecycle import IssueState
from digest.outbox.states import SkipReason, State
from digest.schedule.runs import RunState
from subscribers.models import Frequency, SubscriberState
from subscribers.suppression import SuppressionReason

SECTIONS: dict[str, type[StrEnum]] = {
    "States of an issue": IssueState,
    "States of a subscriber": SubscriberState,
    "Reasons to get no issue": SkipReason,
    "Reasons on the never-send list": SuppressionReason,
    "States of a delivery": State,
    "Outcomes of an attempt": Outcome,
    "Reasons of a relay": Reason,
    "States of a run": RunState,
}
LISTS: dict[str, type[StrEnum]] = {"Kind": Kind, "Frequency": Frequency}
WORDS = [
    "Article",
    "Topics",
    "Issue",
    "Period",
    "Assemble",
    "Edition",
    "Subscriber",
    "Interest",
    "Segment",
    "Audience",
    "Recipient",
    "ConsentEvent",
    "Confirmation",
    "Unsubscribe",
    "pause",
    "erase",
    "Suppression",
    "Delivery",
    "Attempt",
    "Outbox",
    "Notice",
    "Take",
    "settle",
    "recover",
    "Hold",
    "release",
    "Transport",
    "relay",
    "Preheader",
    "Masthead",
    "Section",
    "Component",
    "Bounce",
    "complaint",
    "feedback",
    "Run",
    "Slot",
    "Finding",
    "Preferences page",
    "Signed link",
    "frozen audience",
]


@pytest.fixture(scope="module")
def glossary(repo_root: Path) -> str:
    return (repo_root / "docs" / "glossary.md").read_text(encoding="utf-8")


def bold(text: str) -> set[str]:
    return set(re.findall(r"\*\*([^*]+)\*\*", text))


@pytest.mark.parametrize("heading", SECTIONS)
def test_a_section_defines_exactly_the_words_of_the_code(glossary: str, heading: str) -> None:
    section = glossary.split(f"## {heading}\n")[1].partition("\n## ")[0]
    assert bold(section) == {member.value for member in SECTIONS[heading]}


@pytest.mark.parametrize("term", LISTS)
def test_a_line_lists_exactly_the_words_of_the_code(glossary: str, term: str) -> None:
    line = glossary.split(f"- **{term}** ")[1].partition("\n- ")[0]
    assert bold(line) == {member.value for member in LISTS[term]}


def test_the_words_of_the_design_are_defined(glossary: str) -> None:
    terms = {term for line in glossary.splitlines() for term in bold(line)}
    assert [word for word in WORDS if word not in terms] == []


def test_the_words_in_code_are_classes_that_exist(glossary: str, repo_root: Path) -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([\w/.]+)` \|", glossary.split("## Words in code\n")[1], re.MULTILINE)
    assert len(rows) >= 25
    missing = [
        name
        for name, file in rows
        if not re.search(rf"^class {name}\b", (repo_root / file).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []
