"""Every mail of the sample issue: well-formed, complete, personal, and the same bytes on a second build."""

import csv
import html as html_module
import io
import re
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.support.world import World, html_of, links_in, mails, text_of

HTML_BUDGET = 100_000


pytestmark = pytest.mark.one_database


def edition_of(world: World) -> dict[str, list[str]]:
    """Address -> the titles of the articles that the matrix promises to them."""
    titles = {a["slug"]: a["title"] for a in world.json("articles", "list")}
    matrix = world.json("editions", "21")["editions"]
    rows = csv.DictReader(io.StringIO(world.digest("subscribers", "export").lstrip("\ufeff")))
    readers = {row["email"]: (row["language"], row["interests"].strip(";")) for row in rows}
    promised = {}
    for entry in world.json("outbox", "list", "21"):
        language, interests = readers[entry["address"]]
        wanted = [slug for slug in interests.split(";") if slug]
        edition = next(e for e in matrix if e["language"] == language and wanted in e["interests"])
        promised[entry["address"]] = [titles[slug] for slug in edition["articles"]]
    return promised


def raw_mails(world: World) -> list[bytes]:
    return [path.read_bytes() for path in (world.folder / "outbox").rglob("*") if path.is_file()]


def test_every_mail_is_whole_and_names_its_readers_articles(sent: World) -> None:
    delivered = mails(sent.folder / "outbox")
    promised = edition_of(sent)
    assert len(delivered) == len(promised) > 20
    all_titles = {title for titles in promised.values() for title in titles}
    for message in delivered:
        check_parts(message, promised[address_of(message)], all_titles)
    for raw in raw_mails(sent):
        check_bytes(raw)
    check_links(delivered)
    check_that_a_second_send_sends_nothing(sent)


def address_of(message: EmailMessage) -> str:
    return message["To"].addresses[0].addr_spec


def check_parts(message: EmailMessage, titles: list[str], all_titles: set[str]) -> None:
    """Both parts: no defect, nothing left of templates or slots, and the promised titles, all, in order, no others."""
    for part in message.walk():
        assert part.defects == []
    for header in message.values():
        assert getattr(header, "defects", ()) == ()
    html, text = html_of(message), text_of(message)
    for content in (html, text):
        flat = " ".join(re.sub(r"<[^>]+>", " ", content).split())
        for leftover in ("@@R_", "{{", "}}", "{%", r"\u{"):
            assert leftover not in flat
    assert len(html.encode()) < HTML_BUDGET
    wanted, others = [plain(title) for title in titles], {plain(title) for title in all_titles - set(titles)}
    if html:
        headings = [plain(heading) for heading in re.findall(r"<h3[^>]*>(.*?)</h3>", html, re.DOTALL)]
        assert [heading for heading in headings if heading in wanted] == wanted
        assert not others & set(headings)
    flat = plain(text)
    assert all(title in flat for title in wanted)
    assert sorted(wanted, key=flat.find) == wanted


def plain(text: str) -> str:
    return " ".join(html_module.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def check_bytes(raw: bytes) -> None:
    head = raw.split(b"\r\n\r\n", 1)[0] if b"\r\n\r\n" in raw else raw.split(b"\n\n", 1)[0]
    lines = head.replace(b"\r\n", b"\n").split(b"\n")
    unsubscribe = [line for line in lines if line.lower().startswith(b"list-unsubscribe:")]
    assert len(unsubscribe) == 1
    assert re.fullmatch(rb"List-Unsubscribe: <https?://[^<> ]+>(, <mailto:[^<> ]+>)?", unsubscribe[0])
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
    assert max(len(line) for line in raw.replace(b"\r\n", b"\n").split(b"\n")) <= 998
    assert all(byte < 128 for byte in raw)


def check_that_a_second_send_sends_nothing(sent: World) -> None:
    before = sorted(raw_mails(sent))
    sent.digest("send", "21", "--yes", expect=3)  # refused by a promise: sent already
    again = sent.json("outbox", "status", "21")
    assert again["states"]["accepted"] == again["planned"] == len(before)
    assert sorted(raw_mails(sent)) == before


def test_a_second_build_gives_the_same_bytes(sample: World, tmp_path: Path) -> None:
    sample.digest("issue", "assemble", "--period", "2021-09", "--number", "21")
    first = sample.json("issue", "show", "21")["hash"]
    matrices = [sample.json("editions", "21") for _ in range(2)]
    assert matrices[0] == matrices[1]
    assert sample.json("issue", "show", "21")["hash"] == first


def check_links(delivered: list[EmailMessage]) -> None:
    """Personal links are personal, and hold no personal data."""
    seen: set[str] = set()
    for message in delivered:
        url = message["List-Unsubscribe"].strip("<>")
        assert url not in seen
        seen.add(url)
        personal = [link for link in links_in(text_of(message)) if "/preferences/" in link or "/unsubscribe/" in link]
        assert len(personal) >= 2
        for link in personal:
            assert "@" not in link
            assert address_of(message).split("@")[0].lower() not in link.lower()


def test_an_edit_after_the_approval_voids_it(approved: World) -> None:
    sample = approved
    sample.digest("issue", "edit", "21", "--subject", "Something else")
    sample.digest("send", "21", "--yes", expect=3)
    article = next((sample.folder / "articles").glob("*.md"))
    sample.digest("issue", "approve", "21", "--by", "Ada")
    article.write_text(article.read_text().replace("2021", "2031", 1))
    sample.digest("articles", "import", "articles", expect=0)
    sample.digest("send", "21", "--yes", expect=3)
    assert sample.json("outbox", "status", "21")["planned"] == 0
