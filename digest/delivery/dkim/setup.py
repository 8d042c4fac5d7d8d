"""A DKIM key for a workspace: which selector and file, the record to publish, and what to write into digest.toml."""

import json
from dataclasses import dataclass
from datetime import date

from digest.delivery.dkim.key import MAX_BITS, MIN_BITS, Record, check_names, generate, load, record_of
from digest.delivery.dkim.sign import DkimSigner
from digest.runtime.errors import UsageError
from digest.settings.delivery import Dkim
from digest.settings.root import Settings


@dataclass(frozen=True, slots=True)
class Published:
    """A key, its record in DNS and the lines of digest.toml that make it sign."""

    selector: str
    domain: str
    key_file: str
    bits: int
    record: Record
    config: str
    is_configured: bool

    def as_json(self) -> dict[str, object]:
        """The document that scripts read."""
        return {
            "selector": self.selector,
            "domain": self.domain,
            "key_file": self.key_file,
            "bits": self.bits,
            "name": self.record.name,
            "value": self.record.value,
            "strings": list(self.record.strings),
            "zone": self.record.zone_line,
            "config": self.config,
            "configured": self.is_configured,
        }


def signer_of(settings: Settings) -> DkimSigner | None:
    """Return what signs this workspace's mail, or None if it is off. Raises ConfigError for an unusable key."""
    if settings.dkim is None:
        return None
    return load(settings.workspace / settings.dkim.key_file, settings.dkim.selector, domain_of(settings))


def domain_of(settings: Settings) -> str:
    """The domain that signs: the sender's, unless configured."""
    return (settings.dkim and settings.dkim.domain) or settings.publication.sender_domain


def is_aligned(settings: Settings) -> bool:
    """Whether DMARC (RFC 9989) counts the signature for the sender: its own domain, one above or one below."""
    ours, sender = (name.lower().split(".") for name in (domain_of(settings), settings.publication.sender_domain))
    shorter, longer = sorted((ours, sender), key=len)
    return longer[-len(shorter) :] == shorter and (len(shorter) > 1 or shorter == longer)


def make(settings: Settings, selector: str, bits: int, today: date) -> Published:
    """Make a key. Without a selector: the configured one if its key is missing, else one by the month.

    Raises RefusedError if the file exists, ConfigError or UsageError for values that cannot be used.
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise UsageError(f"A key of {bits} bits is not made", hint=f"Use {MIN_BITS} to {MAX_BITS}.")
    chosen = selector or _next_selector(settings, today)
    check_names(chosen, domain_of(settings))
    path = settings.workspace / _key_file(settings, chosen)
    return _published(settings, DkimSigner(generate(path, bits), chosen, domain_of(settings)))


def show(settings: Settings, selector: str = "") -> Published:
    """Return a key's record again: the configured one's, or that of another selector. Raises ConfigError."""
    if not selector and settings.dkim is None:
        hint = "`digest dkim generate` makes a key; --selector shows one that is not configured yet."
        raise UsageError("No [dkim] is configured: mail is not signed here", hint=hint)
    chosen = selector or (settings.dkim.selector if settings.dkim else "")
    path = settings.workspace / _key_file(settings, chosen)
    return _published(settings, load(path, chosen, domain_of(settings)))


def _next_selector(settings: Settings, today: date) -> str:
    dkim = settings.dkim
    if dkim and not (settings.workspace / dkim.key_file).exists():
        return dkim.selector
    return f"dp{today:%Y%m}"  # dated, so that one sees which of two is to be retired


def _key_file(settings: Settings, selector: str) -> str:
    """Each selector has a file of its own: during a rotation both keys are there."""
    if _is_configured(settings.dkim, selector):
        assert settings.dkim is not None  # noqa: S101 - it is configured
        return settings.dkim.key_file
    return f"dkim-{selector}.pem"


def _is_configured(dkim: Dkim | None, selector: str) -> bool:
    return dkim is not None and dkim.selector == selector


def _published(settings: Settings, signer: DkimSigner) -> Published:
    key_file = _key_file(settings, signer.selector)
    lines = ["[dkim]", f"selector = {json.dumps(signer.selector)}", f"key_file = {json.dumps(key_file)}"]
    if settings.dkim and settings.dkim.domain:
        lines.append(f"domain = {json.dumps(settings.dkim.domain)}")
    return Published(
        selector=signer.selector,
        domain=signer.domain,
        key_file=key_file,
        bits=signer.key.key_size,
        record=record_of(signer.key, signer.selector, signer.domain),
        config="\n".join(lines),
        is_configured=_is_configured(settings.dkim, signer.selector),
    )
