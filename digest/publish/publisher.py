"""The parts that every step of publishing needs: settings, database and templates."""

from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Engine
from sqlmodel import Session

from digest.editions.segment import EmptyRule, SegmentRules
from digest.publish.approval import void_approvals
from digest.render.loader import Templates
from digest.runtime.errors import RefusedError
from digest.settings.root import Settings


class FindingsBlockError(RefusedError):
    """The checks found something that must be mended first."""

    default_hint = "To list all findings with their remedies: digest issue check"


@dataclass(frozen=True)
class Publisher:
    """Settings, database and templates of one workspace."""

    settings: Settings
    engine: Engine
    templates: Templates

    @cached_property
    def rules(self) -> SegmentRules:
        editions = self.settings.editions
        return SegmentRules(EmptyRule(editions.empty), editions.missing_translation == "omit", self.settings.languages)

    def void_approvals(self, session: Session) -> dict[int, list[str]]:
        """Return the issues whose approval no longer holds, by number, each with what changed."""
        return void_approvals(session, self.settings, self.templates)
