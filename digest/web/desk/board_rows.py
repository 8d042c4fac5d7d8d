"""Rows of the issue board in the words of the desk's language, made once for each article: a board has many."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from digest.issues.board import BoardArticle
from digest.render.locales import article_date, language_name, locale_of
from digest.settings.publication import pick
from digest.settings.root import Settings


class BoardRow(NamedTuple):
    """An article as the board shows it; `facts` are its topics, its form and why it is in or out."""

    slug: str
    title: str
    pin: bool
    languages: str
    lacking: list[str]
    facts: str


@dataclass(frozen=True)
class RowWriter:
    """Writes rows in one language."""

    settings: Settings
    language: str
    translate: Callable[[str], str]

    def row(self, article: BoardArticle) -> BoardRow:
        """Return an article of the issue as a row."""
        topics = ", ".join(self._topics.get(topic, topic) for topic in article.topics) or self._words["everyone"]
        size = self._words["size"] % {"count": f"{article.characters:,}"}
        form = self._words.get(article.display or "", "")
        facts = [topics, form, size if article.characters else "", self.reason(article.reason)]
        spoken = " ".join(code for code in self._lacking if code in article.languages)
        lacking = [words for code, words in self._lacking.items() if code not in article.languages]
        return BoardRow(article.slug, article.title, article.pin, spoken, lacking, " · ".join(filter(None, facts)))

    def outside(self, article: BoardArticle) -> tuple[str, str, str, bool]:
        """Return slug, title, reason of an article outside the issue, and whether it may be added."""
        return article.slug, article.title, self.reason(article.reason), not article.carried

    def reason(self, text: str) -> str:
        """Return why an article is in or out; words that are not known stay as they are."""
        if text not in self._known:
            self._known[text] = self._said(text)
        return self._known[text]

    def _said(self, text: str) -> str:
        for pattern, words in self._reasons:
            if found := pattern.fullmatch(text):
                values = found.groupdict()
                if "day" in values:
                    values["day"] = article_date(values["day"], locale_of(self.language))
                return words % values
        return text

    @cached_property
    def _known(self) -> dict[str, str]:
        return {}

    @cached_property
    def _topics(self) -> dict[str, str]:
        return {one.slug: pick(one.title, self.language) for one in self.settings.interest}

    @cached_property
    def _lacking(self) -> dict[str, str]:
        words, locale = self.translate("no %(language)s"), locale_of(self.language)
        return {code: words % {"language": language_name(code, locale)} for code in self.settings.languages}

    @cached_property
    def _words(self) -> dict[str, str]:
        translate = self.translate
        return {
            "everyone": translate("for everyone"),
            "full": translate("in full"),
            "summary": translate("as a summary"),
            "size": translate("%(count)s characters"),
        }

    @cached_property
    def _reasons(self) -> list[tuple[re.Pattern[str], str]]:
        """The reasons that assembling and edits by hand store, each with what the page says."""
        translate, day = self.translate, r"dated (?P<day>[\d-]+)"
        words = {
            rf"{day}, in .*": translate("Dated %(day)s, in this month"),
            "undated: .*": translate("Has no date"),
            "moved by hand": translate("Moved by hand"),
            "added by hand": translate("Added by hand"),
            rf"late: {day} .*": translate("Dated %(day)s: late, and in no issue yet"),
            r"held over from issue (?P<number>\d+)": translate("Held over from issue %(number)s"),
            "held for .*": translate("Goes into the next issue instead"),
            "dropped by hand": translate("Dropped by hand"),
            r"dropped by hand from issue (?P<number>\d+)": translate("Dropped from issue %(number)s"),
            r"was in issue (?P<number>\d+)": translate("Is in issue %(number)s"),
            rf"{day}, after .*": translate("Dated %(day)s, after this month"),
            rf"{day}, more than .*": translate("Dated %(day)s, more than a month earlier"),
            rf"{day}: the first .*": translate("Dated %(day)s; the first issue takes no late articles"),
            r"section .* is full \(cap (?P<number>\d+)\).*": translate("Its section is full (at most %(number)s)"),
            "available again .*": translate("Available again after a withdrawal"),
        }
        return [(re.compile(pattern), said) for pattern, said in words.items()]
