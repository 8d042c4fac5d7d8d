"""Links of an issue that lead nowhere: asked for over the network, so never a part of what is approved."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urldefrag

from digest.articles.body import render_body
from digest.articles.embeds import video_of
from digest.articles.models import Article
from digest.publish.content_checks import ArticleFiles
from digest.publish.publisher import Publisher
from digest.render.checks import Finding, Severity
from digest.render.content import IssueContent
from digest.runtime.link_probe import NO_SUCH_NAME, Answer, LinkState, probe_all

LINK_DEAD = "link-dead"
"""The id of the findings; they can't be waived, since they are not part of the issue."""
_REMEDY = "Correct the link or remove it."


@dataclass(frozen=True, slots=True)
class LinkReport:
    """What became of an issue's links: how many there are, the dead ones, why others are unsure, and what is left.

    A dead link in several articles has several findings.
    """

    links: int
    dead: tuple[Finding, ...]
    unsure: Mapping[str, str]
    unchecked: int

    @property
    def dead_links(self) -> int:
        """The number of dead links, however many articles have them."""
        return len({finding.message for finding in self.dead})


def check_links_of(
    publisher: Publisher, content: IssueContent, *, seconds: float, on_answer: Callable[[int], None] = lambda _: None
) -> LinkReport:
    """Ask for each page that the issue's texts link to. `on_answer` gets the number of answers so far."""
    places: dict[str, dict[str, None]] = {}
    for address, place in _links(publisher, content):
        if address.lower().startswith(("http://", "https://")):
            places.setdefault(urldefrag(address).url, {})[place] = None
    answers = probe_all(list(places), seconds=seconds, on_answer=on_answer)
    if len(answers) > 1 and all(answer.words == NO_SUCH_NAME for answer in answers.values()):
        answers = dict.fromkeys(answers, Answer(LinkState.UNSURE, "no name can be looked up: is this machine online?"))
    dead = tuple(
        Finding("link-dead", Severity.ADVISE, place, f"{address} leads nowhere: {answers[address].words}", _REMEDY)
        for address in places
        if address in answers and answers[address].link == LinkState.DEAD
        for place in places[address]
    )
    unsure = {one: answers[one].words for one in places if one in answers and answers[one].link == LinkState.UNSURE}
    return LinkReport(len(places), dead, unsure, len(places) - len(answers))


def _links(publisher: Publisher, content: IssueContent) -> Iterator[tuple[str, str]]:
    """Yield each address with its place."""
    files = ArticleFiles(publisher.settings.workspace)
    for language, text in content.issue.intro.items():
        for address in render_body(text, article_key="intro", language=language).links:
            yield address, "intro"
    for by_language in content.articles.values():
        for article in by_language.values():
            for address in _links_of(article):
                yield address, files.place(article, address, address.partition("://")[2])


def _links_of(article: Article) -> Iterator[str]:
    yield from render_body(article.body, article_key=article.group, language=article.language).links
    yield article.link or ""
    yield from (video_of(video).url for video in article.videos)
