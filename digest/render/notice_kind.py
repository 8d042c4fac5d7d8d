"""Kinds of notices (mails that belong to no issue) with their properties."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from digest.render.slots import Slot
from subscribers.links import Purpose
from subscribers.models import SubscriberState

_CONFIRMED = frozenset({SubscriberState.CONFIRMED})
_OWN_LINKS = frozenset({Slot.INTERESTS, Slot.PREFERENCES_URL, Slot.UNSUBSCRIBE_URL})


@dataclass(frozen=True, slots=True)
class NoticeSpec:
    """Properties of a kind of notice. Its templates, with the subject, are in `templates/email/<kind>/`."""

    slots: frozenset[Slot] = frozenset()
    """The slots that both parts of the mail must have."""
    leads_to: Purpose | None = None
    """Purpose of the link behind ACTION_URL."""
    link_dates_from_request: bool = False
    """Whether the link's lifetime begins when the notice is promised; otherwise it begins when the mail is sent."""
    sent_to: frozenset[SubscriberState] | None = None
    """States in which a person may get it, checked before each attempt; None for any, also for no subscriber."""
    spares_suppressed: bool = False
    """Whether addresses that bounced, complained or were suppressed by hand do not get it."""
    only_to_present_address: bool = False
    """Whether it is dropped once the person has another address."""
    is_event: bool = False
    """Whether each notice has a text of its own, the event in its context; others are rendered once a language."""


class NoticeKind(StrEnum):
    """A kind of notice; the value is stored in the outbox and names the folder of templates."""

    spec: NoticeSpec

    def __new__(cls, value: str, spec: NoticeSpec = NoticeSpec()) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.spec = spec
        return member

    @classmethod
    def spec_of(cls, kind: str) -> NoticeSpec:
        """Return the properties of a stored kind; the default for one that a newer version stored."""
        return cls(kind).spec if kind in set(cls) else NoticeSpec()

    CONFIRMATION = (
        "confirmation",
        NoticeSpec(
            slots=frozenset({Slot.ACTION_URL}),
            leads_to=Purpose.CONFIRM,
            # a person who left and signs up again stays unsubscribed until they confirm
            sent_to=frozenset({SubscriberState.PENDING, SubscriberState.UNSUBSCRIBED}),
            spares_suppressed=True,
        ),
    )
    WELCOME = "welcome", NoticeSpec(slots=_OWN_LINKS, sent_to=_CONFIRMED)
    GOODBYE = "goodbye"  # the answer to leaving
    ADDRESS = (
        "address",
        NoticeSpec(
            slots=frozenset({Slot.ACTION_URL}),
            leads_to=Purpose.ADDRESS,
            sent_to=_CONFIRMED,  # a person who left meanwhile wants no mail at any address
        ),
    )
    NEW_ADDRESS = "new_address", NoticeSpec(slots=_OWN_LINKS, sent_to=_CONFIRMED, only_to_present_address=True)
    ADDRESS_CHANGED = "address_changed"  # the old address learns of the change in any case
    OPERATOR = "operator", NoticeSpec(is_event=True)
    RECONSENT = (
        "reconsent",
        NoticeSpec(
            slots=frozenset({Slot.ACTION_URL, Slot.UNSUBSCRIBE_URL, Slot.CONSENT_DATE}),
            leads_to=Purpose.KEEP,
            sent_to=_CONFIRMED,
            spares_suppressed=True,
        ),
    )
    OWN_DATA = (
        "own_data",
        NoticeSpec(
            slots=frozenset({Slot.ACTION_URL}),
            leads_to=Purpose.DATA,
            # a later link would outlive a change of address, although the mail is for the old mailbox
            link_dates_from_request=True,
            # all but erased people may know what is stored about them, also after they left
            sent_to=frozenset(SubscriberState) - {SubscriberState.ERASED},
            spares_suppressed=True,  # the link that asked for it may have been forwarded
            only_to_present_address=True,  # the old one may be another person's mailbox now
        ),
    )
