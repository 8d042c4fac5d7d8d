"""A mail as it arrived: DKIM verified, SPF as the receiver says, alignment by the tree walk; broken files and silent DNS."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from checkdmarc.utils import DNS_CACHE
from cryptography.hazmat.primitives.asymmetric import rsa

from digest.delivery.dkim.key import record_of
from digest.delivery.dkim.sign import DkimSigner
from digest.runtime.errors import ContentError, NotFoundError
from digest.workspace.doctor import sent_mail
from digest.workspace.doctor.diagnosis import Diagnosis, Met
from digest.workspace.doctor.sent_mail import examine_sent
from tests.support.dns_server import SERVFAIL, naming

KEY = rsa.generate_private_key(65537, 2048)
NOW = datetime(2021, 9, 30, tzinfo=UTC)
LEAVE = b"List-Unsubscribe: <https://example.org/u/x>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
MAIL = b"From: Digest <digest@example.org>\r\nTo: <ada@example.net>\r\nSubject: News\r\n" + LEAVE + b"\r\nHello\r\n"
DMARC = ("_dmarc.example.org", "TXT")


def spf(result: str = "pass", domain: str = "example.org") -> bytes:
    said = f"mx.example.net;\r\n spf={result} (a comment; spf=fail) smtp.mailfrom=bounces+x@{domain};\r\n dkim=pass\r\n"
    return f"Return-Path: <bounces+x@{domain}>\r\nAuthentication-Results: {said}".encode()


def signed(mail: bytes = MAIL, domain: str = "example.org") -> bytes:
    return DkimSigner(KEY, "s1", domain).sign([mail], NOW) + mail


def records(domain: str = "example.org", dmarc: str = "v=DMARC1; p=reject") -> dict[tuple[str, str], Sequence[str]]:
    record = record_of(KEY, "s1", domain)
    return {(record.name, "TXT"): [" ".join(f'"{one}"' for one in record.strings)], DMARC: [f'"{dmarc}"']}


def told(tmp_path: Path, mail: bytes, known: Mapping[tuple[str, str], Sequence[str]]) -> dict[str, str]:
    """Return each check with how it stands: met, unknown, or the finding's id."""
    DNS_CACHE.clear()
    (tmp_path / "mail.eml").write_bytes(mail)
    with naming(known) as nameserver:
        sender, results = examine_sent(tmp_path / "mail.eml", nameserver=nameserver)
    assert sender == "example.org"
    found = {}
    for name, one in zip(("dkim", "spf", "dmarc", "one-click"), results, strict=True):
        found[name] = one.id if isinstance(one, Diagnosis) else "met" if isinstance(one, Met) else "unknown"
    return found


def test_a_good_mail_meets_everything(tmp_path: Path) -> None:
    assert set(told(tmp_path, spf() + signed(), records()).values()) == {"met"}
    lines = (spf() + signed()).replace(b"\r\n", b"\n")  # as many programs save it
    assert set(told(tmp_path, lines, records()).values()) == {"met"}


@pytest.mark.parametrize(
    ("mail", "known", "expected"),
    [
        (spf() + MAIL, records(), ("dkim-missing", "met", "met", "one-click")),
        (MAIL, records(), ("dkim-missing", "unknown", "unknown", "one-click")),
        (spf("fail") + MAIL, records(), ("dkim-missing", "spf-failed", "dmarc-failed", "one-click")),
        (signed(), records(), ("met", "unknown", "met", "met")),
        (signed().replace(b"Hello", b"Hullo"), records(), ("dkim-invalid", "unknown", "unknown", "one-click")),
        (spf("softfail") + signed(), records(), ("met", "spf-failed", "met", "met")),
        (spf(domain="relay.example") + signed(), records(), ("met", "spf-alignment", "met", "met")),
        (spf(domain="b.example.org") + signed(), records(), ("met", "met", "met", "met")),
        (
            spf(domain="b.example.org") + signed(),
            records(dmarc="v=DMARC1; p=none; aspf=s"),
            ("met", "spf-alignment", "met", "met"),
        ),
        (signed(domain="relay.example"), records("relay.example"), ("dkim-alignment", "unknown", "unknown", "met")),
        (signed(domain="a.example.org"), records("a.example.org"), ("met", "unknown", "met", "met")),
        (
            signed(domain="a.example.org"),
            records("a.example.org", "v=DMARC1; p=none; adkim=s"),
            ("dkim-alignment", "unknown", "unknown", "met"),
        ),
        (signed(), {**records(), DMARC: SERVFAIL}, ("met", "unknown", "unknown", "met")),
        (signed(), {**records(), DMARC: ['"v=spf1 -all"']}, ("met", "unknown", "dmarc-missing", "met")),
        (
            signed(),
            {**records(), ("s1._domainkey.example.org", "TXT"): SERVFAIL},
            ("unknown", "unknown", "unknown", "unknown"),
        ),
        (
            signed(),
            {**records(), ("s1._domainkey.example.org", "TXT"): ['"v=DKIM1; p=\\255\\000!"']},
            ("dkim-invalid", "unknown", "unknown", "one-click"),
        ),
        (
            spf() + signed(MAIL.replace(LEAVE, b"List-Unsubscribe: <mailto:x@example.org>\r\n")),
            records(),
            ("met", "met", "met", "one-click"),
        ),
    ],
)
def test_what_is_met_and_what_is_not_and_what_is_unknown(
    tmp_path: Path, mail: bytes, known: Mapping[tuple[str, str], Sequence[str]], expected: tuple[str, str, str, str]
) -> None:
    assert tuple(told(tmp_path, mail, known).values()) == expected


def test_a_silent_name_server_leaves_dns_unknown(tmp_path: Path) -> None:
    found = told(tmp_path, spf() + signed(), {("example.org", "SOA"): SERVFAIL})
    assert found == {"dkim": "unknown", "spf": "met", "dmarc": "unknown", "one-click": "unknown"}


def test_only_the_topmost_results_are_the_receivers(tmp_path: Path) -> None:
    assert told(tmp_path, spf("fail") + spf() + signed(), records())["spf"] == "spf-failed"


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\0" * 1000,
        b"\r\n\r\nno header",
        MAIL.replace(b"From:", b"X-From:"),
        MAIL.replace(b"From:", b"From: eve@example.com\r\nFrom:"),
        MAIL.replace(b"<digest@example.org>", b"<digest@example.org>, eve@example.com"),
        MAIL.replace(b"digest@example.org", b"nobody"),
        MAIL.replace(b"digest@example.org", "디@example.org".encode()),
        b"From: =?utf-8?b?////?= <a@" + b"b" * 300 + b">\r\n\r\n",
    ],
)
def test_a_file_that_is_no_mail_is_refused(tmp_path: Path, broken: bytes) -> None:
    with pytest.raises(ContentError, match="is not a mail that receivers accept"):
        told(tmp_path, broken, records())


@pytest.mark.parametrize(
    "field",
    [
        b"DKIM-Signature: \r\n",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=; s=; h=; bh=; b=\r\n",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=" + b"x." * 400 + b"; s=s; h=from; bh=AA==; b=AA==\r\n",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=\xff\xfe; s=\xff; h=from; bh=AA==; b=AA==\r\n",
        b"DKIM-Signature: " + b"a=b;" * 5000 + b"\r\n",
        b"Authentication-Results: " + b"(" * 5000 + b" spf=\xff\r\n",
        b"Return-Path: <\xff@\xff>\r\n",
    ],
)
def test_broken_fields_prove_nothing_and_raise_nothing(tmp_path: Path, field: bytes) -> None:
    found = told(tmp_path, field + MAIL, records())
    assert "met" not in (found["dkim"], found["spf"], found["dmarc"])


def test_every_truncation_of_a_mail_is_looked_at_or_refused(tmp_path: Path) -> None:
    whole = spf() + signed()
    for end in range(0, len(whole), max(1, len(whole) // 12)):
        try:
            assert told(tmp_path, whole[:end], records())["dkim"] != "met"
        except ContentError:
            continue


def test_a_file_that_is_missing_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFoundError):
        examine_sent(tmp_path / "none.eml")
    with pytest.raises(NotFoundError):
        examine_sent(tmp_path)
    monkeypatch.setattr(sent_mail, "MAX_BYTES", 100)
    with pytest.raises(ContentError, match="larger than"):
        told(tmp_path, MAIL, {})
