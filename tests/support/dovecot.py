"""A Dovecot of the tests' own: one Maildir, read by IMAP with TLS on a free port of loopback."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.acceptance.conftest import free_port

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
USER, PASSWORD = "bounces", "correct-horse"


class DovecotUnavailableError(Exception):
    """No Dovecot can be started here."""


class Dovecot:
    """An IMAP server for one user. `certificate` is what a client has to trust."""

    def __init__(self) -> None:
        command = shutil.which("dovecot", path=PATH)
        if command is None:
            raise DovecotUnavailableError("dovecot is not installed: apt-get install dovecot-imapd")
        if os.geteuid() != 0:
            raise DovecotUnavailableError("only root may start Dovecot")
        self._command = command
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.maildir = self.folder / "mail"
        self.certificate = self.folder / "certificate.pem"

    def __enter__(self) -> Self:
        self.folder.chmod(0o755)
        for name in ("new", "cur", "tmp"):
            (self.maildir / name).mkdir(parents=True)
        for path in (self.maildir, *self.maildir.iterdir()):
            shutil.chown(path, "nobody", "nogroup")
        request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        files = ["-keyout", str(self.folder / "key.pem"), "-out", str(self.certificate)]
        subprocess.run([*request, "-addext", "subjectAltName=DNS:localhost", *files], check=True, capture_output=True)
        (self.folder / "dovecot.conf").write_text(self._configuration())
        self._process = subprocess.Popen([self._command, "-F", "-c", str(self.folder / "dovecot.conf")])
        deadline = time.monotonic() + 30
        while not self._log().count("starting up"):
            assert self._process.poll() is None, self._log()
            assert time.monotonic() < deadline, self._log()
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _log(self) -> str:
        log = self.folder / "dovecot.log"
        return log.read_text() if log.exists() else ""

    def _configuration(self) -> str:
        return f"""protocols = imap
base_dir = {self.folder}/run
state_dir = {self.folder}/state
log_path = {self.folder}/dovecot.log
listen = 127.0.0.1
ssl = required
ssl_cert = <{self.certificate}
ssl_key = <{self.folder}/key.pem
mail_location = maildir:{self.maildir}
first_valid_uid = 1
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={self.folder}/home
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {self.port}
  }}
}}
"""
