"""Checks of subject, slots, unfilled templates, postal address and plain text."""

import html
import re
from collections import Counter
from collections.abc import Iterator

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
        message = "The subject holds control characters or a line break"
        yield Finding("subject-control", Severity.BLOCK, "subject", message, remedy)
    if _REPLY.match(subject.strip()):
        message = "The subject looks like a reply or a forwarded mail, which mailbox providers forbid"
        yield Finding("subject-reply", Severity.BLOCK, "subject", message, remedy)
    if cells(subject) > SUBJECT_CELLS:
        message = f"The subject is {cells(subject)} columns wide; inboxes cut it at about {SUBJECT_CELLS}"
        yield Finding("subject-long", Severity.ADVISE, "subject", message, remedy)
    said, more = words_only(subject), words_only(mail.preheader)
    if more and (more in said or said in more[: len(said)]):
        message = f"The preheader repeats the subject, beside which inboxes show it: “{mail.preheader}”"
        remedy = "Give the first article a summary, or set it: `digest issue edit --preheader TEXT`."
        yield Finding("preheader-subject", Severity.ADVISE, "preheader", message, remedy)


def slots_in(document: str, nonce: str) -> Counter[Slot]:
    """Return how often each slot occurs in a document."""
    return Counter(piece for piece in split(document, nonce) if isinstance(piece, Slot))


def check_slots(mail: CheckedMail) -> Iterator[Finding]:
    """Required slots occur in both parts; none was lost or doubled between MJML and HTML."""
    html_slots, text_slots = slots_in(mail.html, mail.nonce), slots_in(mail.text, mail.nonce)
    for place, found in (("HTML", html_slots), ("plain text", text_slots)):
        for slot in sorted(mail.required - found.keys()):
            message = f"The {place} has no slot {slot.lower()}"
            remedy = f"Print slots.{slot.lower()} in the template; templates/README.md lists the slots."
            yield Finding("slot-missing", Severity.BLOCK, place, message, remedy)
    for slot in Slot:
        if html_slots[slot] != mail.declared[slot] and html_slots[slot]:
            message = f"The slot {slot.lower()}: {mail.declared[slot]} in the MJML, {html_slots[slot]} in the HTML"
            yield Finding("slot-doubled", Severity.BLOCK, "HTML", message, "Print slots only in text and in href.")


def check_leftovers(mail: CheckedMail) -> Iterator[Finding]:
    """There are no markers of unfilled templates, unless an author wrote them."""
    for place, document in (("HTML", html.unescape(mail.html)), ("plain text", mail.text)):
        for slot in Slot:
            document = document.replace(token(mail.nonce, slot), "")  # noqa: PLW2901 - the same document, cleaned
        for leftover in _LEFTOVERS:
            if leftover in document and leftover not in mail.source_text:
                message = f"The {place} holds “{leftover}”, as if a template was not filled"
                yield Finding("leftover", Severity.BLOCK, place, message, "Look for it in the templates.")


def check_footer(mail: CheckedMail) -> Iterator[Finding]:
    """Both parts show the sender's postal address, and it is not the placeholder."""
    address = "".join(mail.publication.postal_address.split())
    for place, text in (("HTML", shown(mail.html).text), ("plain text", "".join(mail.text.split()))):
        if not address or address not in text:
            message = f"The {place} does not show the postal address"
            remedy = "Set [publication] postal_address, and print publication.postal_address in the template."
            yield Finding("postal-missing", Severity.BLOCK, place, message, remedy)
    if "".join(PLACEHOLDER_ADDRESS.split()) in address:
        message = "The postal address is still the placeholder, with which only a relay on this machine is used"
        yield Finding("postal-placeholder", Severity.ADVISE, "footer", message, "Set [publication] postal_address.")


def check_text(mail: CheckedMail) -> Iterator[Finding]:
    """The plain text has the same articles in the same order, and every address of the HTML."""
    text = "".join(mail.text.split())
    if not text:
        yield Finding("text-empty", Severity.BLOCK, "plain text", "The plain text is empty", "See body.txt.j2.")
        return
    headings = ["".join(h.text_content().split()) for h in mail.tree.iter("h3", "h4")]
    at = 0
    for title in mail.titles:
        bare = "".join(title.split())
        found = text.find(bare, at)
        if found < 0 or bare not in headings:
            place = "plain text" if found < 0 else "HTML"
            message = f"The {place} does not name “{title}”, or not in the issue's order"
            yield Finding("text-order", Severity.BLOCK, place, message, "Both body templates must show the same.")
        at = max(found, at)
    for address in shown(mail.html).links:
        if not address.startswith("#") and PREFIX not in address and not _is_named(address, mail.text):
            message = f"The plain text lacks the link to {address}"
            yield Finding("text-link-missing", Severity.ADVISE, "plain text", message, "Print it in body.txt.j2.")


def _is_named(address: str, text: str) -> bool:
    """Return whether the text has the address; a bare `www.` or mail address needs no scheme."""
    bare = next((address.removeprefix(start) for start in SELF_EVIDENT if address.startswith(start)), address)
    return re.search(rf"(?<![\w.@-]){re.escape(bare)}(?![\w/%=&#~-])", text, re.ASCII) is not None
