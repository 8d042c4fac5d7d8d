"""For any header and any body, in any pieces, our canonical forms are those of the foreign verifier."""

import hashlib
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise

from cryptography.hazmat.primitives.asymmetric import rsa
from dkim import rfc822_parse
from dkim.canonicalization import Relaxed
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest.delivery.dkim.key import record_of
from digest.delivery.dkim.sign import DkimSigner, body_digest, parted, relaxed
from tests.support.verifiers import dkimpy_accepts

NOW = datetime(2021, 9, 30, tzinfo=UTC)  # in the past: verifiers refuse a signature of the future


@cache
def signer() -> DkimSigner:
    return DkimSigner(rsa.generate_private_key(65537, 2048), "dp202611", "example.org")


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(edges)] or [data]


cuts = st.lists(st.integers(0, 10_000), max_size=6)
names = st.sampled_from(["Subject", "To", "DATE", "list-Unsubscribe", "List-Unsubscribe-Post", "X-Any", "Message-ID"])
blanks = st.text(" \t", max_size=3)
# what may stand between two words: blanks, or a fold, which is a line end and at least one blank
gaps = st.one_of(
    st.text(" \t", min_size=1, max_size=3), st.builds("{}\r\n{}".format, blanks, st.text(" \t", min_size=1, max_size=3))
)
words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)
values = st.builds(
    lambda front, parts, end: front + "".join(word + gap for word, gap in parts) + end,
    st.one_of(blanks, gaps),
    st.lists(st.tuples(words, gaps), max_size=5),
    st.one_of(words, blanks),
)
fields = st.lists(st.tuples(names, values), max_size=8)
endings = st.text(" \t", max_size=2)
bodies = st.lists(
    st.sampled_from([b"\r\n", b"\r\n\r\n", b" ", b"\t", b"x", b".", b" \r\n", b"a b", b"\r", b"\n"]), max_size=12
).map(b"".join)


def header(fields: list[tuple[str, str]]) -> bytes:
    own = [("From", " a@example.org"), *fields]
    return "".join(f"{name}:{value}\r\n" for name, value in own).encode()


@settings(deadline=None)
@given(fields)
@example([("Subject", "\r\n \r\n\t x  \t y \t")])
@example([("Subject", "")])
def test_a_header_has_the_relaxed_form_that_dkimpy_gives_it(fields: list[tuple[str, str]]) -> None:
    raw = header(fields)
    parsed, _ = rfc822_parse(raw + b"\r\n")
    theirs = [name + b":" + value for name, value in Relaxed.canonicalize_headers(parsed)]
    assert [field + b"\r\n" for _, field in relaxed(raw.removesuffix(b"\r\n"))] == theirs


def test_the_example_of_the_standard_comes_out_as_printed_there() -> None:
    # RFC 6376 section 3.4.5; dkimpy refuses the blank before the colon, which is obsolete syntax
    assert relaxed(b"A: X\r\nB : Y\t\r\n\tZ  ") == [(b"a", b"a:X"), (b"b", b"b:Y Z")]
    body = [b" C \r\n", b"D \t E\r\n\r\n\r\n"]
    assert body_digest(body) == hashlib.sha256(b" C\r\nD E\r\n").digest()


@settings(deadline=None)
@given(bodies, cuts)
@example(b"", [])
@example(b"\r\n\r\n", [1, 2, 3])
@example(b"no line end", [2])
@example(b"text\r\n\r\n\r\n", [5, 7])
@example(b"a \t b \r\n\t\r\n", [2, 3, 5, 7])
@example(b" \r", [1])
@example((b"large  " * 400) + b"\r\n \r\nx", [1400, 2801, 2803])
def test_a_body_in_pieces_has_the_digest_of_its_relaxed_form(body: bytes, cuts: list[int]) -> None:
    assert body_digest(pieces_of(body, cuts)) == hashlib.sha256(Relaxed.canonicalize_body(on_the_wire(body))).digest()
    assert body_digest([b"", *pieces_of(body, cuts), b""]) == body_digest([body])
    assert body_digest([]) == body_digest([b"\r\n"]) == hashlib.sha256(b"").digest()


def on_the_wire(body: bytes) -> bytes:
    """What a verifier gets: SMTP ends the last line, and blanks before that are blanks at a line's end."""
    return body if body.endswith(b"\r\n") else body + b"\r\n"


@settings(deadline=None)
@given(fields, bodies, cuts)
def test_it_does_not_matter_where_a_message_is_cut(fields: list[tuple[str, str]], body: bytes, cuts: list[int]) -> None:
    raw = header(fields) + b"\r\n" + body
    head, rest = parted(pieces_of(raw, cuts))
    whole_head, whole_rest = parted([raw])
    assert (head, b"".join(rest)) == (whole_head, b"".join(whole_rest))
    assert signer().sign(pieces_of(raw, cuts), NOW) == signer().sign([raw], NOW)


# A bare CR or LF is no line end in SMTP, and dkimpy takes it for one in a header: our letters have none.
clean = bodies.map(
    lambda body: body.replace(b"\r\n", b"\0").replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"\r\n")
)


@settings(deadline=None)
@given(fields, clean, endings)
def test_any_message_verifies(fields: list[tuple[str, str]], body: bytes, ending: str) -> None:
    raw = header(fields) + b"\r\n" + body + ending.encode()
    got = on_the_wire(raw)
    record = record_of(signer().key, signer().selector, signer().domain)
    assert dkimpy_accepts(signer().sign([raw], NOW) + got, {record.name: record.value})
