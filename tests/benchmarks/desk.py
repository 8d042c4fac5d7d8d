"""How quick the desk is: the issue board beside an empty page, a changed article in the preview beside the libraries.

Ratios of medians of runs taken in turn, in one process on one machine. Nothing is asserted: the reader compares with the
bound printed beside it.
"""

import http.client
import statistics
import sys
import tempfile
import threading
from datetime import timedelta
from pathlib import Path

import uvicorn
from build import NOW, ROUNDS, Recorder, crowded, in_turn, show, timed
from sqlmodel import Session, select
from starlette.responses import HTMLResponse

from digest import app
from digest.accounts import sessions, store
from digest.accounts.models import Role
from digest.articles import store as articles
from digest.articles.models import Article
from digest.editions.segment import ReaderGroup, select_articles
from digest.issues import store as issues
from digest.publish import build
from digest.render.edition import render_edition
from digest.runtime.db import session_scope
from digest.settings.web import DeskSettings
from digest.web.app import app_of
from digest.web.desk.access import Access
from digest.web.desk.state import Desk

QUICK = "--quick" in sys.argv
ARTICLES, INTERESTS, READERS, PAGES = (13, 3, 20, 5) if QUICK else (60, 12, 500, 40)
EMPTY = "/empty-page"


def bench_board(works: app.App) -> None:
    """The board of the issue, beside an empty page of the same server."""
    settings = works.settings.model_copy(update={"desk": DeskSettings(enabled=True)})
    opened = app.App(settings, works.engine, works.clock)
    secret = settings.suppression_key
    with session_scope(works.engine) as session:
        account = store.add(session, "kim", [Role.EDITOR], now=works.clock.now(), secret=secret).account
    with session_scope(works.engine) as session:
        token = sessions.begin(session, account, now=works.clock.now(), lasting=timedelta(hours=1), secret=secret)
    served = app_of(opened, shared_limits=False)
    served.add_api_route(EMPTY, lambda: HTMLResponse(""))
    served.router.routes.insert(0, served.router.routes.pop())  # before the pages of any name
    server = uvicorn.Server(uvicorn.Config(served, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        pass
    port = server.servers[0].sockets[0].getsockname()[1]
    line = http.client.HTTPConnection("127.0.0.1", port)
    cookie = {"Cookie": f"{Access(opened).cookie}={token}", "Host": "localhost"}

    def pages(path: str) -> None:
        for _ in range(PAGES):
            line.request("GET", path, headers=cookie)
            answer = line.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()

    pages("/desk/issue")
    pages(EMPTY)
    ours, empty, ratio = in_turn(lambda: pages("/desk/issue"), lambda: pages(EMPTY))
    show(f"the board of {ARTICLES} articles, {INTERESTS} interests / an empty page", f"{ratio:.1f} x", "at most 10 x")
    print(f"    board {ours / PAGES * 1000:.1f} ms, empty {empty / PAGES * 1000:.1f} ms")
    line.close()
    server.should_exit = True
    thread.join()


def bench_preview(works: app.App) -> None:
    """A changed article in the preview of one edition, from the database to its bytes."""
    publisher = works.publisher
    with Session(works.engine) as session:
        issue = issues.find(session, 21)
        build.build(publisher, session, issue, NOW)  # as when the preview was opened
        content = build.content_of(session, issue)
    group = ReaderGroup("en", "interest-0;interest-1")
    selection = select_articles(build.items_for_segment(content), group, publisher.settings.catalogue, publisher.rules)
    desk, changed = Desk(publisher, 21, works.clock), selection.shown[-1][0]

    def change() -> None:
        with session_scope(works.engine) as session:
            article = articles.get(session, changed)
            article.body += "\n\nOne more paragraph."
            article.content_hash = f"{len(article.body):064}"

    def preview() -> None:
        edition = desk.one_edition(lambda one: one.edition_for(group))
        assert edition
        assert "One more paragraph" in edition.rendered.html

    change()
    preview()
    recorder = Recorder()
    views = build.renderer_of(publisher, content).views("en")
    recorder.record(lambda: render_edition(views.context(selection), publisher.templates))
    pairs = [(change(), timed(preview), timed(recorder.replay)) for _ in range(ROUNDS)]
    ours, bare = (statistics.median(column) for column in ([a for _, a, _ in pairs], [b for _, _, b in pairs]))
    ratio = statistics.median(a / b for _, a, b in pairs)
    what = f"a changed article: preview of its edition of {len(selection.shown)} / the bare calls for that edition"
    show(what, f"{ratio:.2f} x", "at most 1 x")
    print(f"    ours {ours * 1000:.0f} ms, bare {bare * 1000:.0f} ms, {len(recorder.calls)} calls")


def main() -> None:
    """Print the rows."""
    with tempfile.TemporaryDirectory() as folder:
        works = crowded(Path(folder) / "desk", INTERESTS, ARTICLES, READERS)
        with Session(works.engine) as session:
            assert len(session.exec(select(Article.id)).all()) > ARTICLES  # in two languages
        bench_board(works)
        bench_preview(works)


if __name__ == "__main__":
    main()
