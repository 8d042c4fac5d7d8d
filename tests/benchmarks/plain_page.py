"""What the readers' pages are compared with: an empty FastAPI page that selects one row by its primary key.

Served by the same server with as many processes: plain_page.py URL PORT WORKERS
"""

import sys
from functools import partial

from fastapi import FastAPI
from sqlalchemy import create_engine
from sqlmodel import Session
from starlette.responses import HTMLResponse

from digest.web.http.server import serve_by_many
from subscribers.models import Subscriber


def plain_app(url: str) -> FastAPI:
    """Return the app, written as its framework's documentation has it."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    app = FastAPI()

    @app.get("/{number}")
    def page(number: int) -> HTMLResponse:
        with Session(engine) as session:
            found = session.get(Subscriber, number)
        return HTMLResponse("<p>found</p>" if found else "<p>nobody</p>")

    return app


if __name__ == "__main__":
    serve_by_many(partial(plain_app, sys.argv[1]), "127.0.0.1", int(sys.argv[2]), workers=int(sys.argv[3]))
