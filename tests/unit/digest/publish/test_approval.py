"""The manifest of an approval: whatever an edition is made from is a part of it, and a change is named."""

import itertools
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from digest.accounts import store as accounts
from digest.accounts.audit import ActorRoute
from digest.accounts.store import NoApproverError
from digest.articles.models import Article
from digest.issues import store
from digest.issues.lifecycle import state_in_words
from digest.issues.models import Issue, IssueItem
from digest.publish import approval
from digest.publish.approval import (
    Approver,
    NotApprovedError,
    SecondApprovalError,
    approve,
    approver_named,
    changes_since_approval,
    manifest,
    require_approved,
)
from digest.render.loader import Templates, renderer_versions
from digest.runtime.errors import UsageError
from digest.settings.root import Settings, load_settings

SECRETS = '[secrets]\nlink_keys = ["0123456789abcdef"]\nsuppression_key = "0123456789abcdef0123456789abcdef"\nmessage_key = "m"\n'


@dataclass
class Draft:
    """What a manifest is made from."""

    session: Session
    issue: Issue
    settings: Settings
    overrides: Path

    def manifest(self) -> dict[str, str]:
        self.session.flush()
        return manifest(self.session, self.issue, self.settings, Templates(self.overrides))

    def items(self) -> list[IssueItem]:
        return [item for item, _ in store.items_of(self.session, self.issue)]

    def override(self, name: str) -> None:
        (self.overrides / name).parent.mkdir(parents=True, exist_ok=True)
        (self.overrides / name).write_text("")


@pytest.fixture
def draft(sqlite_engine: Engine, tmp_path: Path, repo_root: Path, now: datetime) -> Iterator[Draft]:
    (tmp_path / "digest.toml").write_bytes((repo_root / "digest/workspace/sample/digest.toml").read_bytes())
    (tmp_path / "secrets.toml").write_text(SECRETS)
    with Session(sqlite_engine) as session:
        issue = Issue(number=21, period="2021-09", date=now.date(), created_at=now)
        articles = [
            Article(slug=slug, group=slug, language="en", title=slug, content_hash=slug, created_at=now, updated_at=now)
            for slug in ("lead", "second")
        ]
        session.add_all([issue, *articles])
        session.flush()
        session.add_all(
            IssueItem(issue_id=issue.id or 0, article_id=one.id or 0, group=one.slug, section="news", position=position)
            for position, one in enumerate(articles)
        )
        yield Draft(session, issue, load_settings(tmp_path, {}), tmp_path / "templates")


def of_issue(**fields: object) -> Callable[[Draft], None]:
    def applied(draft: Draft) -> None:
        for name, value in fields.items():
            setattr(draft.issue, name, value)

    return applied


def of_settings(table: str, change: Callable[[Settings], object]) -> Callable[[Draft], None]:
    def applied(draft: Draft) -> None:
        draft.settings = draft.settings.model_copy(update={table: change(draft.settings)})

    return applied


def turned(draft: Draft) -> None:
    for item in draft.items():
        item.position = 1 - item.position


def moved(draft: Draft) -> None:
    draft.items()[0].section = "special"


def rewritten(draft: Draft) -> None:
    _, article = store.items_of(draft.session, draft.issue)[0]
    article.content_hash = "other"


CHANGES: list[tuple[str, Callable[[Draft], None]]] = [
    ("article lead", rewritten),
    ("order of articles", turned),
    ("order of articles", moved),
    ("number and date", of_issue(number=22)),
    ("number and date", of_issue(period="2021-10")),
    ("number and date", of_issue(date=date(2021, 9, 29))),
    ("subject", of_issue(subject={"en": "Another"})),
    ("preheader", of_issue(preheader={"ko": "다른 글"})),
    ("intro", of_issue(intro={"en": "Welcome."})),
    ("sections", of_settings("section", lambda s: s.section[::-1])),
    ("sections", of_settings("section", lambda s: (s.section[0].model_copy(update={"title": {}}), *s.section[1:]))),
    ("interests", of_settings("interest", lambda s: s.interest[1:])),
    ("edition rules", of_settings("editions", lambda s: s.editions.model_copy(update={"empty": "skip"}))),
    (
        "publication and identity",
        of_settings("publication", lambda s: s.publication.model_copy(update={"sender_address": "x@example.org"})),
    ),
    ("templates and theme", lambda draft: draft.override("email/digest/subject.txt.j2")),
    ("templates and theme", lambda draft: draft.override("theme.toml")),
]


@pytest.mark.parametrize(("part", "change"), CHANGES, ids=[f"{part}-{at}" for at, (part, _) in enumerate(CHANGES)])
def test_each_part_of_the_manifest_voids_the_approval_by_name(
    draft: Draft, now: datetime, part: str, change: Callable[[Draft], None]
) -> None:
    approve(draft.issue, Approver("Ada"), draft.manifest(), required=1, now=now)
    require_approved(draft.issue, draft.manifest())
    change(draft)
    with pytest.raises(NotApprovedError, match=rf"has changed since its approval: {part} changed$"):
        require_approved(draft.issue, draft.manifest())


@pytest.mark.parametrize("package", renderer_versions())
def test_another_version_of_any_renderer_voids_the_approval(
    draft: Draft, now: datetime, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(draft.issue, Approver("Ada"), draft.manifest(), required=1, now=now)
    monkeypatch.setattr(approval, "renderer_versions", lambda: renderer_versions() | {package: "0"})
    with pytest.raises(NotApprovedError, match=r"has changed since its approval: versions of the renderers changed$"):
        require_approved(draft.issue, draft.manifest())


SPELLINGS = ["Ada Park", "ada park ", "ADA\u00a0PARK", "A\u200bda  Park", "\tAda Park"]


@pytest.mark.parametrize("second", SPELLINGS)
def test_one_person_in_two_spellings_approves_once(draft: Draft, now: datetime, second: str) -> None:
    assert not approve(draft.issue, Approver("Ada Park"), draft.manifest(), required=2, now=now)
    assert not approve(draft.issue, Approver(second), draft.manifest(), required=2, now=now)
    assert (draft.issue.state, draft.issue.approved_by) == ("draft", "Ada Park")
    assert approve(draft.issue, Approver("Ada Parker"), draft.manifest(), required=2, now=now)
    assert draft.issue.approved_by == "Ada Park; Ada Parker"


@pytest.mark.parametrize(("first", "second"), [("José", "Jose\u0301"), ("박아다", "박아다"), ("GROSS", "groß")])
def test_composed_and_folded_letters_are_one_person(draft: Draft, now: datetime, first: str, second: str) -> None:
    decomposed = unicodedata.normalize("NFD", second)
    assert not approve(draft.issue, Approver(first), draft.manifest(), required=2, now=now)
    assert not approve(draft.issue, Approver(decomposed), draft.manifest(), required=2, now=now)


def test_a_change_voids_the_first_of_two_approvals_in_words(draft: Draft, now: datetime) -> None:
    approve(draft.issue, Approver("Ada"), draft.manifest(), required=2, now=now)
    assert changes_since_approval(draft.issue, draft.manifest()) == []
    rewritten(draft)
    changes = changes_since_approval(draft.issue, draft.manifest())
    words = "draft, but its approval is no longer valid: article lead changed"
    assert state_in_words(draft.issue.state, changes) == words
    draft.issue.state = "sending"
    assert changes_since_approval(draft.issue, draft.manifest()) == []


def with_accounts(session: Session, now: datetime, *people: tuple[str, str]) -> None:
    for login, name in people:
        accounts.add(session, login, ["approver"], now=now, secret=b"secret", name=name)


def test_any_name_approves_until_there_are_accounts(draft: Draft, now: datetime) -> None:
    assert approver_named(draft.session, " Ada;  Park ") == Approver("Ada, Park")
    accounts.add(draft.session, "ben", ["editor", "operator"], now=now, secret=b"secret")
    for name in ("Ada", "ben", "Ben"):
        with pytest.raises(NoApproverError):
            approver_named(draft.session, name)
    with_accounts(draft.session, now, ("ada", "Ada Park"))
    for name in ("ADA", "ada park", "A\u200bda"):
        assert approver_named(draft.session, name) == Approver("Ada Park", "ada")
    accounts.disable(draft.session, "ada", now)
    with pytest.raises(NoApproverError):
        approver_named(draft.session, "ada")
    with pytest.raises(UsageError):
        approver_named(draft.session, " ")


def test_the_command_line_gives_one_of_two_approvals(draft: Draft, now: datetime) -> None:
    with_accounts(draft.session, now, ("ada", "Ada Park"), ("ben", "Ben"))
    ada, ben = approver_named(draft.session, "ada"), approver_named(draft.session, "ben")
    assert not approve(draft.issue, ada, draft.manifest(), required=2, now=now)
    with pytest.raises(SecondApprovalError, match=r"^Ada Park approved issue 21 on the command line already$"):
        approve(draft.issue, ben, draft.manifest(), required=2, now=now)
    assert not approve(draft.issue, replace(ada, route=ActorRoute.DESK), draft.manifest(), required=2, now=now), "once"
    assert approve(draft.issue, replace(ben, route=ActorRoute.DESK), draft.manifest(), required=2, now=now)
    assert draft.issue.approved_by == "Ada Park (by command line); Ben"
    rewritten(draft)
    approve(draft.issue, ben, draft.manifest(), required=2, now=now)
    assert (draft.issue.state, draft.issue.approved_by) == ("draft", "Ben (by command line)"), "a change voids both"


@pytest.mark.parametrize(("first", "second"), list(itertools.product(list(ActorRoute), list(ActorRoute))))
def test_no_route_lets_one_person_approve_twice(
    draft: Draft, now: datetime, first: ActorRoute, second: ActorRoute
) -> None:
    before, after = Approver("Jos\u00e9"), Approver("JOSE\u0301", "jose", second)
    assert not approve(draft.issue, Approver("Jos\u00e9", "jose", first), draft.manifest(), required=2, now=now)
    assert not approve(draft.issue, after, draft.manifest(), required=2, now=now)
    assert not approve(draft.issue, before, draft.manifest(), required=2, now=now), "typed before there were accounts"
    assert before.is_also(after)
    assert not Approver("Jos\u00e9", "jose2").is_also(after), "two logins are two people"
