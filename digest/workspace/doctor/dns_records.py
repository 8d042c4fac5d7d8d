"""Checks of the sender's DNS records, SPF, DKIM and DMARC (RFC 9989), by checkdmarc; skipped without a network.

Only what mailbox providers demand of bulk senders is a finding, and what no longer does what its owner expects. A name
server that does not answer is no finding: the record is unknown.
"""

import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from digest.delivery.dkim import setup
from digest.feedback.parsed_mail import PARSER_ERRORS
from digest.render.checks import Severity
from digest.runtime.errors import DigestError
from digest.workspace.doctor.diagnosis import Diagnosis, DoctorContext, Skipped
from digest.workspace.doctor.resolver import SECONDS, ObservedResolver, open_resolver, tags_of

MOST_LOOKUPS = 10
"""RFC 7208, section 4.6.4: a record that needs more is an error to receivers."""
INSTALL = "pip install 'digestpress[dns]'"
_OBSOLETE = ("pct", "rf", "ri")
_SHOWN = 300
_NAMES_NOBODY = re.compile(r"v=spf1(?:\s+[-~]all)?")


def published(context: DoctorContext) -> Iterator[Diagnosis | Skipped]:
    """SPF, DKIM and DMARC of the sender's domain, if mail leaves this machine."""
    settings = context.settings
    domain = settings.publication.sender_domain
    if settings.delivery.transport == "maildir" or not settings.delivery.allow_send:
        yield Skipped("dns", "no mail leaves this machine: [delivery] allow_send is false")
        return
    if find_spec("checkdmarc") is None:
        yield Skipped("dns", f"to check SPF, DKIM and DMARC: {INSTALL}")
        return
    resolver = open_resolver(context.nameserver)
    if resolver is None or not resolver.answers(domain):
        yield Skipped("dns", "no name server answers, so SPF, DKIM and DMARC were not checked")
        return
    # SPF is asked of the envelope's sender, where bounces come back to
    yield from _spf(settings.feedback.return_path.rpartition("@")[2] or domain, resolver)
    yield from _dkim(context, resolver)
    yield from _dmarc(domain, resolver)


def dmarc_record(domain: str, resolver: ObservedResolver) -> Mapping[str, Any] | Skipped:
    """Return the record that applies to a domain as checkdmarc tells it, by the tree walk; Skipped if it is unknown."""
    return _asked("dmarc", domain, resolver, ignore_unrelated_records=True)


def _asked(name: str, domain: str, resolver: ObservedResolver, **options: bool) -> Mapping[str, Any] | Skipped:
    from checkdmarc import check_dmarc, check_spf  # noqa: PLC0415 - optional: digestpress[dns]

    check = check_dmarc if name == "dmarc" else check_spf
    before = len(resolver.unanswered)
    try:
        found: Mapping[str, Any] = check(domain, resolver=resolver, timeout=SECONDS, retries=0, **options)
    except PARSER_ERRORS as error:  # what a stranger's record can do to a parser
        return Skipped(name, f"the record of {domain} could not be read ({type(error).__name__})")
    if not found.get("valid") and (silent := resolver.unanswered[before:]):
        return Skipped(name, f"no answer for {silent[0]}, so the result is unknown")
    return found


def _error(found: Mapping[str, Any]) -> str:
    """Return the library's error: it quotes what a stranger wrote."""
    text = " ".join(str(found.get("error", "none was found")).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _spf(domain: str, resolver: ObservedResolver) -> Iterator[Diagnosis | Skipped]:
    found = _asked("spf", domain, resolver)
    if isinstance(found, Skipped):
        yield found
        return
    record, lookups = found.get("record"), found.get("dns_lookups") or 0
    if not record:
        message = f"{domain} has no usable SPF record: {_error(found)}"
        remedy = f'Publish one TXT record at {domain} that names your relay, such as "v=spf1 include:… -all".'
        yield Diagnosis("spf-missing", Severity.BLOCK, message, remedy)
    elif lookups > MOST_LOOKUPS:
        message = f"The SPF record of {domain} needs {lookups} DNS lookups; receivers stop at {MOST_LOOKUPS}"
        yield Diagnosis("spf-invalid", Severity.BLOCK, message, "Remove includes that you do not need.")
    elif not found.get("valid"):
        message = f"The SPF record of {domain} is not valid: {_error(found)}"
        remedy = "Correct it; receivers treat it as missing."
        yield Diagnosis("spf-invalid", Severity.BLOCK, message, remedy)
    elif _NAMES_NOBODY.fullmatch(str(record).lower().strip()):
        message = f"The SPF record of {domain} names no servers, so no server may send for it, not even the relay"
        yield Diagnosis("spf-empty", Severity.BLOCK, message, "Add your relay to it, for example with include:….")
    elif (found.get("parsed") or {}).get("all") in {"pass", "neutral"}:
        message = f"The SPF record of {domain} allows every server to send for it"
        yield Diagnosis("spf-open", Severity.ADVISE, message, "End it with -all or ~all.")


def _dkim(context: DoctorContext, resolver: ObservedResolver) -> Iterator[Diagnosis | Skipped]:
    try:
        ours = setup.show(context.settings) if context.settings.dkim else None
    except DigestError:
        return  # reported by relays.signature
    if ours is None:
        yield Skipped("dkim", "[dkim] is not configured: the relay signs, with a key whose name is unknown here")
        return
    name = ours.record.name
    texts = resolver.texts(name)
    if texts is None:
        yield Skipped("dkim", f"no answer for {name}, so the result is unknown")
    elif not any(_key_of(text) == _key_of(ours.record.value) for text in texts):
        what = "contains another key" if texts else "is missing"
        message = f"The DKIM record {name} {what}, so signatures cannot be verified"
        yield Diagnosis("dkim-record", Severity.BLOCK, message, "Publish the output of `digest dkim show`.")


def _key_of(record: str) -> str:
    return "".join(tags_of(record).get("p", "").split())


def _dmarc(domain: str, resolver: ObservedResolver) -> Iterator[Diagnosis | Skipped]:
    found = dmarc_record(domain, resolver)
    if isinstance(found, Skipped):
        yield found
        return
    if not found.get("record"):
        message = f"{domain} has no DMARC record: {_error(found)}"
        remedy = f'Publish one TXT record at _dmarc.{domain}; you can start with "v=DMARC1; p=none; rua=mailto:…".'
        yield Diagnosis("dmarc-missing", Severity.BLOCK, message, remedy)
    elif not found.get("valid"):
        message = f"The DMARC record of {domain} is not valid: {_error(found)}"
        yield Diagnosis("dmarc-invalid", Severity.BLOCK, message, "Correct it; receivers ignore it now.")
    else:
        yield from _outdated(str(found["record"]), f"_dmarc.{found['location']}")


def _outdated(record: str, name: str) -> Iterator[Diagnosis]:
    tags = tags_of(record)
    if gone := [tag for tag in _OBSOLETE if tag in tags]:
        counts = "; the policy applies to all mail" if tags.get("pct", "100") != "100" else ""
        message = f"{name} has {', '.join(gone)}, which RFC 9989 has removed{counts}"
        yield Diagnosis("dmarc-obsolete", Severity.ADVISE, message, "Remove it; t=y is for testing a policy.")
    strict = tags.get("p", "none").lower() != "none"
    if strict and tags.get("np", tags.get("sp", "reject")).lower() == "none":
        message = f"{name} allows every server to send for subdomains that do not exist"
        yield Diagnosis("dmarc-subdomains", Severity.ADVISE, message, "Add np=reject (RFC 9989).")
    if strict and tags.get("t", "").lower() == "y":
        message = f"{name} has t=y: receivers apply the policy one step less strictly"
        yield Diagnosis("dmarc-testing", Severity.ADVISE, message, "Remove t=y when the reports are good.")
