"""A gate before the tests' PostgreSQL: what it is like when the database is away for a while."""

import shutil
import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from sqlalchemy.engine import make_url


class Gate:
    """Stands before a server's socket at `url`; when shut, all connections are cut and none is let in."""

    def __init__(self, url: str) -> None:
        self._server = Path(str(make_url(url).query["host"])) / ".s.PGSQL.5432"
        self._folder = Path(tempfile.mkdtemp(prefix="dp-gate-"))  # a socket's path must be short
        self.url = make_url(url).update_query_dict({"host": str(self._folder)}).render_as_string(hide_password=False)
        self._shut, self._ending = threading.Event(), threading.Event()
        self._through: list[socket.socket] = []
        self.refused = 0
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self._folder / self._server.name))
        self._listening.listen(50)
        self._listening.settimeout(0.05)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self._cut()
        for one in (self._listening, *self._through):
            one.close()
        shutil.rmtree(self._folder)

    def shut(self) -> None:
        self._shut.set()
        self._cut()

    def open(self) -> None:
        self._shut.clear()

    def _cut(self) -> None:
        for one in self._through:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while not self._ending.is_set():
            with suppress(TimeoutError):
                client, _ = self._listening.accept()
                if self._shut.is_set():
                    client.close()
                    self.refused += 1
                else:
                    self._let_in(client)

    def _let_in(self, client: socket.socket) -> None:
        client.settimeout(None)
        there = socket.socket(socket.AF_UNIX)
        there.connect(str(self._server))
        self._through += [client, there]
        for pair in ((client, there), (there, client)):
            threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
