"""The mails that belong to no issue, by name: the one list for rendering, the outbox and whoever promises them."""

from enum import StrEnum


class NoticeKind(StrEnum):
    """The mails about a subscription, and to operators; the value is the template's folder."""

    CONFIRMATION = "confirmation"
    WELCOME = "welcome"
    GOODBYE = "goodbye"
    ADDRESS = "address"
    ADDRESS_CHANGED = "address_changed"
    OPERATOR = "operator"
    RECONSENT = "reconsent"
    OWN_DATA = "own_data"
