"""Pages of the report: one HTML file each, without script and without anything from elsewhere."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.numbers import format_decimal, format_percent

from digest.feedback.models import FAILURES, FeedbackKind
from digest.outbox.states import State
from digest.outbox.statistics import OTHERS
from digest.render import locales
from digest.render.interest_words import interests_in_words
from digest.runtime.atomic_file import whole_file
from digest.send.listing import EXCLUDED
from digest.settings.publication import pick
from digest.settings.root import Settings
from digest.workspace.report import missed, words
from digest.workspace.report.account import IssueAccount, IssueReport, Overview
from digest.workspace.report.figures import UNSUBSCRIBED, Counts, TimeSlot
from digest.workspace.report.missed import UNREACHED, MissedReader
from digest.workspace.report.reasons import words_of

if TYPE_CHECKING:  # only --html renders
    from digest.render.loader import Templates

NAMED = 200
"""Number of readers whom a page names; a list has all of them."""
_READ = 5_000
_ROWS = 10
_DAYS = 7
_ISSUES = 24
_SEEN = 3
"""Least height of a column, so that a single late mail shows beside thousands."""


@dataclass(frozen=True, slots=True)
class BarPart:
    """Part of a bar: the class that colours it, where it begins and how long it is, in hundredths of the whole."""

    part: str
    at: float
    length: float


@dataclass(frozen=True, slots=True)
class GroupRow:
    """Readers with something in common: how many were planned, and whose mail was accepted."""

    name: str
    planned: int
    accepted: int
    share: str
    bar: Sequence[BarPart]


@dataclass(slots=True)
class ReasonRow:
    """Readers who missed an issue for the same reason; `readers` are those of them whom the page names."""

    key: str
    state: str
    name: str
    meaning: str
    count: int
    readers: list[MissedReader] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Column:
    """Column of a plot: its height in hundredths of the highest, the part of it that counts, and what it says."""

    height: float
    part: float
    text: str


@dataclass(frozen=True)
class ReportPages:
    """Renders pages in `chosen`, else in the publication's language; `frame` has the values of another frame."""

    settings: Settings
    templates: "Templates"
    now: datetime
    chosen: str = ""
    frame: Mapping[str, object] = field(default_factory=dict)

    @property
    def language(self) -> str:
        return self.chosen or self.settings.publication.language

    @cached_property
    def _zone(self) -> ZoneInfo:
        return self.settings.publication.zone

    def write(self, path: Path, found: IssueReport | Overview) -> None:
        """Write the page of an issue or of all, readable by its owner only: it names readers."""
        page = self.issue(found) if isinstance(found, IssueReport) else self.overview(found)
        with whole_file(path, mode=0o600) as partial:
            partial.write_text(page, encoding="utf-8")

    def issue(self, report: IssueReport) -> str:
        """Return the page of an issue."""
        of, _ = report.account, self._translate
        rows = self._reasons(report)
        interests = {self._interest(slug): counts for slug, counts in report.by.interest.items()}
        providers = {self._provider(name): counts for name, counts in report.by.provider.items()}
        editions = {self._edition(report, key): counts for key, counts in report.by.edition.items()}
        return self._render(
            "report",
            of=of,
            subject=pick(report.row.subject, self.language),
            frozen=self._moment(of.frozen_at),
            sent=self._moment(of.sent_at, of.frozen_at),
            accepted=of.states[State.ACCEPTED],
            uncertain=of.states[State.UNCERTAIN],
            waiting=_count(of.states, words.PARTS["due"]),
            share=self._share(of.states[State.ACCEPTED], of.planned),
            excluded=sum(of.excluded.values()),
            bar=_bar(of.states),
            legend=self._legend(of.states),
            reasons=rows,
            named=sum(len(row.readers) for row in rows),
            most=NAMED,
            refusals=[(one, ", ".join(map(self._provider, one.providers))) for one in report.reasons.refusals],
            columns=self._columns(report.over_time),
            pace=self._pace(report.over_time, of.states[State.ACCEPTED]),
            groups=[
                (_("By mailbox provider"), "", *self._groups(providers)),
                (_("By interest"), self._note(), *self._groups(interests)),
                (_("By edition"), "", *self._groups(editions)),
            ],
            days=self._days(report),
            issues=[self._compared(one) for one in (*report.earlier, of)] if report.earlier else [],
        )

    def overview(self, found: Overview) -> str:
        """Return the page of all issues that have been frozen."""
        sent = [one for one in found.issues if one.frozen_at is not None]
        shown = sent[-_ISSUES:]
        reach = {self._interest(slug): counts for slug, counts in found.reach.items()}
        highest = max((one.planned for one in shown), default=0) or 1
        columns = [
            Column(
                100 * one.planned / highest,
                100 * one.states[State.ACCEPTED] / highest,
                f"{one.issue}: {self._number(one.planned)}",
            )
            for one in shown
        ]
        return self._render(
            "report_all",
            issues=[self._compared(one) for one in reversed(shown)],
            more=len(sent) - len(shown),
            columns=columns,
            reach=self._groups(reach)[0],
            newest=found.newest,
            note=self._note(),
        )

    def _render(self, name: str, **values: object) -> str:
        publication = {"name": pick(self.settings.publication.name, self.language)}
        common = {"language": self.language, "publication": publication, "made": self._moment(self.now)}
        return self.templates.render(f"web/{name}.html.j2", self.language, {**common, **self.frame, **values})

    def _translate(self, text: str) -> str:
        return self.templates.translate(self.language)(text)

    def _number(self, number: int) -> str:
        return format_decimal(number, locale=locales.locale_of(self.language))

    def _share(self, some: int, of: int) -> str:
        """Return a rounded percentage; 100 % is said of all only."""
        rounded = min(round(some / of, 3), 1 if some >= of else 0.999) if of else 0  # all is only what is all
        return format_percent(rounded, "0.0%", locales.locale_of(self.language)) if of else "–"

    def _moment(self, moment: datetime | None, same_day: datetime | None = None) -> str:
        """Return a local date and time; of the day of `same_day` the time only."""
        if moment is None:
            return ""
        local = moment.astimezone(self._zone)
        if same_day and local.date() == same_day.astimezone(self._zone).date():
            return f"{local:%H:%M}"
        return f"{format_date(local, 'medium', locales.locale_of(self.language))} {local:%H:%M}"

    def _interest(self, slug: str) -> str:
        titles = {one.slug: pick(one.title, self.language) for one in self.settings.interest}
        _ = self._translate
        special = {"*": _("everything"), "": _("what is for everyone")}
        return special.get(slug) or titles.get(slug, slug)

    def _provider(self, name: str) -> str:
        _ = self._translate
        return _("others") if name == OTHERS else name

    def _note(self) -> str:
        _ = self._translate
        return _("By the interests that readers have now; a reader with three counts three times.")

    def _edition(self, report: IssueReport, key: int) -> str:
        """Return an edition's language, what most of its readers follow, and its number of articles."""
        code, articles = report.editions.get(key, ("", 0))
        followed, _ = report.by.followers.get(key, [""]), self._translate
        known = self.settings
        interests = interests_in_words(followed[0], self.language, known.interest, known.catalogue, _)
        language = locales.language_name(code, locales.locale_of(self.language))
        text = _("%(language)s: %(interests)s") if len(followed) == 1 else _("%(language)s: %(interests)s, and others")
        count = _("articles: %(count)s") % {"count": articles}
        return f"{text % {'language': language, 'interests': interests}} ({count})"

    def _legend(self, states: Counts) -> list[tuple[str, str, int]]:
        names = words.parts(self._translate)
        counted = [(part, names[part], _count(states, of)) for part, of in words.PARTS.items()]
        return [entry for entry in counted if entry[2]]

    def _groups(self, groups: Mapping[str, Counts]) -> tuple[list[GroupRow], int]:
        """Return the largest groups, and how many more there are."""
        rows = [
            GroupRow(
                name,
                sum(of.values()),
                of.get(State.ACCEPTED, 0),
                self._share(of.get(State.ACCEPTED, 0), sum(of.values())),
                _bar(of),
            )
            for name, of in islice(groups.items(), _ROWS)
        ]
        return rows, len(groups) - len(rows)

    def _reasons(self, report: IssueReport) -> list[ReasonRow]:
        """Return who missed it by reason, with names: a few reasons with few readers are not hidden by a large one."""
        counts = {(state.value, text): n for state, of in report.reasons.by_state.items() for text, n in of.items()}
        counts |= {(EXCLUDED, text): n for text, n in report.account.excluded.items()}
        rows: dict[tuple[str, str], ReasonRow] = {}
        order = [*(state.value for state in UNREACHED), EXCLUDED]
        for (state, text), count in sorted(counts.items(), key=lambda one: (order.index(one[0][0]), -one[1])):
            name, meaning = words.reason(self._translate, state, text)
            key = (state, name)
            row = rows.setdefault(key, ReasonRow(f"r{len(rows)}", state, name, meaning, 0))
            row.count += count
        readers: defaultdict[tuple[str, str], list[MissedReader]] = defaultdict(list)
        for state in dict.fromkeys(state for state, _ in rows):
            for one in islice(missed.in_state(report.context, report.account.issue, state), _READ):
                text = one.reason if state == EXCLUDED else words_of(State(state), one.text)
                mine = readers[state, words.reason(self._translate, state, text)[0]]
                if one.address and len(mine) < NAMED:
                    mine.append(one)
        left = NAMED
        for position, row in enumerate(sorted(rows.values(), key=lambda row: row.count)):
            row.readers = readers[row.state, row.name][: max(left // (len(rows) - position), 1)]
            left -= len(row.readers)
        return list(rows.values())

    def _columns(self, slots: Sequence[TimeSlot]) -> list[Column]:
        """Return the plot of what was accepted: equal slots in a row, also empty; all later ones in the last."""
        if not slots:
            return []
        counts = {one.at: one.states.get(State.ACCEPTED, 0) for one in slots if one.seconds == slots[0].seconds}
        step = timedelta(seconds=slots[0].seconds)
        places = [slots[0].at + n * step for n in range((max(counts) - slots[0].at) // step + 1)][: 4 * _ISSUES]
        rows = [(self._moment(at, slots[0].at), counts.get(at, 0)) for at in places]
        late = sum(one.states.get(State.ACCEPTED, 0) for one in slots) - sum(count for _, count in rows)
        rows += [(self._translate("later"), late)] if late else []
        highest = max(count for _, count in rows)
        heights = [max(100 * count / highest, _SEEN if count else 0) if highest else 0 for _, count in rows]
        named = [f"{when}: {self._number(count)}" for when, count in rows]
        return [Column(height, 0, text) for height, text in zip(heights, named, strict=True)] if highest else []

    def _pace(self, slots: Sequence[TimeSlot], accepted: int) -> Mapping[str, str]:
        """Return when half of them, nine in ten and the last had been accepted."""
        found: dict[str, str] = {}
        total = 0
        for one in slots:
            total += one.states.get(State.ACCEPTED, 0)
            end = self._moment(one.at + timedelta(seconds=one.seconds), slots[0].at)
            for name, share in (("half", 0.5), ("nearly", 0.9), ("last", 1.0)):
                if accepted and total >= share * accepted:
                    found.setdefault(name, end)
        return found

    def _days(self, report: IssueReport) -> list[tuple[str, int, int, int]]:
        """Return bounces, complaints and departures by day; those after a week in one line."""
        locale, _ = locales.locale_of(self.language), self._translate
        days = list(report.feedback.by_day.items())
        rows = [(format_date(day, "medium", locale), *_back([counts])) for day, counts in days[:_DAYS]]
        if days[_DAYS:]:
            rows.append((_("later"), *_back(counts for _, counts in days[_DAYS:])))
        return rows

    def _compared(self, of: IssueAccount) -> tuple[IssueAccount, str, str, str, Sequence[BarPart]]:
        accepted = of.states[State.ACCEPTED]
        day = (
            format_date(of.frozen_at.astimezone(self._zone), "medium", locales.locale_of(self.language))
            if of.frozen_at
            else ""
        )
        return of, day, self._share(accepted, of.planned), self._share(of.left, of.planned), _bar(of.states)


def _count(counts: Counts, states: Iterable[State]) -> int:
    return sum(counts.get(state, 0) for state in states)


def _bar(counts: Counts) -> list[BarPart]:
    total, at, bar = sum(counts.values()) or 1, 0.0, []
    for part, states in words.PARTS.items():
        if length := 100 * _count(counts, states) / total:
            bar.append(BarPart(part, round(at, 3), round(length, 3)))
            at += length
    return bar


def _back(days: Iterable[Mapping[str, int]]) -> tuple[int, int, int]:
    bounced = complained = left = 0
    for counts in days:
        bounced += sum(counts.get(kind, 0) for kind in FAILURES)
        complained += counts.get(FeedbackKind.COMPLAINT, 0)
        left += counts.get(UNSUBSCRIBED, 0)
    return bounced, complained, left
