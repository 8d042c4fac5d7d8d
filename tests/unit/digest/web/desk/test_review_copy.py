"""The review copy over HTTP: every edition, no reader, nothing else, and nothing changes by looking."""

import html
import re
from datetime import timedelta

import pytest

from digest.accounts import review_links
from digest.accounts.models import Role
from digest.runtime.db import session_scope
from tests.support.desk_office import SignedOffice
from tests.support.web_sample import READERS, change_in_database, snapshot

pytestmark = pytest.mark.one_database


def link(office: SignedOffice, *, days: int = 7) -> str:
    secret, now = office.app.settings.suppression_key, office.clock.now()
    with session_scope(office.app.engine) as session:
        lasting = timedelta(days=days)
        _, token = review_links.make(session, 21, "h", "kim", now=now, lasting=lasting, secret=secret)
    return f"/desk/copy/{token}"


def test_every_edition_is_read_and_no_reader_is_named(office: SignedOffice) -> None:
    path, guest = link(office), office.browser()
    before = snapshot(office.app.engine)
    pages = [guest.get(path)]
    assert "Review copy of issue 21, until October 7, 2021" in pages[0].text
    editions = {html.unescape(found) for found in re.findall(rf'href="({path}/edition\?[^"]+)"', pages[0].text)}
    assert len(editions) == 6 + 2
    for edition in editions:
        pages.append(guest.get(edition))
        frames = re.findall(r'<iframe [^>]*src="([^"]+)"', pages[-1].text)
        assert len(frames) == 4
        pages += [guest.get(html.unescape(frame)) for frame in frames]
    assert f'href="{path}/slot/preferences"' in pages[2].text
    pages.append(guest.get(f"{path}/slot/preferences"))
    assert [page.status_code for page in pages] == [200] * len(pages)
    told = "".join(page.text for page in pages)
    assert not [address for address, *_ in READERS if address in told]
    assert {page.headers["referrer-policy"] for page in pages} == {"no-referrer"}
    assert guest.head(path).status_code == 200
    assert snapshot(office.app.engine) == before
    assert "제21호 검토본" in guest.get(f"{path}?lang=ko").text


def test_the_token_opens_nothing_else(office: SignedOffice) -> None:
    path, guest = link(office), office.browser()
    for other in ("/desk", "/desk/preview", f"{path}/reader?address=anna", f"{path}/approval", f"{path}/../review"):
        assert guest.get(other).status_code in {303, 404}, other
    for page in (path, f"{path}/edition", "/desk/approval"):
        assert guest.post(page).status_code in {403, 405}, page


def test_whatever_is_wrong_with_a_link_the_answer_is_one(office: SignedOffice) -> None:
    guest, over = office.browser(), link(office, days=1)
    office.clock.move(seconds=86400)
    good = link(office)
    wrong = [over, f"{good[:-1]}-", "/desk/copy/x", f"{good}/edition?language=xx", f"/desk/copy/{'é' * 500}"]
    answers = {(answer.status_code, answer.text) for answer in map(guest.get, wrong)}
    assert len(answers) == 1
    assert {status for status, _ in answers} == {404}
    assert guest.get(f"{over}/frame").status_code == 404


def test_a_change_shows_at_once_and_is_named(office: SignedOffice) -> None:
    kim, guest = office.signed_in("kim", Role.EDITOR), office.browser()
    form = re.search(r'name="form" value="([^"]+)"', kim.get("/desk/review").text)[1]  # type: ignore[index]
    path = re.search(r"/desk/copy/[\w-]{43}", kim.post("/desk/review", data={"form": form}).text)[0]  # type: ignore[index]
    assert "has changed since" not in guest.get(path).text
    change_in_database(office.app.publisher, "wsce-2021", "Another title")
    assert "has changed since" in guest.get(path).text
    assert "Another title" in guest.get(f"{path}/frame?language=en&whole=1").text
