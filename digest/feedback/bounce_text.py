"""Bounces without a machine-readable part: families of servers by their wording, else flufl.bounce. Pure.

A family is a phrase that only its servers write, and where the recipient and the reason stand in its text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.message import Message

from flufl.bounce import all_failures

from digest.delivery.outcome import Reason, clean_reply
from digest.feedback.bounce_reason import reason_of
from digest.feedback.dsn import ReportedRecipient
from digest.feedback.parsed_mail import ParsedMail

_ADDR = r"[^\s<>()\[\],;:\"'@=]{1,64}@[a-zA-Z0-9][a-zA-Z0-9.-]{1,253}[a-zA-Z]"
_ADDRESS = re.compile(_ADDR)
_WORDS = 600
_MAX_RECIPIENTS = 20


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE | re.MULTILINE)


# From here on the text is the returned mail, whose words say nothing.
_ORIGINAL = _any(
    r"^[>\s*_=-]{0,80}(?:below this line is a copy|this is a copy of (?:the|your) message|original message)",
    r"^[>\s*_=-]{0,80}(?:returned message|message headers? follow|the headers? of the (?:original|message))",
    r"^[>\s*_=-]{0,80}(?:unsent message|copy of the original|received:\s|return-path:\s)",
    r"^[>\s*_=-]{0,80}(?:원본 ?(?:메일|메시지)|보내신 메일 ?내용|元のメッセージ|送信メッセージ)",
)
_FAILED = _any(
    r"undeliver|un-?able to deliver|not (?:be )?(?:deliver|sent\b)|delivery (?:\w+ ){0,4}(?:fail|error)|fail(?:ed|ure)",
    r"returned mail|returning message|rejected|errors? (?:was|were|has|occurred|during|in) |non[- ]?(?:remis|distrib)",
    r"unzustellbar|nicht zugestellt|n[o']t be delivered|did not reach|not listed in|unknown (?:user|address)",
    r"user unknown|반송|실패|(?:전송|발송|전달|배달)되지|못했습니다|(?:配信|送信|配送)でき|届け(?:でき|られ)|エラー",
    r"не доставлен|не был[оа]? доставлен|退信|无法投递",
)
_DELAYED = _any(
    r"\bdelayed\b|\bwarning: (?:message|could not)|not yet been delivered|will (?:keep|continue) (?:to )?try",
    r"still being retried|\bdo(?:es)? not need to (?:re-?send|do anything)|delivery attempts will continue",
    r"will be retried|\bretrying\b|지연|계속 시도|再送(?:を試|し)|遅延",
)
_DAEMON = _any(
    r"mailer.?daemon|postmaster|mail.?delivery|mdaemon|delivery.?(?:sub)?system|system.?administrator|\bndr@",
    r"mail.?administrator|mail.?error|smtp|antivirus|imss@|mailadm|no-?reply@.{0,60}(?:mail|ses)|<>",
)
_SUBJECT = _any(
    r"(?:\[\w+\] ?)?(?:mail )?(?:undeliver|non[- ]?delivery|delivery (?:status|failure|has failed|notification))",
    r"(?:\[\w+\] ?)?(?:returned mail|failure notice|mail (?:delivery|could not be)|message delivery)",
    r"반송|메일.{0,12}실패|.{0,200}: non remis\b",
)
_STATUS = _any(
    r"(?<![\d.])([45]\d\d)(?:[ -]+#?([45]\.\d{1,3}\.\d{1,3}))?(?![\d.])",
    r"(?<![\d.])#?([45]\.\d{1,3}\.\d{1,3})(?![\d.])",
)


@dataclass(frozen=True, slots=True)
class BounceFamily:
    """A kind of server: the phrase that identifies it, and how it names each recipient."""

    name: str
    sign: re.Pattern[str]
    recipient: re.Pattern[str]


def _family(name: str, sign: tuple[str, ...], recipient: tuple[str, ...]) -> BounceFamily:
    return BounceFamily(name, _any(*sign), _any(*(pattern.replace("ADDR", f"({_ADDR})") for pattern in recipient)))


_TO_KOREAN = r"(?:받는 ?사람|수신자?(?: ?(?:메일)? ?주소)?|수신인)\s{0,9}[:：]?\s{0,9}[<\"]{0,2}ADDR"
FAMILIES = (
    _family("opensmtpd", (r"this is the mailer-daemon, please do not reply",), (r"^\s{0,8}<?ADDR>?:[ \t]+(?=\S)",)),
    _family("dragonfly", (r"this is the dragonfly mail agent",), (r"delivering (?:your )?mail to <?ADDR>?",)),
    _family(
        "notes",
        (r"was not delivered to:|konnte nicht zugestellt werden an:",),
        (r"(?:delivered to|werden an):\s{1,40}ADDR",),
    ),
    _family(
        "exchange",
        (
            r"delivery has failed to these recipients|did ?n[o']t reach the following|did not reach some or all",
            r"couldn't be delivered to|generating server:",
        ),
        (
            r"(?:recipients(?: or groups)?:\s{1,40}(?:[^\n@]{1,80}[(<])?|delivered to )<?ADDR",
            r"recipient\(s\) could not be reached:\s{1,40}<?ADDR",
            r"^[ \t]*<?ADDR>?(?:<mailto:[^>\n]{1,320}>)?[ \t]*$",
        ),
    ),
    _family(
        "workmail",
        (
            r"amazon workmail|an error occurred while trying to deliver the mail to the following recipients",
            r"technical report:",
        ),
        (
            r"(?:following recipients?:\s{1,40}|recipients? address:\s{1,40})<?ADDR",
            r"deliver(?:ed)? (?:your message )?to:?\s{1,40}<?ADDR",
        ),
    ),
    _family(
        "au",
        (r"each of the following recipients was rejected by a remote mail server",),
        (r"recipient:\s{1,20}<?ADDR",),
    ),
    _family(
        "docomo",
        (
            r"following address(?:\(es\)|es)? (?:was|were|had) (?:rejected|delivery error)",
            r"宛先.{0,20}(?:正しく|見つかり|不明|エラー)|送信(?:でき|されま)|配信でき|配送でき",
        ),
        (r"(?:^|[<「:：\s])ADDR",),
    ),
    _family("naver", (r"네이버|naver",), (_TO_KOREAN,)),
    _family("daum", (r"다음메일|한메일|hanmail|daum|kakao|카카오",), (_TO_KOREAN,)),
    _family("qmail-like", (r"^<[^\s<>@]{1,64}@[^\s<>@]{1,255}>:?[ \t]*(?:$|\S)",), (r"^<ADDR>:?",)),
)


# What a bounce in words says: who understood it, and the recipients (the address is empty if none is named).
TextBounce = tuple[str, tuple[ReportedRecipient, ...]]


def looks_returned(mail: ParsedMail) -> bool:
    """Return whether a mail server seems to have written it, by its sender or subject."""
    sender = f"{mail.header('From')} {mail.header('Sender')}"
    if _DAEMON.search(sender):
        return True
    subject = mail.header("Subject")
    is_null = mail.header("Return-Path") == "<>" or not mail.header("From")
    return mail.status is not None or _SUBJECT.match(subject) is not None or (is_null and bool(_FAILED.search(subject)))


def read_text(mail: ParsedMail) -> TextBounce | None:
    """Return what a mail without a machine-readable part says of failed recipients; None if it says nothing."""
    text, subject = shown(mail), mail.header("Subject")
    is_failure = _FAILED.search(text) is not None or _FAILED.search(subject) is not None
    for family in FAMILIES:
        if family.sign.search(text) and (found := list(_named(family, text))) and (is_failure or _STATUS.search(text)):
            return family.name, _reports(found, text, subject)
    return _by_flufl(mail.root, text, subject) or (_bare(text, subject, mail) if is_failure else None)


def in_words(recipient: ReportedRecipient, mail: ParsedMail) -> ReportedRecipient:
    """Return a failure by the mail's text, if its own fields give no reason."""
    if recipient.action != "failed" or reason_of(recipient) is not Reason.OTHER:
        return recipient
    whole = replace(recipient, words=clean_reply(f"{recipient.words} {shown(mail)}"[:_WORDS]))
    return recipient if reason_of(whole) is Reason.OTHER else whole


def shown(mail: ParsedMail) -> str:
    """Return the text up to the returned mail."""
    text = mail.text
    end = _ORIGINAL.search(text)
    # some begin with a headline such as "Returned message"
    return text[: end.start()] if end and end.start() > 40 else text[:4000]


def _named(family: BounceFamily, text: str) -> Iterator[tuple[str, int]]:
    for number, match in enumerate(family.recipient.finditer(text)):
        if number >= _MAX_RECIPIENTS:
            return
        yield match[match.lastindex or 0], match.end()


def _reports(found: list[tuple[str, int]], text: str, subject: str) -> tuple[ReportedRecipient, ...]:
    starts = [start for _, start in found]
    ends = [*starts[1:], len(text)]
    return tuple(
        _report(address, text[start : min(end, start + _WORDS)], text, subject, permanent=True)
        for (address, start), end in zip(found, ends, strict=True)
    )


def _report(address: str, words: str, text: str, subject: str, *, permanent: bool) -> ReportedRecipient:
    """Return a report by the words about a recipient, or by the whole text where those give no reason."""
    own = _judged(address, words, text, subject, permanent=permanent)
    return own if reason_of(own) is not Reason.OTHER else _judged(address, text, text, subject, permanent=permanent)


def _judged(address: str, words: str, text: str, subject: str, *, permanent: bool) -> ReportedRecipient:
    said = _STATUS.search(words)
    if said and said.start() > _WORDS // 2:  # behind a transcript: what a server said is what counts
        words = words[said.start() :]
    code = int(said[1]) if said and said[1] else None
    enhanced = (said[2] or said[3]) if said else None
    if _DELAYED.search(subject) or (_DELAYED.search(text) and not (said and permanent)):
        return ReportedRecipient(address, "delayed", enhanced, code, clean_reply(words))
    if code is None and enhanced is None:
        enhanced = "5.0.0" if permanent else "4.0.0"
    return ReportedRecipient(address, "failed", enhanced, code, clean_reply(words[:_WORDS]))


def _by_flufl(root: Message, text: str, subject: str) -> TextBounce | None:
    try:
        temporary, permanent = all_failures(root)
    except Exception:  # noqa: BLE001 - its detectors raise what they like on broken mail; then it understands nothing
        return None
    found = [(address, False) for address in temporary] + [(address, True) for address in permanent]
    reports = []
    for raw, is_permanent in sorted(found)[:_MAX_RECIPIENTS]:
        address = raw.decode("utf-8", "replace")
        at = text.find(address)
        words = text[at + len(address) : at + len(address) + _WORDS] if at >= 0 else text
        reports.append(_report(address, words, text, subject, permanent=is_permanent))
    return ("flufl.bounce", tuple(reports)) if reports else None


def _bare(text: str, subject: str, mail: ParsedMail) -> TextBounce:
    """Return a failure whose recipient is the first address that is not the writer's own; perhaps none."""
    own = f"{mail.header('From')} {mail.header('To')}".lower()
    named = (match for match in _ADDRESS.finditer(text) if match[0].lower() not in own)
    match = next((match for match in named if not _DAEMON.search(match[0])), None)
    words = text[match.end() : match.end() + _WORDS] if match else text
    return "words", (_report(match[0] if match else "", words, text, subject, permanent=True),)
