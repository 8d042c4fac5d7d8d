"""Addresses: whatever anybody types is one of two things, an address that is safe on the wire or a named problem."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subscribers.address import MAX_OCTETS, EmailAddress, mask
from subscribers.errors import AddressError

LOCAL = st.text("abcXYZ019+-_", min_size=1, max_size=30)
DOMAIN = st.sampled_from(["example.org", "Example.COM", "bücher.example", "sub.example.net", "xn--bcher-kva.example"])


@given(st.text(max_size=300) | st.builds("{}@{}".format, st.text(max_size=40), st.text(max_size=40)))
def test_any_text_is_a_safe_address_or_a_named_problem(text: str) -> None:
    problem = ""
    try:
        found = EmailAddress.parse(text)
    except AddressError as error:
        problem = error.problem
    if problem:
        assert problem in {"empty", "too-long", "control", "syntax", "local-part", "domain"}
    else:
        assert found.address.isascii()
        assert found.address.isprintable()
        assert " " not in found.address
        assert len(found.address) <= MAX_OCTETS


def read_by_the_library(text: str) -> EmailAddress | str:
    try:
        return EmailAddress._read(text.strip(" "))
    except AddressError as error:
        return error.problem


ODD_DOMAIN = st.one_of(
    st.text("ab1-._@ \u3000ü\0", max_size=12),
    st.sampled_from(
        ["localhost", "a.test", "x.invalid", "a..b", "-a.org", "a.-b.org", "xn--a.org", "1.2", "[1.2.3.4]"]
    ),
    st.builds("{}.{}".format, st.text("aB1-", min_size=1, max_size=70), st.text("aB1-", min_size=1, max_size=8)),
    st.integers(240, 260).map(lambda n: ("a" * 60 + ".") * (n // 61) + "b" * max(n % 61 - 4, 1) + ".org"),
)


@settings(max_examples=400)
@given(
    st.builds(
        "{}@{}".format,
        st.text("abcXYZ09.+-_ '\"\\@ü\r", max_size=12) | st.integers(60, 70).map("a".__mul__),
        DOMAIN | ODD_DOMAIN,
    )
)
def test_the_fast_way_says_what_the_library_says(text: str) -> None:
    try:
        found: EmailAddress | str = EmailAddress.parse(text)
    except AddressError as error:
        found = error.problem
    assert found == read_by_the_library(text)


@given(LOCAL, DOMAIN)
def test_reading_an_address_twice_changes_nothing(local: str, domain: str) -> None:
    once = EmailAddress.parse(f"{local}@{domain}")
    assert EmailAddress.parse(once.address) == once


@given(LOCAL, DOMAIN)
def test_case_never_makes_two_people(local: str, domain: str) -> None:
    address = f"{local}@{domain}"
    assert EmailAddress.parse(address.upper()).key == EmailAddress.parse(address.lower()).key


def test_the_local_part_is_sent_as_it_was_written() -> None:
    found = EmailAddress.parse(" Minji.Yoon@Example.ORG ")
    assert (found.address, found.key) == ("Minji.Yoon@example.org", "minji.yoon@example.org")


@pytest.mark.parametrize(
    ("one", "other"), [("kim+news@example.org", "kim@example.org"), ("k.im@example.org", "kim@example.org")]
)
def test_plus_and_dots_make_different_people(one: str, other: str) -> None:
    assert EmailAddress.parse(one).key != EmailAddress.parse(other).key


def test_both_spellings_of_a_domain_are_one_person() -> None:
    assert EmailAddress.parse("jo@BÜCHER.example") == EmailAddress.parse("jo@xn--bcher-kva.example")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("kim", "syntax"),
        ("kim@", "syntax"),
        ("@example.org", "syntax"),
        ("Kim <kim@example.org>", "syntax"),
        ("a@b@example.org", "syntax"),
        ("kim@localhost", "syntax"),
        ("kim@[127.0.0.1]", "syntax"),
        ('"kim min"@example.org', "syntax"),
        ("kim@example.org\r\nBcc: all@example.org", "control"),
        ("kim\n@example.org", "control"),
        ("kim\0@example.org", "control"),
        ("kim\u200b@example.org", "control"),
        ("kim\ud800@example.org", "control"),
        ("김@example.org", "local-part"),
        ("k" * 243 + "@example.org", "too-long"),
        ("k@" + "example." * 100_000 + "org", "too-long"),
    ],
)
def test_hostile_and_broken_addresses_are_refused_by_name(text: str, problem: str) -> None:
    with pytest.raises(AddressError) as caught:
        EmailAddress.parse(text)
    assert caught.value.problem == problem


def test_a_masked_address_tells_neither_name_nor_length() -> None:
    assert mask("kim@example.org") == mask("kimberley@example.org") == "k•••@example.org"
