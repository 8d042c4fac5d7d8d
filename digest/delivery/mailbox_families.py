"""Mailbox provider families: domains that one provider hosts, and throttles together. Pure.

Only domains that a provider offers to the public are listed. Hosted domains of organisations can be added in
digest.toml; a DNS lookup at each send would make delivery depend on it.
"""

from collections.abc import Mapping, Sequence

_KNOWN: Mapping[str, str] = {
    "google": "gmail.com googlemail.com",
    "microsoft": (
        "outlook.com hotmail.com live.com msn.com passport.com outlook.kr hotmail.co.kr live.co.kr hotmail.co.uk "
        "live.co.uk hotmail.fr live.fr hotmail.de live.de outlook.de hotmail.it live.it hotmail.es outlook.es "
        "hotmail.co.jp outlook.jp live.jp"
    ),
    "yahoo": (
        "yahoo.com ymail.com rocketmail.com aol.com yahoo.co.uk yahoo.fr yahoo.de yahoo.it yahoo.es yahoo.ca "
        "yahoo.com.br yahoo.com.mx yahoo.co.in yahoo.in yahoo.com.sg yahoo.com.tw yahoo.com.hk"
    ),
    "apple": "icloud.com me.com mac.com",
    "naver": "naver.com",
    "kakao": "daum.net hanmail.net kakao.com",
    "nate": "nate.com empas.com lycos.co.kr",
    "gmx": "gmx.de gmx.net gmx.at gmx.ch gmx.com web.de mail.com",
    "qq": "qq.com foxmail.com",
    "netease": "163.com 126.com yeah.net",
    "mailru": "mail.ru bk.ru inbox.ru list.ru",
    "yandex": "yandex.ru yandex.com ya.ru",
    "proton": "proton.me protonmail.com pm.me",
    "orange": "orange.fr wanadoo.fr",
}


def families(added: Mapping[str, Sequence[str]] | None = None) -> dict[str, str]:
    """Return a map from domain to family: the known ones, overridden and extended by `added` (family to domains)."""
    domains = {domain: family for family, known in _KNOWN.items() for domain in known.split()}
    domains.update({domain.casefold(): family for family, more in (added or {}).items() for domain in more})
    return domains
