"""Authentication of a mail of ours as it arrived: DKIM verified anew, SPF as the receiver says, DMARC alignment.

For a test mail that somebody got and saved with its header. Untrusted: anybody may have written the file.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import Message
from email.parser import BytesParser
from email.utils import getaddresses
from importlib.util import find_spec
from pathlib import Path

from digest.feedback.parsed_mail import PARSER_ERRORS, header_of
from digest.render.checks import Severity
from digest.runtime.errors import ContentError, NotFoundError, UsageError
from digest.runtime.text import count_of
from digest.workspace.doctor.diagnosis import Diagnosis, Met, Skipped
from digest.workspace.doctor.dns_records import INSTALL, dmarc_record
from digest.workspace.doctor.resolver import ObservedResolver, open_resolver, organizational_domain, tags_of
from subscribers.address import EmailAddress
from subscribers.errors import AddressError

MAX_BYTES = 25 * 1024 * 1024
MAX_SIGNATURES = 5
_ONE_CLICK = ("list-unsubscribe", "list-unsubscribe-post")
_COMMENT = re.compile(r"\([^()]{0,500}\)")
_SPF = re.compile(r"\bspf\s*=\s*(\w{1,20})", re.IGNORECASE)
_MAIL_FROM = re.compile(r"\bsmtp\.mail(?:from)?\s*=\s*\"?(?:[^@\s;]{0,64}@)?([\w.-]{1,253})", re.IGNORECASE)
_SILENT = logging.getLogger("dkimpy.silent")
_SILENT.disabled = True  # the library writes what it then returns
_HINT = "Save the mail as it arrived, with its complete header (“Show original”, “Download message”)."

Result = Met | Diagnosis | Skipped


@dataclass(frozen=True, slots=True)
class _Proof:
    """What speaks for the sender: a signature, or SPF. `holds` and `aligned` are None where nobody can know."""

    domain: str
    holds: bool | None
    aligned: bool | None
    why: str
    signed: frozenset[str] = frozenset()

    @property
    def counts(self) -> bool | None:
        """Whether DMARC counts it."""
        if False in {self.holds, self.aligned}:
            return False
        return None if None in {self.holds, self.aligned} else True


def examine_sent(file: Path, *, nameserver: str = "") -> tuple[str, tuple[Result, ...]]:
    """Return the domain in From and what was found. Raises DigestError for what is no mail, or without the extra."""
    if find_spec("checkdmarc") is None or find_spec("dkim") is None:
        raise UsageError("Signatures and DNS records cannot be checked", hint=INSTALL)
    data = _read(file)
    header = BytesParser(policy=policy.compat32).parsebytes(data, headersonly=True)
    sender = _sender(header, file)
    resolver = open_resolver(nameserver)
    return sender, tuple(_examined(data, header, sender, resolver))


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotFoundError(f"{file} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise ContentError(f"{file} is larger than {MAX_BYTES // 1024**2} MB", hint=_HINT)
    return data


def _sender(header: Message, file: Path) -> str:
    """Return the domain of From: DMARC takes only a mail with one author."""
    try:
        fields = [str(value) for name, value in header.items() if name.lower() == "from"]
        authors = [address for _, address in getaddresses(fields)]
        if len(fields) == len(authors) == 1:
            return EmailAddress.parse(authors[0]).address.rpartition("@")[2]
        problem = (
            (f"it has {count_of(len(fields), 'From field')} with {count_of(len(authors), 'address', 'addresses')}")
            if fields
            else "it has no From field"
        )
    except (AddressError, *PARSER_ERRORS):
        problem = "its From field has no address"
    raise ContentError(f"{file} is not a mail that receivers accept: {problem}", hint=_HINT)


def _examined(data: bytes, header: Message, sender: str, resolver: ObservedResolver | None) -> Iterator[Result]:
    if resolver is not None and not resolver.answers(sender):
        resolver = None  # else each question would wait for it
    none = Skipped("dmarc", "no name server answers")
    record = none if resolver is None else dmarc_record(sender, resolver)
    tags = {} if isinstance(record, Skipped) else tags_of(str(record.get("record") or ""))
    walk = _Alignment(sender, resolver)
    signatures = list(_signatures(data, header, walk, strict=tags.get("adkim", "").lower() == "s"))
    spf = _spf(header, walk, strict=tags.get("aspf", "").lower() == "s")
    yield _dkim_result(signatures, sender)
    yield _spf_result(spf, sender)
    if isinstance(record, Skipped):
        yield record
    elif not record.get("valid"):
        message = f"No DMARC record of {sender} can be used"
        yield Diagnosis("dmarc-missing", Severity.BLOCK, message, "To see what is wrong with it: digest doctor")
    else:
        where = f"p={tags.get('p', 'none')} at _dmarc.{record['location']}"
        yield _dmarc_result([*signatures, spf], where, sender)
    yield _one_click(header, signatures)


@dataclass(frozen=True, slots=True)
class _Alignment:
    """Compares domains with that of From (RFC 9989, section 4.4)."""

    sender: str
    resolver: ObservedResolver | None

    def texts(self, name: str) -> list[str] | None:
        return self.resolver.texts(name) if self.resolver else None

    def holds(self, domain: str, *, strict: bool) -> bool | None:
        if strict or domain == self.sender:
            return domain == self.sender
        theirs, ours = (organizational_domain(one, self.texts) for one in (domain, self.sender))
        return None if theirs is None or ours is None else theirs == ours


def _signatures(data: bytes, header: Message, walk: _Alignment, *, strict: bool) -> Iterator[_Proof]:
    import dkim  # noqa: PLC0415 - optional: digestpress[dns]

    silent: list[str] = []

    def ask(name: bytes, timeout: float = 0) -> bytes | None:  # noqa: ARG001 - as dkimpy calls it
        text = name.decode("ascii")
        texts = walk.texts(text)
        if texts is None:
            silent.append(text)
        return texts[0].encode() if texts else None

    fields = [str(value) for name, value in header.items() if name.lower() == "dkim-signature"]
    for place, field in enumerate(fields[:MAX_SIGNATURES]):
        tags = tags_of("".join(field.split()))
        domain, signed = tags.get("d", "").lower(), frozenset(tags.get("h", "").lower().split(":"))
        silent.clear()
        try:
            holds: bool | None = (
                bool(dkim.DKIM(data, logger=_SILENT).verify(idx=place, dnsfunc=ask)) and tags.get("a") != "rsa-sha1"
            )
            why = "" if holds else "the mail was changed in transit, or the key in DNS is missing or different"
        except (dkim.DKIMException, *PARSER_ERRORS) as error:
            holds, why = False, " ".join(str(error).partition(" (")[0].split())[:120] or type(error).__name__
        if silent:
            holds, why = None, f"no answer for {silent[0]}"
        yield _Proof(domain, holds, walk.holds(domain, strict=strict) if domain else False, why, signed)


def _spf(header: Message, walk: _Alignment, *, strict: bool) -> _Proof:
    """Return what the receiver wrote down, in the topmost Authentication-Results: its own is always added on top."""
    said = _COMMENT.sub("", header_of(header, "Authentication-Results"))
    found, envelope = _SPF.search(said), _MAIL_FROM.search(said)
    domain = (envelope[1] if envelope else header_of(header, "Return-Path").strip("<> ").rpartition("@")[2]).lower()
    if not found:
        return _Proof(domain, None, None, "the mail has no Authentication-Results with a result for SPF")
    holds = found[1].lower() == "pass"
    who = said.partition(";")[0].strip()[:100] or "the receiver"
    return _Proof(domain, holds, walk.holds(domain, strict=strict), f"{who} says spf={found[1].lower()[:20]}")


def _dkim_result(found: list[_Proof], sender: str) -> Result:
    if best := next((one for one in found if one.counts), None):
        return Met("dkim", f"signed by {best.domain}, verified, and aligned with {sender}")
    if unknown := next((one for one in found if one.counts is None), None):
        return Skipped("dkim", unknown.why or f"no answer for the DMARC records of {unknown.domain} or {sender}")
    if valid := next((one for one in found if one.holds), None):
        message = (
            f"The mail is signed by {valid.domain}, which does not belong to the organizational domain of {sender}"
        )
        return Diagnosis("dkim-alignment", Severity.BLOCK, message, f"Have the relay sign for {sender}, or set [dkim].")
    if found:
        message = f"The signature of {found[0].domain or 'an unnamed domain'} is not valid: {found[0].why}"
        return Diagnosis(
            "dkim-invalid", Severity.BLOCK, message, "Compare it with `digest dkim show`, or let the relay sign."
        )
    return Diagnosis("dkim-missing", Severity.BLOCK, "The mail is not signed", "Have the relay sign, or set [dkim].")


def _spf_result(spf: _Proof, sender: str) -> Result:
    if spf.holds is None or (spf.holds and spf.aligned is None):
        return Skipped("spf", spf.why if spf.holds is None else f"no answer for the DMARC records of {spf.domain}")
    if not spf.holds:
        message = f"SPF of {spf.domain or 'the envelope'} did not pass: {spf.why}"
        return Diagnosis("spf-failed", Severity.BLOCK, message, "Add the relay to the SPF record of that domain.")
    if not spf.aligned:
        message = f"SPF passed for {spf.domain}, which does not belong to the organizational domain of {sender}"
        remedy = "Set [feedback] return_path to a mailbox of your domain; DMARC may pass by DKIM alone."
        return Diagnosis("spf-alignment", Severity.ADVISE, message, remedy)
    return Met("spf", f"{spf.why} for {spf.domain}, aligned with {sender}")


def _dmarc_result(proofs: list[_Proof], where: str, sender: str) -> Result:
    if any(one.counts for one in proofs):
        return Met("dmarc", f"passes; {where}")
    if any(one.counts is None for one in proofs):
        return Skipped("dmarc", f"neither SPF nor DKIM is known to pass and align; {where}")
    message = f"Neither SPF nor DKIM passes for a domain aligned with {sender}; {where}"
    return Diagnosis("dmarc-failed", Severity.BLOCK, message, "Correct DKIM first: it survives forwarding.")


def _one_click(header: Message, signatures: list[_Proof]) -> Result:
    """RFC 8058: an https address, the Post field, and both under a signature that holds."""
    link, post = (header_of(header, name) for name in _ONE_CLICK)
    if "<https://" not in link or post.replace(" ", "").lower() != "list-unsubscribe=one-click":
        message = "One-click unsubscribe is missing: the mail needs List-Unsubscribe and List-Unsubscribe-Post"
        return Diagnosis("one-click", Severity.BLOCK, message, "Set [publication] base_url to an https address.")
    covering = [one for one in signatures if one.signed.issuperset(_ONE_CLICK)]
    if any(one.holds for one in covering):
        return Met("one-click", "List-Unsubscribe and List-Unsubscribe-Post are present and signed")
    if any(one.holds is None for one in covering):
        return Skipped("one-click", "the signature over List-Unsubscribe could not be verified")
    message = "No valid signature covers List-Unsubscribe and List-Unsubscribe-Post"
    return Diagnosis("one-click", Severity.BLOCK, message, "Have the relay sign both fields, or set [dkim].")
