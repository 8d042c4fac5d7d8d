"""What Gmail, Microsoft and Naver ask of senders of bulk mail (5,000 a day and more), and how it stands here. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from digest.settings.root import Settings

AS_OF: Final = "2026-11"
SOURCES: Final = {
    "gmail": "its page for senders, as of 2026-11; stricter since 2025-11",
    "microsoft": "its post for senders of 2025-04-29; rejects with 550 5.7.515",
    "naver": "its notice of 2024-07-19, as reported by mail services",
}
_REQUIRED, _ADVISED, _NOTHING = "required", "recommended", "-"


class DemandState(StrEnum):
    """Whether a demand is met; what only the relay or the provider can tell is unknown."""

    MET = "met"
    NOT_MET = "not met"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Demand:
    """One demand, how strictly each provider makes it, and how it stands."""

    id: str
    what: str
    gmail: str
    microsoft: str
    naver: str
    state: DemandState
    why: str


def demands_on(settings: Settings, findings: Collection[str], unseen: Collection[str]) -> list[Demand]:
    """Return the table; `findings` and `unseen` are the ids that the doctor reported and could not look at."""

    def record(name: str, *wrong: str) -> tuple[DemandState, str]:
        if bad := next((one for one in wrong if one in findings), None):
            return DemandState.NOT_MET, f"finding {bad}"
        if {"dns", name} & set(unseen):
            return DemandState.UNKNOWN, "its DNS record was not checked; try `doctor --sent FILE.eml`"
        if name == "spf":
            return DemandState.UNKNOWN, "the record is valid; to check that it names the relay: `doctor --sent FILE`"
        return DemandState.MET, "by its DNS record"

    by_relay = (DemandState.UNKNOWN, "depends on the relay that delivers")
    signed = record("dkim", "dkim-domain", "dkim-key", "dkim-record")
    link = (DemandState.MET, "in every mail")
    if not settings.publication.base_url.startswith("https://"):
        link = (DemandState.NOT_MET, "[publication] base_url is not https")
    dead = (DemandState.MET, "refusals suppress, and so do bounces that are imported")
    if not settings.feedback.return_path:
        dead = (DemandState.UNKNOWN, "refusals suppress; for later bounces, set [feedback] return_path")
    to_all = (_REQUIRED, _REQUIRED, _ADVISED)
    gmail, gmail_advises = (_REQUIRED, _NOTHING, _NOTHING), (_ADVISED, _NOTHING, _NOTHING)
    rows = (
        ("spf", "SPF passes", to_all, record("spf", "spf-missing", "spf-invalid", "spf-empty")),
        ("dkim", "mail is signed (DKIM) with a key of at least 1024 bits", to_all, signed),
        ("dmarc", "a DMARC record, at least p=none", to_all, record("dmarc", "dmarc-missing", "dmarc-invalid")),
        ("alignment", "From is aligned with SPF or DKIM", to_all, signed),
        ("reverse-dns", "the delivering server's address has a name that leads back to it", gmail, by_relay),
        ("tls", "delivery by TLS", gmail, by_relay),
        ("one-click", "one-click unsubscribe (RFC 8058), and a visible link", gmail, link),
        (
            "leave-in-time",
            "unsubscribed readers get nothing after two days",
            gmail_advises,
            (DemandState.MET, "at once"),
        ),
        (
            "opt-in",
            "every address is confirmed",
            gmail_advises,
            (DemandState.MET, "by mail, or by your proof of consent"),
        ),
        ("dead-addresses", "no mail to addresses that were permanently refused", (_NOTHING, _REQUIRED, _NOTHING), dead),
        (
            *("complaints", "spam complaints: below 0.1 % of mails, never 0.3 %", gmail),
            (DemandState.UNKNOWN, "visible only to Gmail: see Postmaster Tools"),
        ),
    )
    return [Demand(name, what, *asked, *state) for name, what, asked, state in rows]
