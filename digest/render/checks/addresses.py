"""Checks of addresses that hide where they lead, or carry marks that tell who followed them. Pure."""

from urllib.parse import parse_qsl, urlsplit

_SHORTENERS = frozenset(
    "1url.com adf.ly amzn.to b.link bit.do bit.ly bitly.com bl.ink buff.ly c11.kr clck.ru cutt.ly dlvr.it fb.me "  # noqa: SIM905 - a list of hosts reads best so
    "gg.gg goo.gl han.gl hoy.kr ht.ly ibit.ly ift.tt is.gd j.mp kko.to kurzelinks.de lnkd.in me2.do mzl.la "
    "muz.so naver.me ow.ly po.st qr.ae rb.gy rebrand.ly s.id short.gy short.io shorturl.at shorturl.com shrtco.de "
    "smarturl.it snip.ly soo.gd spoti.fi surl.li t.co t.ly t1p.de tiny.cc tiny.one tinyurl.com tr.im trib.al u.nu "
    "url.kr urlzs.com v.gd vo.la wp.me x.co y2u.be zpr.io zrr.kr".split()
)
_MARKS = frozenset(
    "_hsenc _hsmi _ke __hssc __hstc __s dclid fbclid gad_source gbraid gclid gclsrc igsh igshid li_fat_id mc_cid "  # noqa: SIM905 - a list of names reads best so
    "mc_eid mkt_tok msclkid n_ad n_keyword n_media n_query napm ml_subscriber ml_subscriber_hash oly_anon_id "
    "oly_enc_id rb_clickid s_cid sc_cid srsltid ttclid twclid vero_conv vero_id wbraid wickedid yclid".split()
)
_MARK_PREFIXES = ("utm_", "pk_", "mtm_", "matomo_", "piwik_", "hsa_", "itm_", "ga_")


def is_shortened(address: str) -> bool:
    """Return whether the address is that of a service that forwards to another one."""
    return _host(address).removeprefix("www.") in _SHORTENERS


def tracking_marks(address: str) -> list[str]:
    """Return the parameters that only tell where somebody came from, or who it was."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return []
    names = [name for part in (parts.query, parts.fragment) for name, _ in parse_qsl(part.replace("&amp;", "&"))]
    return list(dict.fromkeys(n for n in names if n.lower() in _MARKS or n.lower().startswith(_MARK_PREFIXES)))


def _host(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""
