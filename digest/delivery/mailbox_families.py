"""Mailbox provider families: domains that one provider hosts, and throttles together. Pure.

Hosted domains of organisations can be added in digest.toml; a DNS lookup at each send would make delivery depend on it.
"""

from collections.abc import Mapping, Sequence

from subscribers.mailbox_domains import DOMAINS


def families(added: Mapping[str, Sequence[str]] | None = None) -> dict[str, str]:
    """Return a map from domain to family: the known ones, overridden and extended by `added` (family to domains)."""
    return {**DOMAINS, **{domain.casefold(): family for family, more in (added or {}).items() for domain in more}}
