"""Approval of an issue, bound to a hash of everything that its editions are made from; any change voids it.

The hash covers a manifest of named parts, so that a refusal can say what changed. Relays, schedule and subscribers are
not in it: a later sign-up gets an approved edition.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from digest.accounts import store as accounts
from digest.accounts.audit import ActorRoute
from digest.editions.skipped_issues import as_approved, earlier_issues
from digest.issues import store as issues
from digest.issues.lifecycle import EDITABLE, IssueState, move
from digest.issues.models import Issue
from digest.render.loader import Templates, renderer_versions
from digest.render.logo import logo_pictures
from digest.runtime.errors import ContentError, RefusedError, UsageError
from digest.runtime.text import one_person
from digest.settings.root import Settings


class NotApprovedError(RefusedError):
    """The issue is not approved."""

    default_hint = 'Review it with `digest preview`, then run `digest issue approve --by "YOUR NAME"`.'


class SecondApprovalError(RefusedError):
    """The command line gives one of the two approvals only."""

    default_hint = "The second person approves at the desk: [desk] enabled = true, then /desk of `digest serve`."


IN_BETWEEN = "titles of the issues in between"
"""The part of a manifest that only editions for a lower frequency have; no archive page has it."""


def manifest(session: Session, issue: Issue, settings: Settings, templates: Templates) -> dict[str, str]:
    """Return part -> hash for everything that the issue's editions are made from."""
    items = issues.items_of(session, issue)
    parts: dict[str, object] = {
        "order of articles": [(item.group, item.section) for item, _ in items],
        "number and date": [issue.number, issue.period, issue.date.isoformat()],
        "subject": issue.subject,
        "preheader": issue.preheader,
        "intro": issue.intro,
        "sections": [section.model_dump(mode="json") for section in settings.section],
        "interests": [interest.model_dump(mode="json") for interest in settings.interest],
        "edition rules": settings.editions.model_dump(mode="json"),
        "publication and identity": settings.publication.model_dump(mode="json"),
        "templates and theme": templates.templates_hash(),
        "versions of the renderers": renderer_versions(),
    }
    if settings.publication.logo:
        with suppress(ContentError):  # a build says what is wrong with it
            parts["logo"] = [picture.hash for picture in logo_pictures(settings)]
    if issue.waivers:
        parts["findings that stand"] = issue.waivers
    if issue.corrects is not None:
        parts["readers of the correction"] = [issue.corrects, issue.corrected_article]
    if lacking := earlier_issues(session, issue):
        parts[IN_BETWEEN] = as_approved(lacking)
    for by_language in issues.translations_of(session, [item.group for item, _ in items]).values():
        for article in by_language.values():
            parts[f"article {article.slug}"] = article.content_hash
    return {name: part_hash(value) for name, value in sorted(parts.items())}


def part_hash(value: object) -> str:
    """Return the hash of a part of the manifest."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


def issue_hash(parts: Mapping[str, str]) -> str:
    """Return the hash that an approval is bound to."""
    return part_hash(dict(parts))


def differences(approved: Mapping[str, str], current: Mapping[str, str]) -> list[str]:
    """Return what changed between two manifests, in words."""
    changes = []
    for name in sorted(approved.keys() | current.keys()):
        if name not in approved:
            changes.append(f"{name} was added")
        elif name not in current:
            changes.append(f"{name} was removed")
        elif approved[name] != current[name]:
            changes.append(f"{name} changed")
    return changes


@dataclass(frozen=True, slots=True)
class Approver:
    """A person who approves, by which route; without a login as long as there are no accounts."""

    name: str
    login: str = ""
    route: ActorRoute = ActorRoute.COMMAND_LINE

    @property
    def shown(self) -> str:
        """The name, as lists and reports show it."""
        return f"{self.name} (by {self.route})" if self.login and self.route == ActorRoute.COMMAND_LINE else self.name

    def is_also(self, other: "Approver") -> bool:
        """Return whether both are one person: of one login, or of one name where one has no login."""
        if self.login and other.login:
            return one_person(self.login) == one_person(other.login)
        return not self.spellings.isdisjoint(other.spellings)

    @property
    def spellings(self) -> set[str]:
        """Name and login, each as `one_person` folds it."""
        return {one_person(text) for text in (self.name, self.login) if text}


def approver_named(session: Session, by: str) -> Approver:
    """Return who approves on the command line: any name, and once there are accounts an active approver's."""
    by = " ".join(by.replace(";", ",").split())  # a semicolon stands between two people
    if not by:
        raise UsageError("The approver's name is missing", hint="Add --by NAME.")
    if not accounts.any_exists(session):
        return Approver(by)
    account = accounts.approver(session, by)
    return Approver(account.name, account.login)


def approve(issue: Issue, by: Approver, parts: Mapping[str, str], *, required: int, now: datetime) -> bool:
    """Record one person's approval of exactly `parts`; return whether the issue is approved now.

    With `required = 2` the first approval waits for a second person, and is void if anything changed in between. Once
    there are accounts, the command line gives at most one of the two: whoever may run it could type both.
    """
    current = issue_hash(parts)
    if issue.state == IssueState.APPROVED and issue.approved_hash == current:
        return True
    if issue.state == IssueState.APPROVED:  # approved as something else: that approval is void
        issues.void_approval(issue)
    move(issue.number, issue.state, IssueState.APPROVED)
    given = approvals_of(issue) if issue.approved_hash == current else []
    if not any(by.is_also(other) for other in given):
        typed = by.login and by.route == ActorRoute.COMMAND_LINE
        if required > 1 and typed and any(other.route == ActorRoute.COMMAND_LINE for other in given):
            names = ", ".join(other.name for other in given)
            raise SecondApprovalError(f"{names} approved issue {issue.number} on the command line already")
        given = [*given, by]
    issue.approvals = [{"name": one.name, "login": one.login, "route": one.route.value} for one in given]
    issue.approved_by = "; ".join(one.shown for one in given)
    issue.approved_hash, issue.approved_manifest, issue.approved_at = current, dict(parts), now
    if len(given) < required:
        return False
    issue.state = IssueState.APPROVED
    return True


def approvals_of(issue: Issue) -> list[Approver]:
    """Return the approvals of what `approved_hash` names."""
    return [Approver(one["name"], one["login"], ActorRoute(one["route"])) for one in issue.approvals]


def changes_since_approval(issue: Issue, current: Mapping[str, str]) -> list[str]:
    """Return why an approval, also that of the first of two people, no longer holds; frozen issues cannot change."""
    if issue.state not in EDITABLE or issue.approved_hash is None:
        return []
    return differences(issue.approved_manifest or {}, current)


def void_approvals(session: Session, settings: Settings, templates: Templates) -> dict[int, list[str]]:
    """Return the numbers of issues that are approved as something else than they are now, each with what changed."""
    query = select(Issue).where(col(Issue.state).in_(sorted(EDITABLE)), col(Issue.approved_hash).is_not(None))
    changes = {
        issue.number: changes_since_approval(issue, manifest(session, issue, settings, templates))
        for issue in session.exec(query.order_by(col(Issue.number)))
    }
    return {number: changed for number, changed in changes.items() if changed}


def require_approved(issue: Issue, current: Mapping[str, str]) -> None:
    """Raise unless the issue is approved as exactly what it is now."""
    if issue.state != IssueState.APPROVED:
        raise NotApprovedError(f"Issue {issue.number} is {issue.state}, not approved")
    if changed := changes_since_approval(issue, current):
        hint = f'Approve it again: `digest issue approve {issue.number} --by "YOUR NAME"`.'
        raise NotApprovedError(f"Issue {issue.number} has changed since its approval: {'; '.join(changed)}", hint=hint)
