"""Doubts about addresses: slips of well-known domains, no false alarm on real ones, mailboxes of roles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.address_doubts import ROLES, doubt, meant, role_of, suggestion
from subscribers.mailbox_domains import DOMAINS

SLIPS = {
    "gmail.com": "gmial.com gmai.com gmal.com gamil.com gnail.com gmaill.com gmil.com gmail.con gmail.co gmail.cm "
    "gmail.om gmail.comm gmail.cmo gmial.con gmai.con gmail.net gmail.co.kr",
    "hotmail.com": "hotmial.com hotmal.com hotmai.com hotmil.com hotmaill.com hotnail.com hotmail.con hotmail.co",
    "outlook.com": "outlok.com outloook.com oulook.com otlook.com outlook.con",
    "yahoo.com": "yaho.com yahooo.com yhoo.com yahho.com yaoo.com yhaoo.com yahoo.con",
    "naver.com": "naver.con naver.cm naver.co nave.com naber.com navre.com naverr.com nvaer.com naver.net naver.co.kr",
    "hanmail.net": "hanmial.net hanmil.net hamail.net hanmeil.net hanmail.com hanmail.ne hanmail.con",
    "daum.net": "duam.net damu.net daum.met",
    "nate.com": "naet.com nate.con",
    "kakao.com": "kakoa.com kakao.con",
    "icloud.com": "iclud.com icoud.com iclould.com icloud.co",
    "protonmail.com": "protonmial.com",
    "aol.com": "aol.con",
}
REAL = [
    "mail.com",
    "email.com",
    "ymail.com",
    "zmail.com",
    "fmail.com",
    "hmail.com",
    "gmx.com",
    "gmx.net",
    "gmx.de",
    "web.de",
    "hushmail.com",
    "fastmail.com",
    "fastmail.fm",
    "me.com",
    "mac.com",
    "msn.com",
    "aim.com",
    "aol.de",
    "aol.fr",
    "aol.co.uk",
    "hotmail.nl",
    "hotmail.be",
    "hotmail.se",
    "hotmail.gr",
    "hotmail.ch",
    "hotmail.ca",
    "hotmail.com.tr",
    "hotmail.com.au",
    "outlook.be",
    "outlook.com.br",
    "outlook.ie",
    "live.nl",
    "live.ca",
    "live.cn",
    "live.se",
    "live.com.au",
    "yahoo.ie",
    "yahoo.se",
    "yahoo.co.jp",
    "yahoo.com.ar",
    "yahoo.co.kr",
    "yahoo.gr",
    "yahoo.cl",
    "protonmail.ch",
    "pm.me",
    "proton.me",
    "tutanota.com",
    "tutamail.com",
    "yandex.ua",
    "yandex.by",
    "yandex.kz",
    "rambler.ru",
    "list.ru",
    "bk.ru",
    "mail.ru",
    "inbox.lv",
    "mail.ee",
    "mail.bg",
    "seznam.cz",
    "email.cz",
    "post.cz",
    "wp.pl",
    "o2.pl",
    "onet.pl",
    "libero.it",
    "virgilio.it",
    "tiscali.it",
    "alice.it",
    "free.fr",
    "laposte.net",
    "sfr.fr",
    "orange.fr",
    "t-online.de",
    "freenet.de",
    "arcor.de",
    "bluewin.ch",
    "terra.com.br",
    "uol.com.br",
    "bol.com.br",
    "163.com",
    "126.com",
    "139.com",
    "189.cn",
    "sina.com",
    "sohu.com",
    "qq.com",
    "foxmail.com",
    "docomo.ne.jp",
    "ezweb.ne.jp",
    "softbank.ne.jp",
    "nifty.com",
    "korea.kr",
    "korea.ac.kr",
    "snu.ac.kr",
    "dreamwiz.com",
    "paran.com",
    "hanmir.com",
    "chol.com",
    "freechal.com",
    "unitel.co.kr",
    "nate.net",
    "date.com",
    "gate.com",
    "mate.com",
    "love.com",
    "line.com",
    "alo.com",
    "grail.com",
    "never.com",
    "rediffmail.com",
    "zoho.com",
    "gov.kr",
]


@pytest.mark.parametrize(("target", "slips"), SLIPS.items())
def test_slips_name_the_domain_that_was_meant(target: str, slips: str) -> None:
    assert {slip: meant(slip) for slip in slips.split()} == dict.fromkeys(slips.split(), target)


def test_real_domains_raise_no_doubt() -> None:
    assert [one for one in (*REAL, *DOMAINS) if meant(one)] == []


def test_role_mailboxes_are_named_and_those_of_people_are_not() -> None:
    roles = ("postmaster", "abuse", "hostmaster", "noreply", "no-reply", "mailer-daemon", "webmaster+list")
    assert [role_of(f"{local}@example.org") for local in roles] == [*roles[:-1], "webmaster"]
    for person in ("info", "sales", "office", "kim", "postmasters", "abuse.kim"):
        assert doubt(f"{person}@example.org") is None
    assert all(role == role.lower() for role in ROLES)


def test_a_suggestion_keeps_the_name_before_the_at_sign() -> None:
    assert suggestion(" Kim.Minjun@GMIAL.com ") == "Kim.Minjun@gmail.com"
    for text in ("", "@", "kim", "kim@", "@gmial.com", "kim@gmial", "kim@gmail.com", "kim@@gmial.com", "김@gmial.com"):
        assert suggestion(text) == ""


@given(st.text(max_size=60))
def test_any_text_is_taken_for_a_domain_without_an_error(text: str) -> None:
    assert meant(text) in {"", *DOMAINS}
    suggestion(f"kim@{text}")
