"""What was frozen before there were fragments is shown and sent byte for byte as it was, and can be verified."""

from datetime import datetime
from email import message_from_bytes
from pathlib import Path

from alembic import command
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from digest.app import App
from digest.issues import store as issue_store
from digest.outbox.tables import Promised
from digest.outbox.take import Recipient, Taken
from digest.publish import build
from digest.publish.publisher import Publisher
from digest.publish.verification import verify
from digest.runtime.db import alembic_config, check_revision, session_scope, upgrade
from digest.testing import FrozenClock
from subscribers.links import LinkSigner, Purpose
from tests.support import published, web_sample


def test_editions_of_before_stay_as_they_are(engine: Engine, tmp_path: Path, now: datetime) -> None:
    press = web_sample.issue_21(engine, tmp_path / "workspace", now)
    with session_scope(engine, read_only=True) as session:
        issue = issue_store.find(session, 21)
        rendered = {(e.rendered.html, e.rendered.text) for e in build.build(press, session, issue, now).editions}
    web_sample.send_out(press, now)
    before, stored = shown(press, now), published.editions(press)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0010")
        rows = connection.execute(text("SELECT html, text FROM edition WHERE NOT archive")).all()
    assert {(row.html, row.text) for row in rows} == rendered, "as it was written then"
    upgrade(engine)
    check_revision(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM fragment")).scalar_one() == 0
    assert shown(press, now) == before
    assert [(one.html, one.text) for one in published.editions(press)] == [(one.html, one.text) for one in stored]
    with session_scope(engine, read_only=True) as session:
        assert verify(press, session, issue_store.find(session, 21)).differs == []


def shown(press: Publisher, now: datetime) -> list[bytes]:
    """What a reader can see of it: pages of the archive, each edition by its link, and each edition's mail."""
    signer = LinkSigner([web_sample.LINK_KEY], press.settings.publication.base_url)
    app = App(press.settings, press.engine, FrozenClock(now))
    editions = published.editions(press)
    paths = [f"/archive/21?lang={code}&format={form}" for code in ("en", "ko") for form in ("html", "text")]
    paths += [f"/view/{signer.token(Purpose.VIEW, one.content_hash)}" for one in editions]
    with TestClient(web_sample.public(press, signer, FrozenClock(now)), base_url=web_sample.HOME) as client:
        pages = [client.get(path).content for path in paths]
    writer = app.delivery.writer
    with session_scope(press.engine, read_only=True) as session:
        writer.prepare(session, [one.id or 0 for one in editions])
    reader = Recipient("r" * 32, "ada@example.net", "Ada", "en", "html", "*")
    taken = [Taken(Promised.DELIVERY, 7, "a", "", 1, now, now, one.id or 0, "", reader) for one in editions]
    return [*pages, *(decoded(b"".join(writer.delivery(one, now).message)) for one in taken)]


def decoded(mail: bytes) -> bytes:
    """The parts of a mail; its boundary depends on how it is stored."""
    parts = message_from_bytes(mail).walk()
    return b"\0".join(part.get_payload(decode=True) for part in parts if not part.is_multipart())
