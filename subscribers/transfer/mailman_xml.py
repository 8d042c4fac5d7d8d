"""Streaming reader of the members in Mailman 2's XML export (bin/export.py)."""

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final

from lxml import etree

from subscribers.transfer.rows import RowProblem

_TEXTS: Final = ("realname", "language")


def read_members(stream: BinaryIO) -> Iterator[tuple[int, Mapping[str, str]] | RowProblem]:
    """Yield line and values of each member; broken XML ends with a problem that says where."""
    # The file's own entities are not resolved: a few lines could expand to gigabytes.
    events = etree.iterparse(
        stream, events=("end",), tag="member", resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False
    )
    try:
        for _, member in events:
            yield member.sourceline or 0, _values(member)
            member.clear()
            parent = member.getparent()
            while parent is not None and member.getprevious() is not None:
                del parent[0]
    except etree.XMLSyntaxError as error:
        yield RowProblem(error.lineno or 0, "", f"the XML ends or is malformed here: {error.msg}"[:300])


def _values(member: "etree._Element") -> Mapping[str, str]:
    values = {name: member.findtext(name) or "" for name in _TEXTS}
    values["email"] = member.get("original") or member.get("id") or ""
    delivery = member.find("delivery")
    if delivery is not None:
        values["delivery"] = delivery.get("reason") or delivery.get("status") or "enabled"
        values["kind"] = delivery.get("delivery") or ""
        values["delivery changed"] = delivery.get("changed") or ""
    values["topics"] = ";".join(topic.text or "" for topic in member.iterfind("topics/topic"))
    for option in member:
        if option.tag not in {"realname", "language", "delivery", "topics", "password"}:
            values[str(option.tag)] = "" if option.text in {None, "0"} else option.text
    return values
