"""The sink's page: it shows any mail and runs none; GET changes nothing; only its own button deletes."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from digest.sink.maildir import Mailbox
from digest.web.sink.mail import MAX_SHOWN_BYTES, framed_html, parse
from digest.web.sink.routes import sink_app

RELAY = "smtp://127.0.0.1:2525"
BOTH = (
    b"Delivered-To: ada@x.example\nSubject: A <b>bold</b> subject\nMessage-ID: <1@x>\nMIME-Version: 1.0\n"
    b'Content-Type: multipart/alternative; boundary="b"\n\n'
    b"--b\nContent-Type: text/plain\n\nin <plain>\n--b\nContent-Type: text/html; charset=euc-kr\n\n"
    b"<html><head><title>x</title></head><body>"
    + "동향".encode("euc-kr")
    + b"<script>alert(1)</script></body></html>\n--b--\n"
)
NESTED = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(3000)) + b"\nx"
HOSTILE = {
    "empty": b"",
    "binary": bytes(range(256)) * 500,
    "no head": b"\n" + b"<script>alert(1)</script>" * 1000,
    "no end": b"Subject: x",
    "nested": NESTED,
    "many parts": b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\nx\n" * 5000,
    "bad base64": b"Content-Type: text/html\nContent-Transfer-Encoding: base64\n\n!!!!=\xff",
    "bad encoding": b"Content-Type: text/plain\nContent-Transfer-Encoding: no-such\n\nx",
    "bad charset": b"Content-Type: text/html; charset=unicode_escape\n\n\\ud800",
    "bad parameter": b"Content-Type: text/plain; charset*0*=x''%ff; name*=\xff'%\n\nx",
    "bad type": b"Content-Type: \x00\x1b/\xff;;;\n\nx",
    "bad disposition": b"Content-Disposition: attachment; filename==?utf-8?b?AA==?=\n\nx",
    "long line": b"Subject: x\n\n" + b"y" * 1_200_000,
    "long subject": b"Subject: " + b"W" * 200_000 + b"\n\n",
    "folded for ever": b"Subject: a\n" + b" b\n" * 50_000,
    "markup in the head": b'Delivered-To: "><script>"@x\nSubject: </title><script>alert(1)</script>\nMessage-ID: <img src=x>\n\n',
}


def put(tmp_path: Path, *mails: bytes) -> TestClient:
    for number, mail in enumerate(mails):
        path = tmp_path / "new" / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mail)
        os.utime(path, (number, number))
    return TestClient(sink_app(Mailbox(tmp_path), RELAY), base_url="http://127.0.0.1")


def key(client: TestClient) -> str:
    return str(client.get("/api/mails").json()["mails"][0]["id"])


def test_the_list_shows_the_newest_first_in_pages(tmp_path: Path) -> None:
    client = put(tmp_path, *(b"Delivered-To: reader%d@x\nSubject: No. %d\n\n" % (n, n) for n in range(120)))
    first, last = client.get("/").text, client.get("/?page=3").text
    assert re.findall(r"No\. (\d+)<", first) == [str(n) for n in range(119, 69, -1)]
    assert re.findall(r"No\. (\d+)<", last) == [str(n) for n in range(19, -1, -1)]
    assert "Newer" not in first
    assert 'href="/?page=2" rel="next"' in first
    assert "Older" not in last
    assert client.get("/?page=99").text == last
    assert client.get("/?page=0").status_code == 400


def test_a_search_is_kept_from_page_to_page(tmp_path: Path) -> None:
    client = put(tmp_path, *(b"Delivered-To: r%d+&a@x\n\n" % n for n in range(60)), b"Delivered-To: bo@x\n\n")
    page = client.get("/", params={"to": "+&A"}).text
    assert "60 to an address with" in page
    assert "61 mails" in page
    assert 'href="/?to=%2B%26A&amp;page=2"' in page
    assert "0 to an address with “&lt;script&gt;”" in client.get("/", params={"to": "<script>"}).text


def test_an_empty_sink_says_how_to_send_to_it(tmp_path: Path) -> None:
    page = put(tmp_path).get("/").text
    assert f"digest send --relay {RELAY}" in page
    assert "Delete" not in page


def test_the_page_renews_itself_only_when_asked(tmp_path: Path) -> None:
    client = put(tmp_path, BOTH)
    assert "http-equiv" not in client.get("/").text
    assert '<meta http-equiv="refresh" content="5">' in client.get("/?every=1").text


def test_one_mail_in_every_way(tmp_path: Path) -> None:
    client = put(tmp_path, BOTH)
    mail = f"/mail/{key(client)}"
    page = client.get(mail).text
    assert "A &lt;b&gt;bold&lt;/b&gt; subject" in page
    assert (
        f'<iframe class="sink-frame" src="{mail}/frame" sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    )
    assert "in &lt;plain&gt;" in client.get(f"{mail}?view=text").text
    assert '<th scope="row">Message-ID</th><td>&lt;1@x&gt;</td>' in client.get(f"{mail}?view=headers").text
    assert "boundary=&#34;b&#34;" in client.get(f"{mail}?view=source").text
    eml = client.get(f"{mail}/file.eml")
    assert eml.content == BOTH
    assert eml.headers["content-disposition"].startswith("attachment")
    assert eml.headers["content-type"] == "message/rfc822"


def test_the_frame_may_do_nothing(tmp_path: Path) -> None:
    client = put(tmp_path, BOTH)
    frame = client.get(f"/mail/{key(client)}/frame")
    assert "동향" in frame.text
    policy = frame.headers["content-security-policy"]
    assert policy.startswith("sandbox ")
    assert "default-src 'none'" in policy
    assert "allow-scripts" not in policy + client.get(f"/mail/{key(client)}").text
    assert "allow-same-origin" not in policy
    page = client.get("/").headers["content-security-policy"]
    assert "script" not in page
    assert "unsafe" not in page


def test_scripts_get_json(tmp_path: Path) -> None:
    client = put(tmp_path, BOTH, b"Return-Path: <s@x>\nDelivered-To: bo@x\nDelivered-To: cy@x\n\n")
    found = client.get("/api/mails").json()
    assert found["count"] == 2
    assert found["mails"][0] | {"id": "", "received": ""} == {
        "id": "", "from": "<s@x>", "to": ["bo@x", "cy@x"], "subject": "", "message_id": "", "size": 58, "received": "",
    }  # fmt: skip
    assert found["mails"][1]["message_id"] == "<1@x>"
    assert client.get("/api/mails?to=ada").json()["count"] == 1
    some = client.get("/api/mails?limit=1&offset=1").json()
    assert (some["count"], [mail["subject"] for mail in some["mails"]]) == (2, ["A <b>bold</b> subject"])
    assert client.get("/api/mails?limit=-1").json() == {"error": "Bad Request"}
    assert client.delete("/api/mails").json() == {"deleted": 2}
    assert client.get("/api/mails").json() == {"count": 0, "mails": []}


def test_only_its_own_button_deletes(tmp_path: Path) -> None:
    client = put(tmp_path, BOTH)
    assert client.get("/delete").status_code == 405
    for data in ({}, {"token": "x"}, {"token": "é"}, {"token": "x" * 1000}):
        assert client.post("/delete", data=data).status_code in {400, 403}
    assert client.options("/api/mails", headers={"Origin": "https://evil.example"}).status_code == 405
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 421
    assert client.get("/api/mails").json()["count"] == 1
    found = re.search(r'name="token" value="([^"]+)"', client.get("/").text)
    assert found
    assert client.post("/delete", data={"token": found[1]}, follow_redirects=False).status_code == 303
    assert client.get("/api/mails").json()["count"] == 0


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_mail_is_shown_and_runs_nothing(tmp_path: Path, name: str) -> None:
    client = put(tmp_path, HOSTILE[name])
    mail = f"/mail/{key(client)}"
    for address in ("/", mail, *(f"{mail}?view={view}" for view in ("html", "text", "headers", "source"))):
        page = client.get(address)
        assert page.status_code == 200
        assert "<script" not in page.text
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", page.text)
        assert len(page.content) < 8_000_000
    assert client.get(f"{mail}/frame").status_code in {200, 404}
    assert client.get(f"{mail}/file.eml").content == HOSTILE[name]


def test_a_mail_that_is_gone_is_said_so(tmp_path: Path) -> None:
    client = put(tmp_path, BOTH)
    mail = f"/mail/{key(client)}"
    (tmp_path / "new" / "0").unlink()
    for address in (mail, f"{mail}/frame", f"{mail}/file.eml", "/mail/..%2f..%2fetc", "/assets/preview.js", "/nothing"):
        assert client.get(address).status_code == 404
    assert client.get(f"{mail}?view=no-such").status_code == 400


def test_what_is_too_long_is_cut_and_said_so() -> None:
    parsed = parse(b"Subject: x\n\n" + b"y\n" * MAX_SHOWN_BYTES)
    assert parsed.text
    assert len(parsed.text) < MAX_SHOWN_BYTES + 100
    assert parsed.text.endswith("bytes in total]")


def test_links_of_a_mail_open_beside_and_nothing_is_prefetched() -> None:
    assert framed_html("<HTML><Head lang=x><LINK rel=preconnect href=//x>") == (
        '<HTML><Head lang=x><base target="_blank"><x-LINK rel=preconnect href=//x>'
    )
    assert framed_html("<p>x") == '<p>x<base target="_blank">'
    assert len(framed_html("<head" * 500_000 + "<link" * 500_000)) > 5_000_000


@given(
    st.binary(max_size=2000),
    st.sampled_from([b"", b"Content-Type: multipart/mixed; boundary=b\n\n--b\n", b"Content-Type: text/html;"]),
)
def test_any_bytes_can_be_taken_apart(content: bytes, before: bytes) -> None:
    parsed = parse(before + content)
    (framed_html(parsed.html or "") + (parsed.text or "") + parsed.source + parsed.raw_head).encode()
