"""DKIM setup of a workspace: selector, key file, DNS record, and the lines for digest.toml."""

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
    """A key, its DNS record and the lines of digest.toml that enable it."""

    selector: str
    domain: str
    key_file: str
    bits: int
    record: Record
    config: str
    is_configured: bool

    def as_json(self) -> dict[str, object]:
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
    """Return the signer of this workspace's mail, None if off. Raises ConfigError for an unusable key."""
    if settings.dkim is None:
        return None
    return load(settings.workspace / settings.dkim.key_file, settings.dkim.selector, domain_of(settings))


def domain_of(settings: Settings) -> str:
    """Return the signing domain: the sender's, unless configured."""
    return (settings.dkim and settings.dkim.domain) or settings.publication.sender_domain


def is_aligned(settings: Settings) -> bool:
    """Whether the signature is aligned for DMARC (RFC 9989): the sender's domain, one above or one below."""
    ours, sender = (name.lower().split(".") for name in (domain_of(settings), settings.publication.sender_domain))
    shorter, longer = sorted((ours, sender), key=len)
    return longer[-len(shorter) :] == shorter and (len(shorter) > 1 or shorter == longer)


def make(settings: Settings, selector: str, bits: int, today: date) -> Published:
    """Generate a key. Without a selector: the configured one if its key is missing, else one by the month.

    Raises RefusedError if the file exists, ConfigError or UsageError for unusable values.
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise UsageError(f"A key cannot have {bits} bits", hint=f"Choose {MIN_BITS} to {MAX_BITS}.")
    chosen = selector or _next_selector(settings, today)
    check_names(chosen, domain_of(settings))
    path = settings.workspace / _key_file(settings, chosen)
    return _published(settings, DkimSigner(generate(path, bits), chosen, domain_of(settings)))


def show(settings: Settings, selector: str = "") -> Published:
    """Return a key's record: the configured one's, or that of another selector. Raises ConfigError."""
    if not selector and settings.dkim is None:
        hint = "Run `digest dkim generate` to create a key, or use --selector to show one that is not configured yet."
        raise UsageError("[dkim] is not configured, so mail is not signed here", hint=hint)
    chosen = selector or (settings.dkim.selector if settings.dkim else "")
    path = settings.workspace / _key_file(settings, chosen)
    return _published(settings, load(path, chosen, domain_of(settings)))


def _next_selector(settings: Settings, today: date) -> str:
    dkim = settings.dkim
    if dkim and not (settings.workspace / dkim.key_file).exists():
        return dkim.selector
    return f"dp{today:%Y%m}"  # dated, so that one sees which of two is to be retired


def _key_file(settings: Settings, selector: str) -> str:
    """Return the key file of a selector: each has its own, as a rotation needs both keys."""
    configured = _configured(settings, selector)
    return configured.key_file if configured else f"dkim-{selector}.pem"


def _configured(settings: Settings, selector: str) -> Dkim | None:
    return settings.dkim if settings.dkim and settings.dkim.selector == selector else None


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
        is_configured=_configured(settings, signer.selector) is not None,
    )
