"""SPF, DKIM and DMARC (RFC 9989) as a name server on loopback has them: missing, obsolete, hostile, and not answered."""

import pytest

from digest.workspace.doctor.resolver import organizational_domain
from tests.support.dns_server import SERVFAIL
from tests.unit.digest.workspace.doctor.conftest import Clinic

DMARC = ("_dmarc.example.org", "TXT")
SPF = ("example.org", "TXT")
LONG = " ".join(f'"{"x" * 250}"' for _ in range(80))


def told(clinic: Clinic) -> tuple[list[str], list[str]]:
    found = clinic.examine()
    return [one.id for one in found.findings], [one.id for one in found.skipped if one.id != "dkim"]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("v=DMARC1; p=none", []),
        ("v=DMARC1; p=reject; np=reject; t=n", []),
        ("v=DMARC1;", []),  # a missing p is none
        ("v=DMARC1; p=reject; new=tag", []),  # unknown tags are ignored
        ("v=DMARC1; p=none; pct=50; ri=3600", ["dmarc-obsolete"]),
        ("v=DMARC1; p=reject; t=y", ["dmarc-testing"]),
        ("v=DMARC1; p=none; t=y", []),
        ("v=DMARC1; p=reject; np=none", ["dmarc-subdomains"]),
        ("v=DMARC1; p=reject; sp=none", ["dmarc-subdomains"]),
        ("v=DMARC1; p=reject; sp=none; np=reject", []),
    ],
)
def test_dmarc_is_read_as_of_rfc_9989(clinic: Clinic, record: str, expected: list[str]) -> None:
    clinic.records[DMARC] = [f'"{record}"']
    assert told(clinic) == (expected, [])


def test_the_record_is_found_by_the_tree_walk_not_by_a_list(clinic: Clinic) -> None:
    clinic.change("digest@example.org", "digest@a.b.co.kr")
    clinic.records = {
        ("a.b.co.kr", "SOA"): clinic.records["example.org", "SOA"],
        ("a.b.co.kr", "TXT"): clinic.records[SPF],
        ("_dmarc.co.kr", "TXT"): ['"v=DMARC1; p=reject; pct=1"'],
    }
    (found,) = clinic.examine().findings
    assert (found.id, "_dmarc.co.kr has pct" in found.message) == ("dmarc-obsolete", True)


@pytest.mark.parametrize(("name", "unknown"), [(SPF, "spf"), (DMARC, "dmarc")])
@pytest.mark.parametrize("texts", [SERVFAIL, [LONG]])
def test_what_is_not_answered_is_unknown_and_no_finding(
    clinic: Clinic, name: tuple[str, str], unknown: str, texts: list[str]
) -> None:
    clinic.records[name] = texts
    assert told(clinic) == ([], [unknown])


def test_an_include_that_is_not_answered_leaves_spf_unknown(clinic: Clinic) -> None:
    clinic.records[SPF] = ['"v=spf1 include:relay.example.org -all"']
    clinic.records["relay.example.org", "TXT"] = SERVFAIL  # type: ignore[assignment]
    assert told(clinic) == ([], ["spf"])


def test_spf_is_asked_of_where_bounces_come_back_to(clinic: Clinic) -> None:
    clinic.change("[schedule]", '[feedback]\nreturn_path = "bounces@news.example.org"\n\n[schedule]')
    assert told(clinic) == (["spf-missing"], [])
    clinic.records["news.example.org", "TXT"] = clinic.records.pop(SPF)
    assert told(clinic) == ([], [])


@pytest.mark.parametrize(
    ("name", "texts", "expected"),
    [
        (DMARC, ['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"'], "dmarc-missing"),  # of several none counts
        (DMARC, ['"v=DMARC1; p=none"', '"something else"'], None),
        (DMARC, ['"\\255\\254\\000"'], "dmarc-missing"),
        (DMARC, ['"v=DMARC1; p=\\255"'], "dmarc-missing"),
        (DMARC, ['"v=DMARC1; p=none; rua=mailto:' + "a" * 200 + '"'], "dmarc-invalid"),
        (DMARC, ['"v=DMARC1; ' + ";" * 200 + '"'], "dmarc-invalid"),
        (SPF, ['"v=spf1 -all"'], "spf-empty"),
        (SPF, ['"v=spf1"'], "spf-empty"),
        (SPF, ['"v=spf1 a -all"'], None),
        (SPF, ['"v=spf1 include:example.org -all"'], "spf-invalid"),
        (SPF, ['"v=spf1 redirect=example.org"'], "spf-invalid"),
        (SPF, ['"v=spf1 \\255 -all"'], "spf-missing"),
        (SPF, ['"v=spf1 ' + "a " * 120 + '-all"'], "spf-invalid"),
    ],
)
def test_hostile_records_are_findings_and_never_errors(
    clinic: Clinic, name: tuple[str, str], texts: list[str], expected: str | None
) -> None:
    clinic.records[name] = texts
    found = clinic.examine()
    assert [one.id for one in found.findings] == ([expected] if expected else [])
    assert all(len(one.message) < 500 and one.message.isprintable() for one in found.findings)


@pytest.mark.parametrize(
    ("domain", "records", "expected"),
    [
        ("mail.example.org", {"example.org": ["v=DMARC1; p=none"]}, "example.org"),
        (
            "a.mail.example.org",
            {"mail.example.org": ["v=DMARC1; psd=n"], "example.org": ["v=DMARC1"]},
            "mail.example.org",
        ),
        ("a.b.bank", {"bank": ["v=DMARC1; psd=y"]}, "b.bank"),
        ("bank", {"bank": ["v=DMARC1; psd=y"]}, "bank"),
        ("a.example.org", {}, "a.example.org"),
        ("a.example.org", {"example.org": ["v=DMARC1", "v=DMARC1"]}, "a.example.org"),
        (".".join("abcdefghijkl"), {"h.i.j.k.l": ["v=DMARC1"]}, "h.i.j.k.l"),
    ],
)
def test_the_organizational_domain_is_found_by_the_tree_walk(
    domain: str, records: dict[str, list[str]], expected: str
) -> None:
    asked: list[str] = []

    def texts(name: str) -> list[str]:
        asked.append(name)
        return records.get(name.removeprefix("_dmarc."), [])

    assert organizational_domain(domain, texts) == expected
    assert len(asked) <= 8
    assert organizational_domain(domain, lambda _name: None) is None
