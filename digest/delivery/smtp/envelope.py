"""Commands of an SMTP envelope: MAIL and RCPT, with what the relay offers of SIZE, SMTPUTF8 and DSN. Pure."""

import re
from collections.abc import Mapping

from digest.delivery.transport import Envelope

_NO_XTEXT = re.compile(r"[+=]")  # RFC 3461 section 4; what no address may have is refused before


def envelope_commands(envelope: Envelope, size: int, offers: Mapping[str, str]) -> bytes:
    """Return a pipelined envelope; `size` is that of the message in bytes, `offers` what EHLO announced."""
    return mail_command(envelope, size, offers) + rcpt_command(envelope, offers) + b"DATA\r\n"


def mail_command(envelope: Envelope, size: int, offers: Mapping[str, str]) -> bytes:
    announced = f" SIZE={size}" if "size" in offers else ""
    utf8 = "" if envelope.sender.isascii() and envelope.recipient.isascii() else " SMTPUTF8"
    report = f" RET=HDRS ENVID={envelope.dsn_id}" if envelope.dsn_id and "dsn" in offers else ""
    return f"MAIL FROM:<{envelope.sender}>{announced}{utf8}{report}\r\n".encode()


def rcpt_command(envelope: Envelope, offers: Mapping[str, str]) -> bytes:
    report = ""
    if envelope.dsn_id and "dsn" in offers:
        report = " NOTIFY=FAILURE"
        if envelope.recipient.isascii():
            report += f" ORCPT=rfc822;{_NO_XTEXT.sub(_as_xtext, envelope.recipient)}"
    return f"RCPT TO:<{envelope.recipient}>{report}\r\n".encode()


def _as_xtext(match: re.Match[str]) -> str:
    return f"+{ord(match[0]):02X}"
