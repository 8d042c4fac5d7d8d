"""A Postfix of the tests' own: configuration, queue and log in a folder of its own, on a free port of loopback."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.acceptance.conftest import free_port

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
WAIT_SECONDS = 60


class PostfixUnavailableError(Exception):
    """No Postfix can be started here."""


class Postfix:
    """A relay that takes anything from this machine and passes it on to `next_hop`, a port.

    With `bounces_to`, mail to `bounces+anything@news.example.org` goes into the shell commands of that text instead,
    as the user nobody.
    """

    def __init__(self, next_hop: int, bounces_to: str = "") -> None:
        self._bounces_to = bounces_to
        command = shutil.which("postfix", path=PATH)
        if command is None:
            raise PostfixUnavailableError("postfix is not installed: apt-get install postfix")
        if os.geteuid() != 0:
            raise PostfixUnavailableError("only root may start Postfix")
        self._command = command
        self._next_hop = next_hop
        self.port = free_port()
        # not below pytest's folder: Postfix's own users have to get in
        self.folder = Path(tempfile.mkdtemp(prefix="postfix-"))
        self.log_file = self.folder / "mail.log"

    def __enter__(self) -> Self:
        self.folder.chmod(0o755)
        for name in ("etc", "spool", "data"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix")
        (self.folder / "etc" / "main.cf").write_text(self._main())
        (self.folder / "etc" / "transport").write_text("bounces@news.example.org bouncepipe:\n")
        script = self.folder / "bounce"
        script.write_text(f"#!/bin/sh\n{self._bounces_to}\n")
        script.chmod(0o755)
        (self.folder / "etc" / "master.cf").write_text(self._master())
        try:
            self._run("start")
            self.wait_for(r"daemon started")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run([self._command, "-c", str(self.folder / "etc"), "stop"], capture_output=True, check=False)
        shutil.rmtree(self.folder)

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self.log_file.read_text() if self.log_file.exists() else ""

    def wait_for(self, pattern: str, count: int = 1) -> None:
        """Wait until `count` lines of the log match."""
        deadline = time.monotonic() + WAIT_SECONDS
        while len(re.findall(pattern, self.log)) < count:
            assert time.monotonic() < deadline, f"no {pattern!r} in\n{self.log}"
            time.sleep(0.05)

    def _run(self, verb: str) -> None:
        done = subprocess.run(
            [self._command, "-c", str(self.folder / "etc"), verb], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise PostfixUnavailableError(f"postfix {verb} ended with {done.returncode}: {done.stderr}{self.log}")

    def _main(self) -> str:
        return f"""compatibility_level = 3.6
queue_directory = {self.folder}/spool
data_directory = {self.folder}/data
maillog_file = {self.log_file}
maillog_file_prefixes = {self.folder}
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = relay.example.org
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{self._next_hop}
smtp_dns_support_level = disabled
recipient_delimiter = +
transport_maps = texthash:{self.folder}/etc/transport
"""

    def _master(self) -> str:
        """Return the distribution's services, without chroot, with smtpd on our port."""
        defaults = subprocess.run(
            [str(shutil.which("postconf", path=PATH)), "-d", "-h", "meta_directory"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        candidates = [Path(defaults) / "master.cf.proto", Path("/etc/postfix/master.cf.proto")]
        source = next((path for path in candidates if path.exists()), Path("/usr/share/postfix/master.cf.dist"))
        lines = []
        for line in source.read_text().splitlines():
            fields = line.split()
            if len(fields) >= 8 and not line.startswith(("#", " ")):
                fields[4] = "n"
                if fields[:2] == ["smtp", "inet"]:
                    fields[0] = f"127.0.0.1:{self.port}"
            lines.append(" ".join(fields) if fields and not line.startswith(("#", " ")) else line)
        lines.append(f"bouncepipe unix - n n - 1 pipe flags=DRX user=nobody argv={self.folder}/bounce")
        return "\n".join(lines) + "\n"
