"""Envelope commands: reports of failures are asked for where the relay offers them."""

import pytest

from digest.delivery.smtp.envelope import envelope_commands
from digest.delivery.transport import Envelope

ENVELOPE = Envelope("delivery-1", "bounces+d1@example.org", "ada+a=b@example.net", "d1abc")


def commands(envelope: Envelope, *offers: str) -> list[str]:
    return envelope_commands(envelope, 1234, dict.fromkeys(offers, "")).decode().splitlines()


def test_without_an_offer_nothing_is_asked_for() -> None:
    assert commands(ENVELOPE) == ["MAIL FROM:<bounces+d1@example.org>", "RCPT TO:<ada+a=b@example.net>", "DATA"]


def test_reports_name_the_delivery_and_the_recipient() -> None:
    assert commands(ENVELOPE, "size", "dsn") == [
        "MAIL FROM:<bounces+d1@example.org> SIZE=1234 RET=HDRS ENVID=d1abc",
        "RCPT TO:<ada+a=b@example.net> NOTIFY=FAILURE ORCPT=rfc822;ada+2Ba+3Db@example.net",
        "DATA",
    ]


@pytest.mark.parametrize(
    ("recipient", "ends"),
    [("ada@example.net", "ORCPT=rfc822;ada@example.net"), ("에이다@example.net", "NOTIFY=FAILURE")],
)
def test_only_ascii_recipients_are_named(recipient: str, ends: str) -> None:
    mail, rcpt, _ = commands(Envelope("x", "b@example.org", recipient, "d1"), "dsn", "smtputf8")
    assert rcpt.endswith(ends)
    assert (" SMTPUTF8" in mail) is not recipient.isascii()


def test_without_a_return_path_of_its_own_no_report_is_asked_for() -> None:
    assert commands(Envelope("x", "b@example.org", "c@example.org"), "dsn")[0] == "MAIL FROM:<b@example.org>"
