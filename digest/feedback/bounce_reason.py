"""Reason of a bounce: its status code, else its words in the languages of those who write to us. Pure.

A bounce is about one recipient: words that a relay could also say about us, such as "quota", mean their mailbox here.
"""

import re
from functools import lru_cache

from digest.delivery.outcome import Reason, explain
from digest.feedback.dsn import ReportedRecipient

# Codes that servers use for anything: with one of them the words decide first.
_VAGUE = re.compile(r"[45]\.(?:0\.0|3\.0|5\.0|1\.0|4\.7)")
_BOX_ABROAD = (
    r"(?:adres|direcci[oó]n|usu[aá]rio|utente|utilisateur|destinat|cuenta|compte|cont[ao]\b|konto|empf[aä]nger|postfach|"
    r"buz[oó]n|casella|endere[cç]o|gebruiker)"
)
# In this order: what is ours or passes first, since a wrong "no such mailbox" loses a reader.
_WORDS: dict[Reason, re.Pattern[str]] = {
    reason: re.compile("|".join(patterns), re.IGNORECASE)
    for reason, patterns in {
        Reason.CONTENT: (r"\bspam\b|virus|스팸|迷惑メール",),
        Reason.POLICY: (
            r"blocked using|block ?list|blacklist|reputation|not accepting mail from",
            r"수신 ?(?:거부|차단)|受信拒否",
        ),
        Reason.MESSAGE_TOO_BIG: (r"message.{0,40}(?:size|too (?:big|large))",),
        Reason.NETWORK: (
            r"try again|in the queue too long|timed out|connection (?:refused|timed)|establish an smtp connection",
            r"failed \d+ attempts|too many hops|looping|mail loop",
        ),
        Reason.MAILBOX_FULL: (
            r"(?<!daily )(?<!hourly )(?<!sending )(?<!message )quota|mail ?(?:box|folder).{0,20}\bfull\b",
            r"full mailbox|insufficient (?:disk|storage)|용량|저장 ?공간|가득|容量|いっぱい|空间不足",
        ),
        Reason.MAILBOX_DISABLED: (
            r"(?:account|mailbox|user|address).{0,40}\b(?:disabled|inactive|deactivated|suspended|closed|locked)\b",
            r"휴면|(?:이용|사용)이? ?(?:정지|중지)|정지된|利用.{0,6}停止|解約",
        ),
        Reason.MAILBOX_UNKNOWN: (
            r"(?:does not|doesn't) have an? .{0,60}(?:account|delivery point|mailbox)|not listed in|userid",
            r"unknown (?:host|domain|or illegal)|no matches to|not recognized|did not exactly match|no longer valid",
            r"(?:couldn't|could not|can't|cannot) be found|not found in|user (?:is )?not known|no such",
            rf"{_BOX_ABROAD}.{{0,80}}(?:n.existe pas|existiert nicht|n(?:o|on|[ãa]o) (?:existe|esiste)|bestaat niet)",
            rf"(?:no existe|non esiste|n[ãa]o existe) (?:el |la |l'|o |a |il )?{_BOX_ABROAD}",
            r"inconnu|introuvable|non recens|unbekannt|не (?:найден|существует)|不存在",
            r"존재하지 ?않|없는 ?(?:메일|사용자|계정|주소|수신|아이디)|등록되(?:지|어 있지) ?않|찾을 수 없|탈퇴",
            r"잘못된 ?(?:메일|주소|수신)|見つかりません|存在しません|該当(?:する|者)|不明|誤り|正しく(?:な|あ)",
        ),
    }.items()
}


def reason_of(recipient: ReportedRecipient) -> Reason:
    """Return why a mail was not delivered to a recipient, as far as the report tells."""
    return _reason(recipient.code, recipient.enhanced, recipient.words)


@lru_cache(maxsize=1000)  # servers repeat themselves
def _reason(code: int | None, enhanced: str | None, words: str) -> Reason:
    vague = enhanced is None or _VAGUE.fullmatch(enhanced) is not None
    by_code = explain(code, enhanced, text=words)
    if not vague or (by_code is Reason.MAILBOX_UNKNOWN and not _WORDS[Reason.NETWORK].search(words)):
        return by_code
    return next((reason for reason, pattern in _WORDS.items() if pattern.search(words)), by_code)
