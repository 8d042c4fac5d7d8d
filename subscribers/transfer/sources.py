"""Export formats of other programs: how they are recognised, and what their columns mean. Pure.

Names of columns are from the code that writes them; its file is named beside each.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import parseaddr
from functools import partial
from typing import Final

from subscribers.transfer.mapping import ColumnMap, Leftovers

Cells = dict[str, str]


@dataclass(frozen=True, slots=True)
class SourceProgram:
    """A program with a known export format: its name, its column mapping, and conversions of records."""

    name: str
    map: ColumnMap
    finish: Callable[[Cells, Mapping[str, str]], Cells] = lambda cells, _values: cells
    expand: Callable[[Mapping[str, str]], Mapping[str, str]] = lambda values: values

    def cells(self, values: Mapping[str, str], left: Leftovers) -> Cells:
        """Return our cells of one record."""
        expanded = self.expand(values)
        return self.finish(self.map.apply(expanded, left), expanded)

    def with_map(self, over: ColumnMap) -> "SourceProgram":
        """Return this source with another mapping laid over its own."""
        return replace(self, map=over.over(self.map))


def flattened(name: str, value: object) -> dict[str, str]:
    """Return a JSON value as texts by dotted name; a list of simple values is one text, joined by semicolons."""
    if isinstance(value, dict):
        flat: dict[str, str] = {}
        for key, inner in value.items():
            flat |= flattened(f"{name}.{key}" if name else str(key), inner)
        return flat
    if isinstance(value, list):
        return {name: ";".join(text for item in value for text in flattened("", item).values())}
    return {name: "" if value is None else str(value)}


# knadh/listmonk, cmd/subscribers.go, ExportSubscribers: wr.Write([]string{"uuid", "email", "name", "attributes",
# "status", "created_at", "updated_at"}); the times are Go's time.String(). models/models.go: the status is enabled,
# disabled or blocklisted. Lists are not in it (listmonk issue 738): one file for each list, with --interests.
LISTMONK_HEADER: Final = ("uuid", "email", "name", "attributes", "status", "created_at", "updated_at")


def _spread(values: Mapping[str, str], column: str) -> Mapping[str, str]:
    """Return the values with a column of JSON as columns of their own."""
    text = values.get(column, "")
    try:
        inner = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        return values  # counted as a column without a place
    return {name: value for name, value in values.items() if name != column} | flattened(column, inner)


def _listmonk(cells: Cells, values: Mapping[str, str]) -> Cells:
    # "2021-09-30 09:00:00.123456 +0000 UTC": a date, a time, an offset, and the zone's name
    parts = values.get("created_at", "").split(" ")
    if len(parts) >= 3:
        seconds, _, fraction = parts[1].partition(".")
        cells["opted_in_at"] = f"{parts[0]}T{seconds}.{(fraction + '000000')[:6]}{parts[2]}"
    return {"consent_source": "listmonk", **cells}


# Mailchimp's audience exports: subscribed_, unsubscribed_, cleaned_ and nonsubscribed_email_audience_export_*.csv (or
# ..._members_export_*.csv). The vendor's pages name no columns; these are the first lines of real exports that public
# projects keep among their tests: the audience's own fields, in the account's language and with the address first; then
# EMAIL_TYPE, MEMBER_RATING, OPTIN_TIME, OPTIN_IP, CONFIRM_TIME, CONFIRM_IP, LATITUDE, LONGITUDE, GMTOFF, DSTOFF,
# TIMEZONE, CC, REGION, LAST_CHANGED | UNSUB_TIME, UNSUB_CAMPAIGN_TITLE, UNSUB_CAMPAIGN_ID, UNSUB_REASON,
# UNSUB_REASON_OTHER | CLEAN_TIME, CLEAN_CAMPAIGN_TITLE, CLEAN_CAMPAIGN_ID, then LEID, EUID, NOTES, TAGS.
# "Non-subscribed" stands in the file's name only.
_MAILCHIMP_SIGNS: Final = frozenset({"OPTIN_TIME", "CONFIRM_TIME", "LEID", "EUID", "UNSUB_TIME", "CLEAN_TIME"})
_FIRST_NAMES: Final = "first name|fname|vorname|prénom|nombre|nome|voornaam|imię|jméno|förnamn|fornavn|имя|名|이름"
_LAST_NAMES: Final = (
    "last name|lname|nachname|nom|nom de famille|apellido|apellidos|sobrenome|cognome|achternaam|nazwisko|příjmení|"
    "efternamn|etternavn|фамилия|姓|성"
)


def is_mailchimp(names: Iterable[str]) -> bool:
    """Return whether a file with these columns is of Mailchimp, whatever the language of the account."""
    return not _MAILCHIMP_SIGNS.isdisjoint(names)


def mailchimp(names: Sequence[str], first: Mapping[str, str], file_name: str) -> SourceProgram:
    """Return Mailchimp's format for a file whose first record is `first`; its columns are named as in the account."""
    with_address = (name for name in names if "@" in first.get(name, "")[1:])  # no @handle
    email = "Email Address" if "Email Address" in names else next(with_address, names[0])
    name = [column for known in (_FIRST_NAMES, _LAST_NAMES) for column in names if column.lower() in known.split("|")]
    columns = {**_MAILCHIMP.columns, "email": (email,), "name": tuple(name)}
    kind = next((kind for kind in ("nonsubscribed", "unsubscribed", "cleaned") if f"{kind}_" in file_name.lower()), "")
    return SourceProgram("Mailchimp", ColumnMap(columns), partial(_mailchimp, kind))


def _mailchimp(kind: str, cells: Cells, values: Mapping[str, str]) -> Cells:
    cells.setdefault("consent_source", "Mailchimp")
    left, cleaned = values.get("UNSUB_TIME", "").strip(), values.get("CLEAN_TIME", "").strip()
    for column in ("opted_in_at", "confirmed_at"):
        cells[column] = _utc(cells.get(column, ""))
    if kind == "nonsubscribed":
        return {**cells, "status": "nobody"}
    if left or (not cleaned and ("UNSUB_TIME" in values or kind == "unsubscribed")):
        reason = values.get("UNSUB_REASON", "").strip()
        source = f"Mailchimp: {reason[:180]}" if reason else "Mailchimp"
        return {**cells, "status": "unsubscribed", "consent_source": source, "unsubscribed_at": _utc(left)}
    if cleaned or "CLEAN_TIME" in values or kind == "cleaned":
        return {**cells, "status": "bounced", "suppressed_at": _utc(cleaned)}
    if not cells["opted_in_at"] and cells["confirmed_at"]:
        # Contacts added by the publisher have no OPTIN_TIME, and as CONFIRM_TIME the day of adding: no proof.
        cells["consent_source"] = f"Mailchimp: added on {cells['confirmed_at'][:10]}, no opt-in on record"
        cells["confirmed_at"] = ""
    return cells


def _utc(text: str) -> str:
    """Return "2018-03-15 17:51:42" as an instant; Mailchimp's times are UTC."""
    value = text.strip()
    return f"{value}+00:00" if len(value) == len("2018-03-15 17:51:42") else value


# Mailman 2, bin/export.py: <member id original><realname><language><delivery status reason changed delivery/><topics>.
# bin/list_members -f, and Mailman 3's `mailman members` (src/mailman/commands/cli_members.py), write one
# email.utils.formataddr a line. Postorius's Subscribers.csv (views/list.py, csv_view) has one address a line and no
# header. Mailman 3's REST roster has email, display_name, delivery_status, delivery_mode, role, list_id
# (src/mailman/rest/docs/membership.rst).
_MAILMAN_STATUS: Final = {
    "enabled": "",
    # their own decision: only they may undo it
    "byuser": "unsubscribed",
    "by_user": "unsubscribed",
    "bybounce": "bounced",
    "by_bounces": "bounced",
    "byadmin": "suppressed",
    "by_moderator": "suppressed",
    "unknown": "suppressed",
}
ROSTER_SIGNS: Final = frozenset({"email", "role", "list_id"})


def _mailman(cells: Cells, values: Mapping[str, str]) -> Cells:
    if values.get("role", "member") != "member":
        cells["status"] = "nobody"  # owners, moderators, and strangers who once wrote to the list
    if cells.get("format", "").startswith("plain"):
        cells["format"] = "text"
    else:
        cells.pop("format", None)
    return {"consent_source": "Mailman", **cells}


def mailman_line(text: str) -> Mapping[str, str] | None:
    """Parse a line of `list_members` or `mailman members`; None if it is none."""
    name, address = parseaddr(text)
    return {"email": address, "name": _in_words(name)} if address.count("@") == 1 and " " not in address else None


def _in_words(name: str) -> str:
    """Decode a name that formataddr encoded (RFC 2047); return any other as it is."""
    try:
        return str(make_header(decode_header(name)))
    except (LookupError, ValueError, HeaderParseError):
        return name


LISTMONK: Final = SourceProgram(
    "listmonk",
    ColumnMap({"email": ("email",), "name": ("name",), "status": ("status",), "opted_in_at": ("created_at",)}),
    _listmonk,
    partial(_spread, column="attributes"),
)
_MAILCHIMP: Final = ColumnMap(
    {
        "interests": ("TAGS",),
        "format": ("EMAIL_TYPE",),
        "opted_in_at": ("OPTIN_TIME",),
        "confirmed_at": ("CONFIRM_TIME",),
        # read by `_mailchimp`
        "unsubscribed_at": ("UNSUB_TIME",),
        "consent_source": ("UNSUB_REASON",),
    }
)
MAILMAN: Final = SourceProgram("Mailman", ColumnMap({"email": ("email",), "name": ("name",)}), _mailman)
MAILMAN2_XML: Final = SourceProgram(
    "Mailman 2 (export.py)",
    ColumnMap(
        {
            "email": ("email",),
            "name": ("realname",),
            "language": ("language",),
            "status": ("delivery",),
            "format": ("kind",),
            "interests": ("topics",),
        },
        status=_MAILMAN_STATUS,
    ),
    _mailman,
)
MAILMAN3: Final = SourceProgram(
    "Mailman 3 (roster)",
    ColumnMap(
        {
            "email": ("email",),
            "name": ("display_name",),
            "status": ("delivery_status",),
            "format": ("delivery_mode",),
            "interests": ("list_id",),
        },
        status=_MAILMAN_STATUS,
    ),
    _mailman,
)


# Ghost, ghost/core/core/server/services/members/exporter, unparse: id, email, name, note, subscribed_to_emails,
# complimentary_plan, stripe_customer_id, created_at, deleted_at, labels, tiers (before: products).
def _ghost(cells: Cells, values: Mapping[str, str]) -> Cells:
    subscribed = values["subscribed_to_emails"].strip().lower() in {*_TRUE, ""}
    left = not subscribed or values.get("deleted_at", "").strip()
    cells = {"consent_source": "Ghost", **cells}
    return {**cells, "status": "unsubscribed"} if left else cells


# Substack, email_list.NAME.csv: email, active_subscription, expiry, plan, email_disabled, created_at, first_payment_at
# (TryGhost/migrate, packages/mg-substack-members-csv, reads it); and the dashboard's export: Email, Name, Stripe plan,
# Cancel date, Start date ..., Emails received (6mo) .... Whether the subscription is paid says nothing about mail.
def _substack(cells: Cells, values: Mapping[str, str]) -> Cells:
    left = values.get("email_disabled", "").strip().lower() in _TRUE
    cells = {"consent_source": "Substack", **cells}
    return {**cells, "status": "unsubscribed"} if left else cells


# Buttondown: the keys of its API's subscriber, today's and the older ones
# (docs.buttondown.com/api-subscribers-introduction and -type): email_address | email, type | subscriber_type,
# creation_date, tags, metadata, notes, source ....
def _buttondown(cells: Cells, values: Mapping[str, str]) -> Cells:
    kind = (values.get("type") or values.get("subscriber_type") or "").strip().lower()
    since = values.get("unsubscription_date", "").strip()
    cells = {"consent_source": "Buttondown", **cells}
    if kind == "unsubscribed" or since:
        return {**cells, "status": "unsubscribed", "unsubscribed_at": since}
    if kind in _BUTTONDOWN_SUBSCRIBED:
        return cells
    return {**cells, "status": _BUTTONDOWN_STATUS.get(kind, "suppressed")}


_TRUE: Final = frozenset({"true", "1", "yes"})
_BUTTONDOWN_SUBSCRIBED: Final = frozenset(
    {"", "regular", "premium", "churned", "churning", "gifted", "past_due", "trialed", "unpaid"}
)
_BUTTONDOWN_STATUS: Final = {
    **dict.fromkeys(("unactivated", "upcoming", "paused"), "pending"),
    "undeliverable": "bounced",
    "complained": "complained",
}
GHOST: Final = SourceProgram(
    "Ghost",
    ColumnMap({"email": ("email",), "name": ("name",), "interests": ("labels",), "opted_in_at": ("created_at",)}),
    _ghost,
)
SUBSTACK: Final = SourceProgram(
    "Substack",
    ColumnMap({"email": ("email", "Email"), "name": ("name", "Name"), "opted_in_at": ("created_at",)}),
    _substack,
)
BUTTONDOWN: Final = SourceProgram(
    "Buttondown",
    ColumnMap(
        {
            "email": ("email_address", "email"),
            "name": ("metadata.name", "name"),
            "interests": ("tags",),
            "opted_in_at": ("creation_date",),
        }
    ),
    _buttondown,
    partial(_spread, column="metadata"),
)
_SIGNS: Final = (
    (GHOST, ({"email", "subscribed_to_emails"},)),
    (SUBSTACK, ({"email", "active_subscription"}, {"email", "email_disabled"}, {"Email", "Emails received (6mo)"})),
    (BUTTONDOWN, ({"email_address", "type", "creation_date"}, {"email", "subscriber_type"})),
)


def known(names: Iterable[str]) -> SourceProgram | None:
    """Return the program that writes files with these columns: listmonk, Ghost, Substack or Buttondown."""
    columns = set(names)
    if tuple(names) == LISTMONK_HEADER:
        return LISTMONK
    return next((program for program, signs in _SIGNS if any(map(columns.issuperset, signs))), None)


ANY: Final = SourceProgram("mapped", ColumnMap())
