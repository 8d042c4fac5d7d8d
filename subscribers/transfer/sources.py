"""Export formats of other programs: how they are recognised, and what their columns mean. Pure.

Names of columns are from the code that writes them; its file is named beside each.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import parseaddr
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


def _listmonk_attributes(values: Mapping[str, str]) -> Mapping[str, str]:
    text = values.get("attributes", "")
    try:
        attributes = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        return values  # counted as a column without a place
    rest = {name: value for name, value in values.items() if name != "attributes"}
    return rest | flattened("attributes", attributes)


def _listmonk(cells: Cells, values: Mapping[str, str]) -> Cells:
    # "2021-09-30 09:00:00.123456 +0000 UTC": a date, a time, an offset, and the zone's name
    parts = values.get("created_at", "").split(" ")
    if len(parts) >= 3:
        seconds, _, fraction = parts[1].partition(".")
        cells["opted_in_at"] = f"{parts[0]}T{seconds}.{(fraction + '000000')[:6]}{parts[2]}"
    return {"consent_source": "listmonk", **cells}


# Mailchimp's audience exports: subscribed_, unsubscribed_, cleaned_ and nonsubscribed_email_audience_export_*.csv (or
# ..._members_export_*.csv). The vendor's pages name no columns; these are the first lines of real exports that public
# projects keep among their tests: the audience's own fields, EMAIL_TYPE, MEMBER_RATING, OPTIN_TIME, OPTIN_IP,
# CONFIRM_TIME, CONFIRM_IP, LATITUDE, LONGITUDE, GMTOFF, DSTOFF, TIMEZONE, CC, REGION, LAST_CHANGED | UNSUB_TIME,
# UNSUB_CAMPAIGN_TITLE, UNSUB_CAMPAIGN_ID, UNSUB_REASON, UNSUB_REASON_OTHER | CLEAN_TIME, CLEAN_CAMPAIGN_TITLE,
# CLEAN_CAMPAIGN_ID, then LEID, EUID, NOTES, TAGS. "Non-subscribed" stands in the file's name only.
MAILCHIMP_SIGNS: Final = frozenset({"OPTIN_TIME", "CONFIRM_TIME", "LEID", "EUID"})
MAILCHIMP_NOBODY: Final = "nonsubscribed_"
MAILCHIMP_LEFT: Final = "UNSUB_TIME"
MAILCHIMP_CLEANED: Final = "CLEAN_TIME"


def _mailchimp(cells: Cells, values: Mapping[str, str]) -> Cells:
    cells.setdefault("consent_source", "Mailchimp")
    both = MAILCHIMP_LEFT in values and MAILCHIMP_CLEANED in values
    if MAILCHIMP_LEFT in values and (values[MAILCHIMP_LEFT].strip() or not both):
        cells["status"] = "unsubscribed"
        reason = values.get("UNSUB_REASON", "").strip()
        cells["consent_source"] = f"Mailchimp: {reason[:180]}" if reason else "Mailchimp"
        cells["unsubscribed_at"] = _utc(values[MAILCHIMP_LEFT])
    elif MAILCHIMP_CLEANED in values and (values[MAILCHIMP_CLEANED].strip() or not both):
        cells["status"] = "bounced"
        cells["suppressed_at"] = _utc(values[MAILCHIMP_CLEANED])
    for column in ("opted_in_at", "confirmed_at"):
        cells[column] = _utc(cells.get(column, ""))
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
    _listmonk_attributes,
)
MAILCHIMP: Final = SourceProgram(
    "Mailchimp",
    ColumnMap(
        {
            "email": ("Email Address",),
            "name": ("First Name", "Last Name"),
            "interests": ("TAGS",),
            "format": ("EMAIL_TYPE",),
            "opted_in_at": ("OPTIN_TIME",),
            "confirmed_at": ("CONFIRM_TIME",),
            # read by `_mailchimp`
            "unsubscribed_at": ("UNSUB_TIME",),
            "consent_source": ("UNSUB_REASON",),
        }
    ),
    _mailchimp,
)
MAILCHIMP_NONSUBSCRIBED: Final = replace(
    MAILCHIMP, finish=lambda cells, values: {**_mailchimp(cells, values), "status": "nobody"}
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
ANY: Final = SourceProgram("mapped", ColumnMap())
