"""The table of what providers ask: met, not met, unknown; nothing is met that was not looked at."""

from digest.delivery.dkim import key, setup
from digest.settings.root import load_settings
from tests.support.dns_server import SERVFAIL
from tests.unit.digest.workspace.doctor.conftest import Clinic

BY_DNS = ("spf", "dkim", "dmarc", "alignment")


def states(clinic: Clinic) -> dict[str, str]:
    return {one.id: one.state.value for one in clinic.examine().demands}


def test_what_only_the_relay_or_the_provider_knows_is_unknown(clinic: Clinic) -> None:
    table = {one.id: one for one in clinic.examine().demands}
    assert {name for name, one in table.items() if one.state == "unknown"} == {
        *("spf", "dkim", "alignment"),  # the relay signs, and its address is not known
        *("reverse-dns", "tls", "dead-addresses", "complaints"),
    }
    assert not [one.id for one in table.values() if one.state == "not met"]
    spf = table["spf"]
    assert (spf.gmail, spf.microsoft, spf.naver) == ("required", "required", "recommended")


def test_our_own_signature_is_met_when_its_record_is_there(clinic: Clinic) -> None:
    clinic.change("[schedule]", '[dkim]\nselector = "s1"\n\n[feedback]\nreturn_path = "b@example.org"\n\n[schedule]')
    key.generate(clinic.folder / "dkim.pem")
    assert [states(clinic)[name] for name in BY_DNS] == ["unknown", "not met", "met", "not met"]
    record = setup.show(load_settings(clinic.folder)).record
    clinic.records[record.name, "TXT"] = [" ".join(f'"{part}"' for part in record.strings)]
    found = states(clinic)
    assert [found[name] for name in (*BY_DNS[1:], "dead-addresses")] == ["met"] * 4


def test_missing_records_and_plain_links_are_not_met(clinic: Clinic) -> None:
    del clinic.records["example.org", "TXT"], clinic.records["_dmarc.example.org", "TXT"]
    clinic.change("https://", "http://")
    found = states(clinic)
    assert [name for name, state in found.items() if state == "not met"] == ["spf", "dmarc", "one-click"]


def test_without_an_answer_nothing_in_dns_is_met(clinic: Clinic) -> None:
    clinic.records = {("example.org", "SOA"): SERVFAIL}
    assert {states(clinic)[name] for name in BY_DNS} == {"unknown"}


def test_where_no_mail_leaves_there_is_no_table(clinic: Clinic) -> None:
    clinic.change("allow_send = true", "allow_send = false")
    assert states(clinic) == {}
