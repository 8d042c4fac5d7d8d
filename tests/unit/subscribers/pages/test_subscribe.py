"""The sign-up form as a publisher has set it: a consent text, a link to the privacy policy, a field for the name."""

import re

import pytest
from starlette.testclient import TestClient

from subscribers import store
from subscribers.links import Purpose
from subscribers.models import ConsentEvent
from tests.support.site import Site

TEXT = (
    "수집 항목: 이메일 주소 <이름>\n보유 기간: 구독 해지까지\n동의하지 않을 수 있으며, 그 경우 보내 드릴 수 없습니다."
)
POLICY = "https://www.example.org/privacy?lang=ko&x=1"
FORM = {"email": "new@example.org", "scope": "all", "language": "en"}


def requested(site: Site) -> ConsentEvent:
    with site.write() as session:
        person = store.by_key(session, "new@example.org")
        assert person is not None
        return store.events(session, person)[-1]


@pytest.mark.one_database
def test_without_settings_the_form_asks_for_an_address_only(site: Site, client: TestClient) -> None:
    page = client.get("/subscribe").text + client.get("/subscribe/embed").text
    for absent in (
        'name="agree"',
        'name="name"',
        "Privacy policy",
        "&lt;input type=&#34;checkbox&#34; name=&#34;agree",
    ):
        assert absent not in page
    assert client.post("/subscribe", data={**FORM, "name": "Park Ada", "agree": "yes"}).status_code == 200
    assert site.person("new@example.org").name == ""
    assert set(requested(site).detail) == {"request"}


@pytest.mark.one_database
def test_a_consent_text_is_shown_and_has_to_be_agreed_to(site: Site, client: TestClient) -> None:
    site.signup = {"consent_text": TEXT, "privacy_policy": POLICY}
    for path in ("/subscribe?lang=ko", "/subscribe/embed?lang=ko"):
        page = client.get(path).text
        assert "보유 기간: 구독 해지까지" in page
        assert "<이름>" not in page
    page = client.get("/subscribe").text
    box = re.search(r'<input type="checkbox" name="agree"[^>]*>', page)
    assert box
    assert " required" in box[0]
    assert "checked" not in box[0]
    assert page.count(f'<a href="{POLICY.replace("&", "&amp;")}">Privacy policy</a>') == 2, (
        "in the form and in the foot"
    )
    for agree in ({}, {"agree": ""}, {"agree": "no"}):
        refused = client.post("/subscribe", data={**FORM, **agree})
        assert refused.status_code == 400
        assert "if you agree" in refused.text
        assert 'value="new@example.org"' in refused.text
    assert site.due == []
    again = client.post("/subscribe", data={**FORM, "agree": "yes", "scope": "some"}).text
    assert re.search(r'name="agree"[^>]* checked', again), "the reader's own tick"
    assert client.post("/subscribe", data={**FORM, "agree": "yes"}).status_code == 200
    assert len(site.due) == 1


@pytest.mark.one_database
def test_the_words_agreed_to_are_kept_as_they_were_shown(site: Site, client: TestClient) -> None:
    site.signup = {"consent_text": TEXT}
    # the form was shown in Korean; the reader chose mails in English
    client.post("/subscribe", data={**FORM, "agree": "yes", "shown": "ko"})
    event = requested(site)
    version = event.detail["consent"]
    assert re.fullmatch(r"consent\.ko\.[0-9a-f]{12}", version)
    assert event.wording.startswith("subscribe.ko.")
    with site.write() as session:
        texts = store.wordings(session, [version, event.wording])
    assert texts[version] == " ".join(TEXT.split())
    assert " ".join(TEXT.split()) in texts[event.wording]
    assert site.person("new@example.org").language == "en"
    site.later(days=2)
    site.signup = {"consent_text": TEXT + "!"}
    client.post("/subscribe", data={**FORM, "agree": "yes", "shown": "ko"})
    assert requested(site).detail["consent"] != version


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("asked", "typed", "kept"),
    [
        ("optional", "  박 아다 ", "박 아다"),
        ("optional", "", ""),
        ("required", "O'Brien & <b>", "O'Brien & <b>"),
        ("required", " ", None),
        ("optional", "a\nb", None),
        ("required", "x" * 201, None),
        ("optional", "\u202egnp.exe", None),
    ],
)
def test_a_name_is_asked_for(site: Site, client: TestClient, asked: str, typed: str, kept: str | None) -> None:
    site.signup = {"name_field": asked}
    for page in (client.get("/subscribe").text, client.get("/subscribe/embed").text):
        assert "name=&#34;name&#34;" in page or 'name="name"' in page
    answer = client.post("/subscribe", data={**FORM, "name": typed})
    if kept is None:
        assert answer.status_code == 400
        assert "Enter your name" in answer.text
        assert site.due == []
    else:
        assert answer.status_code == 200
        assert site.person("new@example.org").name == kept
        # strangers could write anything to anybody by it
        assert [due.name for due in site.due] == [""]


NO_TOPIC = "Select at least one topic."


@pytest.mark.one_database
@pytest.mark.parametrize("fields", [{"scope": "some"}, {"scope": "some", "language": "ko"}])
def test_no_topic_ticked_is_asked_back_at_sign_up(site: Site, client: TestClient, fields: dict[str, str]) -> None:
    answer = client.post("/subscribe", data={"email": "new@example.org", "language": "en"} | fields)
    assert answer.status_code == 400
    assert answer.text.count('id="topics-problem"') == answer.text.count('aria-describedby="topics-problem"') == 1
    assert (NO_TOPIC in answer.text) is ("language" not in fields)
    assert 'value="new@example.org"' in answer.text
    assert site.due == []


@pytest.mark.one_database
@pytest.mark.parametrize("interests", ["*", "mobility", ""])
def test_no_topic_ticked_is_asked_back_of_readers(site: Site, client: TestClient, interests: str) -> None:
    person, before = site.add(interests=interests), site.dump()
    settings, leave = site.path(Purpose.PREFERENCES, person.ref), site.path(Purpose.UNSUBSCRIBE, person.ref)
    save = {"do": "save", "scope": "some", "language": "ko", "format": "text", "frequency": "third"}
    saved, kept = client.post(settings, data=save), client.post(leave, data={"confirm": "topics"})
    if not interests:  # who had none before, by a file, may change the rest
        assert saved.status_code == 200
        assert site.person().interests == ""
        return
    assert saved.status_code == kept.status_code == 400
    assert NO_TOPIC in saved.text
    assert NO_TOPIC in kept.text
    assert 'value="third" id="frequency-third" checked' in saved.text, "what was chosen beside it is still there"
    assert site.dump() == before


@pytest.mark.one_database
def test_a_mistyped_domain_is_asked_about_and_stops_nobody(site: Site, client: TestClient) -> None:
    site.signup = {"consent_text": TEXT}
    form = {**FORM, "email": "Kim@gmial.com", "agree": "yes", "scope": "some", "interest": ["mobility", "safety"]}
    page = client.post("/subscribe", data=form)
    assert page.status_code == 200
    assert "Did you mean Kim@gmail.com?" in page.text
    assert site.person("kim@gmial.com").state == "pending", "taken as it was typed"
    offered = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text)
    again = client.post("/subscribe", data={name: [v for n, v in offered if n == name] for name, _ in offered})
    assert again.status_code == 200
    assert "Did you mean" not in again.text
    asked = site.person("kim@gmail.com")
    assert (asked.interests, asked.language, [due.address for due in site.due][-1]) == (
        "mobility;safety",
        "en",
        "Kim@gmail.com",
    )


@pytest.mark.one_database
@pytest.mark.parametrize("address", ["kim@mail.com", "kim@gmail.com", "kim@gmx.com", "postmaster@example.org"])
def test_other_addresses_are_not_asked_about(site: Site, client: TestClient, address: str) -> None:
    assert "Did you mean" not in client.post("/subscribe", data={**FORM, "email": address}).text


@pytest.mark.one_database
def test_a_mistyped_new_address_is_asked_about_too(site: Site, client: TestClient) -> None:
    person = site.add("kim@example.org")
    settings = site.path(Purpose.PREFERENCES, person.ref)
    page = client.post(settings, data={"do": "address", "email": "kim@naver.con"}).text
    assert "Did you mean kim@naver.com?" in page
    assert 'value="kim@naver.com"' in page
    assert site.changes[-1].address == "kim@naver.con"
    assert "Did you mean" not in client.post(settings, data={"do": "address", "email": "kim@mail.com"}).text
