"""Report of an import of subscribers: counts of everything, and the first thousand problems."""

from collections import Counter
from dataclasses import dataclass, field

from subscribers.address_doubts import AddressDoubt
from subscribers.transfer.mapping import Leftovers
from subscribers.transfer.merge import Action, Decision
from subscribers.transfer.rows import RowProblem

MAX_LISTED = 1_000


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A line that was not followed, or in part: for the subscriber's own decision, the never-send list, no proof."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class DoubtfulRow:
    """A line whose address is valid and doubtful; it was followed all the same."""

    line: int
    doubt: AddressDoubt


@dataclass(slots=True)
class SubscriberImportReport:
    """Result of an import, or of a dry run. The lists hold the first thousand; the counts are of all.

    `states` and `never_send` count new subscribers, `kept_reasons` why lines were not followed.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    kept_count: int = 0
    problem_count: int = 0
    duplicates: int = 0
    hashes: int = 0
    kept: list[KeptRow] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    never_send: Counter[str] = field(default_factory=Counter)
    kept_reasons: Counter[str] = field(default_factory=Counter)
    doubtful: list[DoubtfulRow] = field(default_factory=list)
    doubts: Counter[str] = field(default_factory=Counter)
    source: str = ""
    left: Leftovers = field(default_factory=Leftovers)

    def add_problem(self, problem: RowProblem) -> None:
        """Count a problem, and list it if there is room."""
        self.problem_count += 1
        if len(self.problems) < MAX_LISTED:
            self.problems.append(problem)

    def add_duplicate(self, problem: RowProblem) -> None:
        """Count a line whose address has occurred before."""
        self.duplicates += 1
        self.add_problem(problem)

    def add_doubt(self, line: int, doubt: AddressDoubt) -> None:
        """Count a doubtful address, and list it if there is room."""
        self.doubts[doubt.kind.value] += 1
        if len(self.doubtful) < MAX_LISTED:
            self.doubtful.append(DoubtfulRow(line, doubt))

    def add(self, line: int, decision: Decision) -> None:
        """Count the decision about a line."""
        match decision.action:
            case Action.CREATE:
                self.created += 1
                self.states[str(decision.values.get("state", ""))] += 1
            case Action.UPDATE:
                self.updated += 1
            case Action.UNCHANGED:
                self.unchanged += 1
            case Action.SKIP:
                self.skipped += 1
                self.kept_reasons[decision.reason] += 1
            case Action.KEEP:
                pass  # below, as others of which a part was not followed
        if decision.reason and decision.action != Action.SKIP:
            self.kept_count += 1
            self.kept_reasons[decision.reason] += 1
            if len(self.kept) < MAX_LISTED:
                self.kept.append(KeptRow(line, decision.reason))
        if decision.suppress is not None:
            self.never_send[decision.suppress.value] += 1
