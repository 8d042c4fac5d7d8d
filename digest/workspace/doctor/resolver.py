"""A DNS resolver that remembers what was not answered: no answer is "unknown", never "not there"."""

from collections.abc import Callable
from typing import Any

import dns.exception
import dns.name
import dns.resolver

from digest.runtime.errors import UsageError

SECONDS = 3.0
MAX_RECORD = 16 * 1024
"""Octets of a TXT record; a longer one is hostile, and parsers take long over it."""
_IS_NOT_THERE = (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer)


class AnswerTooLongError(dns.exception.DNSException):
    """The record is too long to be looked at."""


class ObservedResolver(dns.resolver.Resolver):
    """Asks one name server, or those of the system; `unanswered` names the questions that got no usable answer."""

    def __init__(self, nameserver: str = "") -> None:
        super().__init__(configure=not nameserver)
        if nameserver:
            host, _, port = nameserver.rpartition(":") if nameserver.count(":") == 1 else (nameserver, "", "")
            self.nameservers, self.port = [host], int(port or 53)
        self.timeout = self.lifetime = SECONDS
        self.unanswered: list[str] = []

    def resolve(self, qname: dns.name.Name | str, *args: Any, **options: Any) -> dns.resolver.Answer:
        """Resolve as the base class does."""
        try:
            answer = super().resolve(qname, *args, **options)
            if any(sum(map(len, getattr(one, "strings", ()))) > MAX_RECORD for one in answer):
                raise AnswerTooLongError
        except _IS_NOT_THERE:
            raise
        except (dns.exception.DNSException, OSError) as error:
            self.unanswered.append(f"{qname} ({type(error).__name__})")
            raise
        return answer

    def texts(self, name: str) -> list[str] | None:
        """Return the TXT records of a name, none if there are none; None without an answer, or for no name at all."""
        try:
            return [b"".join(row.strings).decode("utf-8", "replace") for row in self.resolve(name, "TXT")]
        except _IS_NOT_THERE:
            return []
        except (dns.exception.DNSException, OSError, UnicodeError):
            return None

    def answers(self, domain: str) -> bool:
        """Return whether somebody answers, be it that there is nothing."""
        try:
            self.resolve(domain, "SOA")
        except _IS_NOT_THERE:
            return True
        except (dns.exception.DNSException, OSError):
            return False
        return True


def open_resolver(nameserver: str) -> ObservedResolver | None:
    """Return a resolver, None if this machine has no network. Raises UsageError for what is no address."""
    try:
        return ObservedResolver(nameserver)
    except ValueError as error:
        hint = "Use an address such as 192.0.2.53 or 127.0.0.1:5353"
        raise UsageError(f"{nameserver!r} is not a name server", hint=hint) from error
    except (dns.exception.DNSException, OSError):  # no resolv.conf
        return None


def organizational_domain(domain: str, texts: Callable[[str], list[str] | None]) -> str | None:
    """Return the domain whose mail counts as one sender's, by the tree walk of RFC 9989 4.10; None without an answer.

    checkdmarc walks the tree for the policy only, and asks the Public Suffix List for this.
    """
    labels = domain.lower().rstrip(".").split(".")
    starts = [0, *range(max(1, len(labels) - 7), len(labels))]
    last = domain
    for start in starts:
        name = ".".join(labels[start:])
        found = texts(f"_dmarc.{name}")
        if found is None:
            return None
        records = [tags for tags in map(tags_of, found) if tags.get("v", "") == "DMARC1"]
        if len(records) != 1:  # of several none counts
            continue
        if records[0].get("psd") == "y" and start:
            return ".".join(labels[start - 1 :])
        last = name
        if records[0].get("psd") == "n":
            break
    return last


def tags_of(record: str) -> dict[str, str]:
    """Return the tags of a DKIM or DMARC record, the first of each name."""
    found: dict[str, str] = {}
    for part in record.split(";"):
        name, _, value = part.partition("=")
        found.setdefault(name.strip().lower(), value.strip())
    return found
