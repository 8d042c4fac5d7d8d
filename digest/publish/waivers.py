"""Waivers: findings of the checks that editors let stand, each with its reason, as a part of what is approved.

A waiver names a finding by id, place (without its line) and message. An edit that changes one of them makes another
finding, for which the waiver does not hold.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from digest.articles.problems import nearest
from digest.issues.edit import one_line
from digest.issues.models import Issue
from digest.render.checks import Finding, Severity
from digest.runtime.errors import NotFoundError, RefusedError, UsageError

WAIVABLE = frozenset({"article-placeholder", "link-local", "subject-reply"})
"""The blocking findings that can be waived; the others protect promises to readers, which no reason outweighs."""
_LINE = re.compile(r":\d+$")


def applied(findings: Iterable[Finding], issue: Issue) -> tuple[Finding, ...]:
    """Return the findings, those that are waived with the reason."""
    reasons = {(one["id"], one["where"], one["message"]): one["reason"] for one in issue.waivers}
    return tuple(
        replace(one, waived=reasons[_key(one)]) if _key(one) in reasons and may_stand(one) else one for one in findings
    )


def waive(issue: Issue, findings: Sequence[Finding], finding_id: str, reason: str) -> list[Finding]:
    """Let the present findings of an id stand, and return them; waivers that no longer hold are dropped."""
    reason = one_line(reason, "The reason")
    if not reason:
        raise UsageError("A waiver needs a reason", hint='Add --reason "Why this is acceptable".')
    present = list(dict.fromkeys(finding for finding in findings if finding.id == finding_id))
    if not present:
        known = {finding.id for finding in findings}
        hint = nearest(finding_id, known) if known else "The checks found no problems."
        raise NotFoundError(f"Issue {issue.number} has no finding {finding_id}", hint=hint)
    if kept := next((finding for finding in present if not may_stand(finding)), None):
        raise RefusedError(f"{finding_id} cannot be waived, because it protects a promise to readers", hint=kept.remedy)
    new = [finding for finding in present if not finding.waived] or present
    keys = {_key(finding) for finding in new}
    holding = [one for one in held(issue, findings) if (one["id"], one["where"], one["message"]) not in keys]
    added = [{"id": id_, "where": where, "message": message, "reason": reason} for id_, where, message in sorted(keys)]
    issue.waivers = [*holding, *added]
    return [replace(finding, waived=reason) for finding in new]


def undo(issue: Issue, finding_id: str) -> None:
    """Take back the waivers of an id. Raises NotFoundError if there is none."""
    left = [one for one in issue.waivers if one["id"] != finding_id]
    if len(left) == len(issue.waivers):
        raise NotFoundError(
            f"Issue {issue.number} has no waiver for {finding_id}", hint="To list them: digest issue show"
        )
    issue.waivers = left


def held(issue: Issue, findings: Iterable[Finding]) -> list[dict[str, str]]:
    """Return the waivers whose findings are still there, as they were."""
    present = {_key(finding) for finding in findings}
    return [one for one in issue.waivers if (one["id"], one["where"], one["message"]) in present]


def may_stand(finding: Finding) -> bool:
    """Return whether a finding can be waived."""
    return finding.severity == Severity.ADVISE or finding.id in WAIVABLE


def _key(finding: Finding) -> tuple[str, str, str]:
    return finding.id, _LINE.sub("", finding.where), finding.message
