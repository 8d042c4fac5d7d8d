"""Checks of links: targets, addresses, link texts."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from digest.render.checks.finding import Finding, Severity
from digest.render.checks.mail import CheckedMail, is_loopback, where
from digest.render.slots import PREFIX

_SIGNS = " .!>»«→←"
_EMPTY_WORDS = frozenset(
    {"here", "click here", "click", "this", "link", "this link", "more", "read more", "learn more"}
    | {"여기", "여기를 클릭", "클릭", "링크", "더보기", "더 보기", "자세히", "바로가기"}
)


def check_anchors(mail: CheckedMail) -> Iterator[Finding]:
    """Ids are unique, and each link within the mail has a target."""
    ids = [element.get("id") for element in mail.tree.iterfind(".//*[@id]")]
    names = [anchor.get("name") for anchor in mail.tree.iterfind(".//a[@name]")]
    links = ((link.get("href").strip(), link) for link in mail.tree.iterfind(".//a[@href]"))
    yield from anchor_faults(ids, names, [one for one in links if one[0].startswith("#")], where)


def anchor_faults(
    ids: Sequence[str], names: Iterable[str], links: Iterable[tuple[str, Any]], place_of: Callable[[Any], str]
) -> Iterator[Finding]:
    """Yield the findings on ids and links within a mail; a link is an address and what `place_of` finds it by."""
    targets = {*ids}
    if len(targets) < len(ids):
        for name, count in Counter(ids).items():
            if count > 1:
                message, remedy = (
                    f"The id “{name}” occurs {count} times",
                    "Ids come from anchors: give each article its own.",
                )
                yield Finding("id-doubled", Severity.BLOCK, "HTML", message, remedy)
    targets.update(names)
    for address, link in links:
        if address[1:] not in targets:
            message = f"The link to {address} has no target in the mail"
            yield Finding("target-missing", Severity.BLOCK, place_of(link), message, "Add that id to its target.")


def check_links(mail: CheckedMail) -> Iterator[Finding]:
    """Each link has a descriptive text and an absolute, secure, public address."""
    for link in mail.tree.iterfind(".//a[@href]"):
        yield from link_faults(mail, link)


def link_faults(mail: CheckedMail, link: Any) -> Iterator[Finding]:
    """Yield what is wrong with one link."""
    address = link.get("href").strip()
    if not address.startswith("#") and PREFIX not in address:
        yield from _address(mail, link, address)
    yield from words_faults(link)


def _address(mail: CheckedMail, link: Any, address: str) -> Iterator[Finding]:
    if not address:
        words = " ".join(link.text_content().split())
        yield Finding(
            "link-empty", Severity.BLOCK, where(link), f"The link “{words}” has no address", "Add an address."
        )
        return
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        yield Finding("link-broken", Severity.BLOCK, where(link), f"{address} is not a valid address", "Correct it.")
        return
    if not parts.scheme or (parts.scheme in {"http", "https"} and not host):
        message = f"The link to {address} is relative, but a mail has no base address"
        yield Finding("link-relative", Severity.BLOCK, where(link), message, "Write the full address, with https://.")
    elif is_loopback(host):
        severity = Severity.ADVISE if mail.local else Severity.BLOCK
        message = f"The link to {address.partition(host)[0]}{host} works only on this machine"
        yield Finding("link-local", severity, "HTML", message, "Set [publication] base_url to the public address.")
    elif parts.scheme == "http":
        message = f"The link to {address} is not encrypted"
        yield Finding("link-http", Severity.ADVISE, where(link), message, "Try the address with https://.")


def words_faults(link: Any) -> Iterator[Finding]:
    """Yield what is wrong with the words of one link."""
    words = " ".join([*link.text_content().split(), *(i.get("alt") or "" for i in link.iter("img"))]).strip()
    spoken = link.get("aria-label") or words
    # Speech input takes words, not signs.
    if " ".join(words.split()).strip(_SIGNS).casefold() not in " ".join(spoken.split()).casefold():
        message = (
            f"The label “{spoken}” does not contain the link's text “{words}”, which speech input needs (WCAG 2.5.3)"
        )
        yield Finding("link-label", Severity.BLOCK, where(link), message, "Start aria-label with the visible text.")
    if not words and not spoken:
        message = f"The link to {link.get('href')} has no text"
        yield Finding("link-words-missing", Severity.BLOCK, where(link), message, "Put text between <a> and </a>.")
    elif spoken.strip(_SIGNS).lower() in _EMPTY_WORDS:
        message = f"The link “{words}” does not say where it leads"
        remedy = "Name the destination in the link text: many readers hear links out of context."
        yield Finding("link-words", Severity.ADVISE, where(link), message, remedy)
