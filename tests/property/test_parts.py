"""Splicing says what encoding the filled mail would say, for any text and any reader."""

import email
import email.policy
import re
from email.message import EmailMessage

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest.render.parts import (
    Base64Body,
    Fragment,
    PartOutline,
    QuotedBody,
    SlotValueMissingError,
    encode,
    joined,
    whole,
)
from digest.render.slots import Slot, SlotContext, SlotTokens, fill, token, uncut

NONCE = "0123456789abcdef"
SLOTS = SlotTokens(NONCE)

awkward = st.sampled_from(
    [
        "\n",
        "\n\n",
        " \n",
        "\t\n",
        ".",
        "\n.",
        "\n..\n",
        "From ",
        "\nFrom here",
        "=",
        "=3D",
        "=\n",
        "가나다 ",
        "한",
        "é",
        "😀",
        "--=_",
        "x" * 80,
        " " * 80,
    ]
)
prose = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t"), max_size=40)
literals = st.lists(st.one_of(awkward, prose), max_size=6).map("".join)
tokens = st.sampled_from([token(NONCE, slot) for slot in Slot])
documents = st.lists(st.one_of(literals, tokens), max_size=12).map("".join)
values = st.fixed_dictionaries({slot: st.one_of(awkward, prose, st.text(max_size=20)) for slot in Slot})

READER = {
    Slot.INTERESTS: "Mobility & <b>Safety</b>, 모빌리티",
    Slot.PREFERENCES_URL: "https://digest.example.org/preferences/" + "a" * 120,
    Slot.UNSUBSCRIBE_URL: "https://digest.example.org/unsubscribe/" + "b" * 120,
    Slot.VIEW_URL: "https://digest.example.org/view/" + "c" * 120,
    Slot.ACTION_URL: "https://digest.example.org/confirm/" + "d" * 120,
}


def reference(html: str, text: str, reader: dict[Slot, str]) -> EmailMessage:
    """The slow path that splicing must equal: fill, then let the standard library encode."""
    message = EmailMessage(policy=email.policy.SMTP)
    message.set_content(fill(text, NONCE, reader, SlotContext.PLAIN), cte="quoted-printable")
    message.add_alternative(fill(html, NONCE, reader, SlotContext.HTML), subtype="html", cte="quoted-printable")
    return message


def parse(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert part.defects == []
    return message


def decoded(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode("utf-8").replace("\r\n", "\n")


def with_last_newline(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def assert_fit_for_the_wire(raw: bytes) -> None:
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw), "a bare CR or LF"
    assert all(byte < 128 for byte in raw), "a byte of 8 bits"
    lines = raw.split(b"\r\n")
    assert max(map(len, lines)) <= 76
    assert not [line for line in lines if line.startswith((b".", b"From ")) or line.endswith((b" ", b"\t"))]


@settings(max_examples=150, deadline=None)
@given(html=documents, text=documents, reader=values)
@example(html="<p>" + SLOTS.interests, text=SLOTS.view_url, reader=READER)
@example(html="", text="", reader=READER)
def test_a_spliced_mail_reads_like_the_filled_one(html: str, text: str, reader: dict[Slot, str]) -> None:
    parts = encode(html, text, NONCE)
    raw = b"".join([parts.header(), b"\r\n", *parts.splice(reader)])
    assert_fit_for_the_wire(raw)
    plain, marked_up = parse(raw).iter_parts()
    assert [plain.get_content_type(), marked_up.get_content_type()] == ["text/plain", "text/html"]
    assert decoded(plain) == fill(with_last_newline(text), NONCE, reader, SlotContext.PLAIN)
    assert decoded(marked_up) == fill(with_last_newline(html), NONCE, reader, SlotContext.HTML)


@settings(max_examples=150, deadline=None)
@given(document=documents, reader=values, place=st.sampled_from(SlotContext))
@pytest.mark.parametrize("body", [QuotedBody, Base64Body])
def test_each_encoding_gives_the_filled_document_back(
    body: type[QuotedBody | Base64Body], document: str, reader: dict[Slot, str], place: SlotContext
) -> None:
    document = with_last_newline(document)
    encoded = body.of(whole(document, NONCE), place)
    header = (
        f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoded.encoding}"
    )
    raw = b"".join([header.encode(), b"\r\n\r\n", *encoded.splice(reader)])
    assert_fit_for_the_wire(raw)
    assert decoded(parse(raw)) == fill(document, NONCE, reader, place)


@st.composite
def in_pieces(draw: st.DrawFn) -> list[str]:
    """A document, cut anywhere: in the middle of a token or of a line end, too."""
    document = draw(
        st.lists(st.one_of(literals, tokens, st.sampled_from(["\r", "\r\n", "@", "@@"])), max_size=8).map("".join)
    )
    cuts = sorted(draw(st.lists(st.integers(0, len(document)), max_size=8)))
    return [document[a:b] for a, b in zip([0, *cuts], [*cuts, len(document)], strict=True)]


@settings(max_examples=300, deadline=None)
@given(pieces=in_pieces(), reader=values, place=st.sampled_from(SlotContext))
@example(pieces=["@@R_0123456789abcdef_VIEW", "_URL@@"], reader=READER, place=SlotContext.PLAIN)
@example(pieces=["one\r", "\ntwo"], reader=READER, place=SlotContext.PLAIN)
@example(pieces=["one\n", ""], reader=READER, place=SlotContext.PLAIN)
@example(pieces=["", SLOTS.view_url, ""], reader=READER, place=SlotContext.PLAIN)
@pytest.mark.parametrize("body", [QuotedBody, Base64Body])
def test_joined_fragments_read_like_the_whole(
    body: type[QuotedBody | Base64Body], pieces: list[str], reader: dict[Slot, str], place: SlotContext
) -> None:
    part = PartOutline.of([Fragment.of(piece, NONCE) for piece in uncut(pieces)])
    filled, at_once = (body.of(outline, place).splice(reader) for outline in (part, whole("".join(pieces), NONCE)))
    header = f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {body.of(part, place).encoding}"
    one, other = (b"".join([header.encode(), b"\r\n\r\n", *spliced]) for spliced in (filled, at_once))
    assert_fit_for_the_wire(one)
    assert decoded(parse(one)) == decoded(parse(other))
    assert len(filled) <= len(at_once) + 2, "one literal between two slots, whatever its fragments are"
    assert body.of(part, place).splice(reader) == filled, "what is kept does not change it"


def test_joining_one_fragment_changes_no_byte() -> None:
    html, text = f"<p>{SLOTS.interests}</p>\n", "거의 한국어뿐인 본문입니다.\n" * 50
    at_once, parts = encode(html, text, NONCE), (PartOutline.of([Fragment.of(one, NONCE)]) for one in (text, html))
    assert joined(at_once.boundary[2:], *parts).splice(READER) == at_once.splice(READER)


@pytest.mark.parametrize("length", range(13))
@pytest.mark.parametrize("literal", ["", "a", "ab", "abc", "가", "가나", "x" * 56, "x" * 57, "x" * 58])
def test_base64_needs_no_padding_in_the_middle_for_any_phase(length: int, literal: str) -> None:
    document = f"{literal}{SLOTS.interests}{literal}{SLOTS.interests}{SLOTS.interests}{literal}\n"
    encoded = Base64Body.of(whole(document, NONCE), SlotContext.PLAIN)
    raw = b"".join(encoded.splice({Slot.INTERESTS: "v" * length}))
    assert b"=" not in raw.replace(b"\r\n", b"")[:-2]


def test_readers_of_plain_text_get_one_part() -> None:
    parts = encode("<p>x</p>", f"Hello {SLOTS.interests}.", NONCE)
    message = parse(b"".join([parts.header("text"), b"\r\n", *parts.splice(READER, "text")]))
    assert message.get_content_type() == "text/plain"
    assert decoded(message) == "Hello Mobility & <b>Safety</b>, 모빌리티.\n"


def test_the_smaller_encoding_is_taken_for_each_part() -> None:
    parts = encode("<p>almost only ASCII</p>" * 50, "거의 한국어뿐인 본문입니다.\n" * 50, NONCE)
    assert (parts.html.encoding, parts.plain.encoding) == ("quoted-printable", "base64")


def test_same_edition_same_bytes_others_have_other_boundaries() -> None:
    one, again, other = encode("<p>1</p>", "1", NONCE), encode("<p>1</p>", "1", NONCE), encode("<p>2</p>", "1", NONCE)
    assert one.splice(READER) == again.splice(READER)
    assert one.boundary != other.boundary


def test_a_value_that_quotes_the_boundary_cannot_end_the_part() -> None:
    document = f"<p>{SLOTS.interests}</p>"
    parts = encode(document, SLOTS.interests, NONCE)
    reader = READER | {Slot.INTERESTS: f"--{parts.boundary}--"}
    raw = b"".join([parts.header(), b"\r\n", *parts.splice(reader)])
    assert raw.count(f"--{parts.boundary}".encode()) == 3
    assert next(decoded(part) for part in parse(raw).iter_parts()) == f"--{parts.boundary}--\n"


def test_a_slot_without_a_value_is_refused_and_not_left_open() -> None:
    with pytest.raises(SlotValueMissingError, match="VIEW_URL"):
        encode(SLOTS.view_url, SLOTS.interests, NONCE).splice({Slot.INTERESTS: "x"})


def test_the_standard_librarys_reference_path_reads_the_same() -> None:
    html, text = f"<p>{SLOTS.interests} é=3D</p>\n", f"{SLOTS.interests}\n.\nFrom {SLOTS.view_url}\n"
    parts = encode(html, text, NONCE)
    spliced = parse(b"".join([parts.header(), b"\r\n", *parts.splice(READER)]))
    slow = parse(reference(html, text, READER).as_bytes())
    assert [decoded(p) for p in spliced.iter_parts()] == [decoded(p) for p in slow.iter_parts()]
