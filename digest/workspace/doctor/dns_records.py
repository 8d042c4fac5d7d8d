"""Checks of the sender's DNS records, SPF, DKIM and DMARC, by checkdmarc; skipped without a network.

Only what mailbox providers demand of bulk senders is a finding.
"""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import dns.exception
import dns.resolver
from dns.resolver import Resolver

from digest.delivery.dkim import setup
from digest.render.checks import Severity
from digest.runtime.errors import DigestError, UsageError
from digest.workspace.doctor.diagnosis import Diagnosis, DoctorContext, Skipped

SECONDS = 3.0
MOST_LOOKUPS = 10
"""RFC 7208, section 4.6.4: a record that needs more is an error to receivers."""


def published(context: DoctorContext) -> Iterator[Diagnosis | Skipped]:
    """SPF, DKIM and DMARC of the sender's domain, if mail leaves this machine."""
    settings = context.settings
    domain = settings.publication.sender_domain
    if settings.delivery.transport == "maildir" or not settings.delivery.allow_send:
        yield Skipped("dns", "no mail leaves this machine: [delivery] allow_send is false")
        return
    if find_spec("checkdmarc") is None:
        yield Skipped("dns", "pip install 'digestpress[dns]' to have SPF, DKIM and DMARC looked at")
        return
    resolver = _resolver(context.nameserver)
    if resolver is None or not _answers(resolver, domain):
        yield Skipped("dns", "no name server answers, so SPF, DKIM and DMARC were not looked at")
        return
    yield from _spf(domain, resolver)
    yield from _dkim(context, resolver)
    yield from _dmarc(domain, resolver)


def _resolver(nameserver: str) -> Resolver | None:
    try:
        resolver = dns.resolver.Resolver(configure=not nameserver)
        if nameserver:
            host, _, port = nameserver.rpartition(":") if nameserver.count(":") == 1 else (nameserver, "", "")
            resolver.nameservers, resolver.port = [host], int(port or 53)
    except ValueError as error:
        hint = "Write an address: 192.0.2.53 or 127.0.0.1:5353"
        raise UsageError(f"{nameserver!r} is not a name server", hint=hint) from error
    except (dns.exception.DNSException, OSError):  # no resolv.conf: there is no network
        return None
    resolver.timeout = resolver.lifetime = SECONDS
    return resolver


def _answers(resolver: Resolver, domain: str) -> bool:
    try:
        resolver.resolve(domain, "SOA")
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return True
    except (dns.exception.DNSException, OSError):
        return False
    return True


def _spf(domain: str, resolver: Resolver) -> Iterator[Diagnosis]:
    from checkdmarc.spf import check_spf  # noqa: PLC0415 - optional: digestpress[dns]

    found: Mapping[str, Any] = check_spf(domain, resolver=resolver, timeout=SECONDS)
    record, lookups = found.get("record"), found.get("dns_lookups") or 0
    if not record:
        message = f"{domain} has no usable SPF record: {found.get('error', 'none was found')}"
        remedy = f'Publish one TXT record at {domain} that names your relay, such as "v=spf1 include:… -all".'
        yield Diagnosis("spf-missing", Severity.BLOCK, message, remedy)
    elif lookups > MOST_LOOKUPS:
        message = f"The SPF record of {domain} needs {lookups} look-ups; receivers stop at {MOST_LOOKUPS}"
        yield Diagnosis("spf-invalid", Severity.BLOCK, message, "Take includes out that you do not need.")
    elif not found.get("valid"):
        message = f"The SPF record of {domain} is wrong: {found.get('error', '')}"
        remedy = "Correct it; receivers treat it as if it was not there."
        yield Diagnosis("spf-invalid", Severity.BLOCK, message, remedy)
    elif (found.get("parsed") or {}).get("all") in {"pass", "neutral"}:
        message = f"The SPF record of {domain} lets anybody send in its name"
        yield Diagnosis("spf-open", Severity.ADVISE, message, "End it in -all or ~all.")


def _dkim(context: DoctorContext, resolver: Resolver) -> Iterator[Diagnosis | Skipped]:
    try:
        ours = setup.show(context.settings) if context.settings.dkim else None
    except DigestError:
        return  # reported by relays.signature
    if ours is None:
        yield Skipped("dkim", "no [dkim] is configured: the relay signs, by a key whose name is not known here")
        return
    name = ours.record.name
    try:
        texts = [b"".join(row.strings).decode("ascii", "replace") for row in resolver.resolve(name, "TXT")]
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        texts = []
    except dns.exception.DNSException as error:
        yield Skipped("dkim", f"{name} could not be asked for: {type(error).__name__}")
        return
    if not any(_key_of(text) == _key_of(ours.record.value) for text in texts):
        what = "is another key's" if texts else "is not there"
        message = f"The DKIM record {name} {what}: what we sign cannot be verified"
        yield Diagnosis("dkim-record", Severity.BLOCK, message, "Publish what `digest dkim show` prints.")


def _key_of(record: str) -> str:
    tags = (part.partition("=") for part in record.split(";"))
    return next(("".join(value.split()) for name, _, value in tags if name.strip() == "p"), "")


def _dmarc(domain: str, resolver: Resolver) -> Iterator[Diagnosis]:
    from checkdmarc.dmarc import check_dmarc  # noqa: PLC0415 - optional: digestpress[dns]

    found: Mapping[str, Any] = check_dmarc(domain, resolver=resolver, timeout=SECONDS)
    if not found.get("record"):
        remedy = f'Publish a TXT record at _dmarc.{domain}; "v=DMARC1; p=none; rua=mailto:…" is a beginning.'
        yield Diagnosis("dmarc-missing", Severity.BLOCK, f"{domain} has no DMARC record", remedy)
    elif not found.get("valid"):
        message = f"The DMARC record of {domain} is wrong: {found.get('error', '')}"
        yield Diagnosis("dmarc-invalid", Severity.BLOCK, message, "Correct it; receivers ignore it as it is.")
