"""Domains under which providers offer mailboxes to the public, by provider. Pure.

Only what a provider offers to everybody; domains of organisations that it hosts are not known here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

PROVIDERS: Final[Mapping[str, str]] = MappingProxyType(
    {
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
)
DOMAINS: Final[Mapping[str, str]] = MappingProxyType(
    {domain: provider for provider, known in PROVIDERS.items() for domain in known.split()}
)
