"""Checks of subject, slots, unfilled templates, postal address and plain text."""

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Set

from digest.render.checks.finding import Finding, Severity
from digest.render.checks.mail import CheckedMail
from digest.render.markup import shown
from digest.render.plaintext import SELF_EVIDENT, cells
from digest.render.slots import PREFIX, Slot, split, token
from digest.runtime.text import words_only
from digest.settings.publication import PLACEHOLDER_ADDRESS

SUBJECT_CELLS = 78
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_REPLY = re.compile(r"(re|fwd?|aw|wg|답장|전달)\s*:", re.IGNORECASE)
_LEFTOVERS = ("{{", "{%", PREFIX, "\\u{")


def check_subject(mail: CheckedMail) -> Iterator[Finding]:
    """The subject is present, on one line, no reply, short enough for an inbox, and the preheader says more."""
    subject, remedy = mail.subject, "Change it: `digest issue edit --subject TEXT`."
    if not subject.strip():
        yield Finding("subject-empty", Severity.BLOCK, "subject", "The subject is empty", remedy)
    if _CONTROL.search(subject):
        message = "The subject contains control characters or a line break"
        yield Finding("subject-control", Severity.BLOCK, "subject", message, remedy)
    if _REPLY.match(subject.strip()):
        message = "The subject looks like a reply or a forwarded mail, which mailbox providers forbid"
        yield Finding("subject-reply", Severity.BLOCK, "subject", message, remedy)
    if cells(subject) > SUBJECT_CELLS:
        message = f"The subject is {cells(subject)} columns wide; inboxes cut it off at about {SUBJECT_CELLS}"
        yield Finding("subject-long", Severity.ADVISE, "subject", message, remedy)
    if repeats_subject(mail.preheader, subject):
        message = f"The preheader repeats the subject, next to which inboxes show it: “{mail.preheader}”"
        remedy = "Add a summary to the first article, or set the preheader: `digest issue edit --preheader TEXT`."
        yield Finding("preheader-subject", Severity.ADVISE, "preheader", message, remedy)


def repeats_subject(preheader: str, subject: str) -> bool:
    """Return whether a preheader says again what the subject says, beside which inboxes show it."""
    said, more = words_only(subject), words_only(preheader)
    return bool(more) and (more in said or said in more[: len(said)])


def slots_in(document: str, nonce: str) -> Counter[Slot]:
    """Return how often each slot occurs in a document."""
    return Counter(piece for piece in split(document, nonce) if isinstance(piece, Slot))


def check_slots(mail: CheckedMail) -> Iterator[Finding]:
    """Required slots occur in both parts; none was lost or doubled between MJML and HTML."""
    found = slots_in(mail.html, mail.nonce)
    yield from lacking_slots(mail.required, found.keys(), slots_in(mail.text, mail.nonce).keys())
    for slot in Slot:
        if found[slot] != mail.declared[slot] and found[slot]:
            message = f"The slot {slot.lower()}: {mail.declared[slot]} in the MJML, {found[slot]} in the HTML"
            yield Finding("slot-doubled", Severity.BLOCK, "HTML", message, "Print slots only in text and in href.")


def lacking_slots(required: Set[Slot], in_html: Set[Slot], in_text: Set[Slot]) -> Iterator[Finding]:
    """Yield the required slots that a part lacks."""
    for place, found in (("HTML", in_html), ("plain text", in_text)):
        for slot in sorted(required - found):
            message = f"The {place} has no slot {slot.lower()}"
            remedy = f"Print slots.{slot.lower()} in the template; see the slots in templates/README.md."
            yield Finding("slot-missing", Severity.BLOCK, place, message, remedy)


def check_leftovers(mail: CheckedMail) -> Iterator[Finding]:
    """There are no markers of unfilled templates, unless an author wrote them."""
    yield from leftovers("HTML", html.unescape(mail.html), mail)
    yield from leftovers("plain text", mail.text, mail)


def leftovers(place: str, document: str, mail: CheckedMail) -> Iterator[Finding]:
    """Yield the markers in a document or a fragment of it."""
    if not any(leftover in document for leftover in _LEFTOVERS):
        return
    for slot in Slot:
        document = document.replace(token(mail.nonce, slot), "")
    for leftover in _LEFTOVERS:
        if leftover in document and leftover not in mail.source_text:
            message = f"The {place} contains “{leftover}”, as if a template had not been filled"
            yield Finding("leftover", Severity.BLOCK, place, message, "Search for it in the templates.")


def check_footer(mail: CheckedMail) -> Iterator[Finding]:
    """Both parts show the sender's postal address, and it is not the placeholder."""
    address = "".join(mail.publication.postal_address.split())
    for place, text in (("HTML", shown(mail.html).text), ("plain text", "".join(mail.text.split()))):
        if not address or address not in text:
            message = f"The {place} does not contain the postal address"
            remedy = "Set [publication] postal_address, and print publication.postal_address in the template."
            yield Finding("postal-missing", Severity.BLOCK, place, message, remedy)
    if "".join(PLACEHOLDER_ADDRESS.split()) in address:
        message = "The postal address is still the placeholder, which is allowed only with a relay on this machine"
        yield Finding("postal-placeholder", Severity.ADVISE, "footer", message, "Set [publication] postal_address.")


def check_text(mail: CheckedMail) -> Iterator[Finding]:
    """The plain text has the same articles in the same order, and every address of the HTML."""
    if not mail.text.strip():
        yield Finding("text-empty", Severity.BLOCK, "plain text", "The plain text is empty", "Check body.txt.j2.")
        return
    yield from title_faults(mail.titles, mail.text, [h.text_content() for h in mail.tree.iter("h3", "h4")])
    yield from unnamed_links(shown(mail.html).links, mail.text)


def title_faults(titles: Iterable[str], text: str, headings: Iterable[str]) -> Iterator[Finding]:
    """Yield the titles that the plain text or the headings of level 3 and 4 of the HTML lack."""
    text, known = "".join(text.split()), {"".join(heading.split()) for heading in headings}
    at = 0
    for title in titles:
        bare = "".join(title.split())
        found = text.find(bare, at)
        if found < 0 or bare not in known:
            place = "plain text" if found < 0 else "HTML"
            message = f"The {place} does not contain “{title}”, or has it in the wrong order"
            yield Finding(
                "text-order", Severity.BLOCK, place, message, "Both body templates must show the same articles."
            )
        at = max(found, at)


def unnamed_links(links: Iterable[str], *texts: str) -> Iterator[Finding]:
    """Yield the addresses in the HTML that no plain text has."""
    for address in links:
        outer = not address.startswith("#") and PREFIX not in address
        if outer and not any(_is_named(address, text) for text in texts):
            message = f"The plain text does not contain the link to {address}"
            yield Finding("text-link-missing", Severity.ADVISE, "plain text", message, "Print it in body.txt.j2.")


def _is_named(address: str, text: str) -> bool:
    """Return whether the text has the address; a bare `www.` or mail address needs no scheme."""
    bare = next((address.removeprefix(start) for start in SELF_EVIDENT if address.startswith(start)), address)
    return re.search(rf"(?<![\w.@-]){re.escape(bare)}(?![\w/%=&#~-])", text, re.ASCII) is not None
