"""Which editions of a build to list. Pure."""

from dataclasses import dataclass

from digest.publish.build import Build, BuiltEdition
from digest.publish.publisher import Publisher
from digest.runtime.errors import NotFoundError, UsageError
from subscribers.errors import InterestUnknownError
from subscribers.interests import ALL_TEXT, SEPARATOR


@dataclass(frozen=True, slots=True)
class EditionFilter:
    """A language, an interest and an article that editions must have; empty values let all through."""

    language: str = ""
    interest: str = ""
    slugs: frozenset[str] = frozenset()  # of the article in all languages

    @classmethod
    def chosen(cls, publisher: Publisher, made: Build, language: str, interest: str, article: str) -> "EditionFilter":
        """Return the filter that a person names. Raises UsageError and NotFoundError."""
        settings, groups = publisher.settings, made.content.articles.values()
        known = settings.require_language(language) if language else ""
        of_article = ({one.slug for one in group.values()} for group in groups)
        slugs = next((slugs for slugs in of_article if article in slugs), set[str]())
        if article and not slugs:
            hint = f"To list its articles: digest issue show {made.issue.number}"
            raise NotFoundError(f"Issue {made.issue.number} has no article {article}", hint=hint)
        try:
            interests = settings.catalogue.canonical(settings.catalogue.choose(interest))
        except InterestUnknownError as error:
            raise UsageError(str(error)) from error
        return cls(known, interests, frozenset(slugs))

    def matches(self, edition: BuiltEdition) -> bool:
        """Return whether an edition is in the language, for readers with the interest, and shows the article."""
        followed = {slug for group in edition.groups for slug in group.interests.split(SEPARATOR)}
        return (
            self.language in {"", edition.selection.language}
            and (not self.interest or not followed.isdisjoint({ALL_TEXT, self.interest}))
            and (not self.slugs or not self.slugs.isdisjoint(edition.slugs))
        )
